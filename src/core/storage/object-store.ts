import { Geo2Error } from '../errors.ts';

/**
 * Where models and regions live: a flat space of `a/b/c` keys holding immutable objects and a few small pointers.
 * Writes are all or nothing: a reader sees the old object or the new one, never a part.
 */
export interface ObjectStore {
  /** For messages, e.g. `file:///srv/geo2`. */
  readonly url: string;
  /** Undefined when there is no such key; `unchanged` when its etag is `ifNoneMatch`. Errors: STORE_FAILED. */
  get(key: string, options?: GetOptions): Promise<StoredObject | 'unchanged' | undefined>;
  /** Writes an object and returns its etag. Errors: STORE_CONFLICT when a condition does not hold, STORE_FAILED. */
  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ etag: string }>;
  /** Every key that starts with `prefix`, in the order of its UTF-16 code units. Errors: STORE_FAILED. */
  list(prefix: string, options?: { signal?: AbortSignal | undefined }): AsyncIterable<ListedObject>;
  /** Removing what is not there is no error. Errors: STORE_FAILED. */
  delete(key: string): Promise<void>;
  /** Removes every object of a folder (`jobs/one`), and what writers that died left in it. Errors: STORE_FAILED. */
  deleteFolder(folder: string): Promise<void>;
  /** Where an object lies as a local file, when the store is one: it is opened in place, and may be memory-mapped. */
  localPath?(key: string): string;
}

export interface GetOptions {
  /** Bytes [start, end) of the object; a range beyond its end gives what there is. */
  readonly range?: { readonly start: number; readonly end: number };
  readonly ifNoneMatch?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface PutOptions {
  /** Only over the object with this etag. */
  readonly ifMatch?: string;
  /** Only when there is no such key yet. */
  readonly ifNoneMatch?: '*';
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
}

export interface StoredObject {
  /** Opaque; changes whenever the object does. */
  readonly etag: string;
  /** Size of the whole object, also when a range was asked for. */
  readonly sizeBytes: number;
  /** Yields the bytes once. */
  readonly body: AsyncIterable<Uint8Array>;
}

export interface ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
}

/** Refuses keys that could leave the store or that some technology cannot hold. Throws STORE_FAILED. */
export function checkKey(key: string): void {
  const parts = key.split('/');
  const proper = parts.every((part) => /^[A-Za-z0-9_][A-Za-z0-9._@-]*$/.test(part));
  if (proper && key.length <= 512) return;
  throw new Geo2Error('STORE_FAILED', `${JSON.stringify(key)} is not a proper key.`, { data: { key } });
}

/** The whole of an object that is known to be small (a pointer, a manifest); undefined when it is missing. */
export function readBytes(
  store: ObjectStore,
  key: string,
  options?: { maxBytes?: number; ifNoneMatch?: undefined; signal?: AbortSignal | undefined },
): Promise<SmallObject | undefined>;
/** The same, or `unchanged` where its etag still is `ifNoneMatch`. */
export function readBytes(
  store: ObjectStore,
  key: string,
  options: { maxBytes?: number; ifNoneMatch?: string | undefined; signal?: AbortSignal | undefined },
): Promise<SmallObject | 'unchanged' | undefined>;
export async function readBytes(
  store: ObjectStore,
  key: string,
  options: { maxBytes?: number; ifNoneMatch?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<SmallObject | 'unchanged' | undefined> {
  const { maxBytes = 16 * 1024 * 1024, ifNoneMatch, signal } = options;
  const conditions = ifNoneMatch === undefined ? {} : { ifNoneMatch };
  const found = await store.get(key, { range: { start: 0, end: maxBytes }, signal, ...conditions });
  if (found === undefined || found === 'unchanged') return found;
  const chunks: Uint8Array[] = [];
  for await (const chunk of found.body) chunks.push(chunk); // also where it is refused: what is begun is read to its end
  if (found.sizeBytes > maxBytes) {
    throw new Geo2Error('FILE_CORRUPT', `${key} has ${found.sizeBytes} bytes; at most ${maxBytes} are expected.`, {
      data: { file: key, sizeBytes: found.sizeBytes },
    });
  }
  return { bytes: Buffer.concat(chunks), etag: found.etag };
}

export interface SmallObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
}
