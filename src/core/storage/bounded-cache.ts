import { LRUCache } from 'lru-cache';
import { type ObjectStore, readBytes } from './object-store.ts';

/** Objects that can be made again, under one prefix of a store that may be shared, within a number of bytes. */
export interface BoundedCache {
  /** Undefined for what is not kept, and where the store fails. */
  get(key: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<Uint8Array | undefined>;
  /** Keeps an object, and drops what was not asked for the longest. A store that fails keeps nothing. */
  put(key: string, bytes: Uint8Array): Promise<void>;
}

export interface BoundedCacheOptions {
  readonly store: ObjectStore;
  /** Of every key, without a slash at its end. */
  readonly prefix: string;
  readonly maxBytes: number;
  /** Of what is kept in memory beside. */
  readonly memoryBytes: number;
  readonly onError: (error: unknown, doing: string) => void;
}

/** What others put under the prefix counts from the first use on; what they put later when it is asked for here. */
export function createBoundedCache({
  store,
  prefix,
  maxBytes,
  memoryBytes,
  onError,
}: BoundedCacheOptions): BoundedCache {
  const memory = new LRUCache<string, Uint8Array>({
    maxSize: memoryBytes,
    sizeCalculation: ({ length }) => length + 1,
  });
  /** Sizes by key, what was asked for last at the end. */
  const sizes = new Map<string, number>();
  let total = 0;
  let listing: Promise<void> | undefined;

  function note(key: string, sizeBytes: number): void {
    total += sizeBytes - (sizes.get(key) ?? 0);
    sizes.delete(key);
    sizes.set(key, sizeBytes);
  }

  async function list(): Promise<void> {
    try {
      for await (const { key, sizeBytes } of store.list(`${prefix}/`)) if (!sizes.has(key)) note(key, sizeBytes);
    } catch (error) {
      onError(error, 'listing a cache');
      listing = undefined;
    }
  }

  async function drop(): Promise<void> {
    for (const [key, sizeBytes] of sizes) {
      if (total <= maxBytes) return;
      sizes.delete(key);
      memory.delete(key);
      total -= sizeBytes;
      await store.delete(key);
    }
  }

  return {
    async get(name, { signal } = {}) {
      const key = `${prefix}/${name}`;
      const remembered = memory.get(key);
      if (remembered !== undefined) {
        note(key, remembered.length);
        return remembered;
      }
      try {
        const found = await readBytes(store, key, { signal });
        if (found === undefined) return undefined;
        note(key, found.bytes.length);
        memory.set(key, found.bytes);
        return found.bytes;
      } catch (error) {
        if (signal?.aborted !== true) onError(error, 'reading a cache');
        return undefined;
      }
    },

    async put(name, bytes) {
      const key = `${prefix}/${name}`;
      listing ??= list();
      await listing;
      try {
        await store.put(key, bytes);
        note(key, bytes.length);
        memory.set(key, bytes);
        await drop();
      } catch (error) {
        onError(error, 'writing a cache');
      }
    },
  };
}
