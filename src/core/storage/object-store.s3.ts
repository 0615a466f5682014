import { createHash, randomUUID } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import { checkKey, type ListedObject, type ObjectStore, type PutOptions, type StoredObject } from './object-store.ts';
import { withRetries } from './retry.ts';
import { explainS3, isTransientS3, isUnreachable, nameOf, statusOf } from './s3-failure.ts';

export interface S3ObjectStoreOptions {
  /** `s3://bucket/prefix` */
  readonly url: string;
  /** Of a server other than Amazon's. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Whether the bucket is part of the path, as most servers other than Amazon's want it. */
  readonly pathStyle?: boolean | undefined;
  /** How long a request is tried again while the server cannot be reached or is overloaded. */
  readonly patienceMs?: number | undefined;
  /** Those of the standard chain unless given: environment, shared files, container, machine. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
  /** Bytes of a part; a body that is longer goes up in parts. */
  readonly partBytes?: number | undefined;
  /** What this machine's clock is to be corrected by. */
  readonly clockOffsetMs?: number | undefined;
  readonly random?: (() => number) | undefined;
  readonly nowMs?: (() => number) | undefined;
}

type Body = Uint8Array | AsyncIterable<Uint8Array>;

interface Asked {
  readonly key: string;
  readonly signal?: AbortSignal | undefined;
}

/** What an answer to a read holds. */
interface Answered {
  readonly etag: string;
  readonly sizeBytes: number;
  /** Undefined where the object was not written in one piece by this program. */
  readonly sha256: string | undefined;
  readonly stream: AsyncIterable<Uint8Array>;
}

const PART_BYTES = 16 * 1024 * 1024;
/** An upload may have 10,000 parts: they double in size after so many, which allows for 992 GiB. */
const PARTS_OF_ONE_SIZE = 2_000;
const PARTS_AT_ONCE = 3;
const PATIENCE_MS = 90_000;
/** An endpoint that never answered is most likely mistyped: that is not waited for as an outage is. */
const FIRST_PATIENCE_MS = 3_000;
const CONNECT_TIMEOUT_MS = 5_000;
const SILENCE_TIMEOUT_MS = 30_000;
/** Times that a read may break without a byte in between. */
const MAX_BREAKS = 5;
const DELETED_AT_ONCE = 1_000;
/** Metadata: the sha256 of a body that went up in one piece, and a name of the write. */
const SHA256 = 'geo2-sha256';
const WRITE = 'geo2-write';

/**
 * A store in a bucket of an S3 server. Large bodies go up in parts, each with its sha256; conditional writes are the server's: some
 * (SeaweedFS 4.48) let two large ones through that end in one instant, and none two small ones, as pointers and manifests are.
 * What is read is compared: an object that went up in one piece with its sha256, any other with the checksum that the server
 * holds, where it holds one, and each with its length. A read that breaks goes on where it broke, in the same version.
 *
 * Errors tell which of address, bucket, credentials, permission, region and clock is wrong: STORE_FAILED.
 *
 * @example createS3ObjectStore({ url: 's3://imagery/geo2', endpoint: 'http://127.0.0.1:8333' })
 */
export function createS3ObjectStore(options: S3ObjectStoreOptions): ObjectStore {
  const { bucket, prefix } = placeOf(options.url);
  const { endpoint, region = 'us-east-1', pathStyle = endpoint !== undefined, credentials } = options;
  const { partBytes = PART_BYTES, patienceMs = PATIENCE_MS, clockOffsetMs = 0 } = options;
  const { random = Math.random, nowMs = () => performance.now() } = options;
  const client = new S3Client({
    region,
    forcePathStyle: pathStyle,
    maxAttempts: 1, // what is tried again is tried again here
    systemClockOffset: clockOffsetMs,
    requestHandler: { connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentials === undefined ? {} : { credentials }),
  });
  let hasAnswered = false;

  /** A call to the server, repeated while that may help. Its errors are the store's, the server's own their cause. */
  async function ask<T>({ key, signal }: Asked, call: (attempt: number) => Promise<T>): Promise<T> {
    const tracked = async (attempt: number): Promise<T> => {
      try {
        const answer = await call(attempt);
        hasAnswered = true;
        return answer;
      } catch (error) {
        hasAnswered ||= !isUnreachable(error);
        throw error;
      }
    };
    const patience = (): number => (hasAnswered ? patienceMs : Math.min(patienceMs, FIRST_PATIENCE_MS));
    try {
      return await withRetries(tracked, { isTransient: isTransientS3, patienceMs: patience, random, nowMs, signal });
    } catch (error) {
      if (error instanceof Geo2Error) throw error;
      throw explainS3(error, { bucket, endpoint, region, key });
    }
  }

  function objectOf(key: string): { Bucket: string; Key: string } {
    checkKey(key);
    return { Bucket: bucket, Key: prefix + key };
  }

  async function read(
    key: string,
    asked: {
      range?: { start: number; end: number } | undefined;
      ifNoneMatch?: string | undefined;
      ifMatch?: string | undefined;
      signal?: AbortSignal | undefined;
    },
  ): Promise<Answered | 'unchanged' | undefined> {
    const { range, ifNoneMatch, ifMatch, signal } = asked;
    const command = new GetObjectCommand({
      ...objectOf(key),
      ChecksumMode: 'ENABLED',
      IfNoneMatch: ifNoneMatch,
      IfMatch: ifMatch,
      // the end of a range is inclusive
      Range: range === undefined ? undefined : `bytes=${range.start}-${range.end - 1}`,
    });
    const found = await ask({ key, signal }, () => client.send(command, sending(signal))).catch(missOf);
    if (found === undefined || found === 'unchanged') return found;
    if (found === 'beyond its end') return readNothing(key, signal);
    const { ETag: etag = '', ContentLength: length = 0, ContentRange: part, Metadata: metadata, Body: stream } = found;
    return {
      etag,
      sizeBytes: part === undefined ? length : Number(part.slice(part.indexOf('/') + 1)),
      sha256: metadata?.[SHA256],
      stream: isIterable(stream) ? stream : nothing(),
    };
  }

  /** An object without its bytes. */
  async function readNothing(key: string, signal?: AbortSignal): Promise<Answered | undefined> {
    const command = new HeadObjectCommand(objectOf(key));
    const found = await ask({ key, signal }, () => client.send(command, sending(signal))).catch(missOf);
    if (found === undefined || typeof found === 'string') return undefined;
    return { etag: found.ETag ?? '', sizeBytes: found.ContentLength ?? 0, sha256: undefined, stream: nothing() };
  }

  async function get(
    key: string,
    asked: Parameters<ObjectStore['get']>[1] = {},
  ): Promise<StoredObject | 'unchanged' | undefined> {
    const { range, signal } = asked;
    throwIfCanceled(signal);
    const isEmpty = range !== undefined && range.end <= range.start;
    const found = isEmpty ? await readNothing(key, signal) : await read(key, asked);
    if (found === undefined || found === 'unchanged') return found;
    if (found.etag === asked.ifNoneMatch) return 'unchanged';
    const { etag, sizeBytes } = found;
    const start = Math.min(range?.start ?? 0, sizeBytes);
    const end = isEmpty ? start : Math.min(range?.end ?? sizeBytes, sizeBytes);
    return { etag, sizeBytes, body: bodyOf(key, found, { start, end, signal }) };
  }

  /** The bytes [start, end), whatever breaks on the way. */
  async function* bodyOf(
    key: string,
    { etag, sizeBytes, sha256, stream }: Answered,
    { start, end, signal }: { start: number; end: number; signal: AbortSignal | undefined },
  ): AsyncGenerator<Uint8Array> {
    const hash = sha256 !== undefined && start === 0 && end === sizeBytes ? createHash('sha256') : undefined;
    let [position, current, breaks] = [start, stream, 0];
    while (position < end) {
      const from = position;
      try {
        for await (const chunk of current) {
          throwIfCanceled(signal);
          position += chunk.length;
          hash?.update(chunk);
          yield chunk;
        }
      } catch (error) {
        if (signal?.aborted === true) throw canceled(signal);
        if (position >= end) throw corrupt(key, 'the checksum that the server holds', error);
        breaks = position === from ? breaks + 1 : 0;
        if (breaks > MAX_BREAKS || !isTransientS3(error, 1)) throw explainS3(error, { bucket, endpoint, region, key });
      }
      if (position >= end) break;
      const rest = await read(key, { range: { start: position, end }, ifMatch: etag, signal }).catch(
        changedWhileRead(key),
      );
      if (rest === undefined || rest === 'unchanged') throw changed(key);
      if (position === from && ++breaks > MAX_BREAKS) throw corrupt(key, 'its length');
      current = rest.stream;
    }
    if (position > end) throw corrupt(key, 'its length');
    if (hash !== undefined && hash.digest('hex') !== sha256) throw corrupt(key, 'the sha256 that it was written with');
  }

  async function put(key: string, body: Body, conditions: PutOptions = {}): Promise<{ etag: string }> {
    const { signal } = conditions;
    const object = objectOf(key);
    throwIfCanceled(signal);
    const parts = partsOf(body, partBytes)[Symbol.asyncIterator]();
    const first = await nextOf(parts, key, signal);
    const second = first === undefined ? undefined : await nextOf(parts, key, signal);
    if (first === undefined || second === undefined) return putWhole(key, first ?? new Uint8Array(0), conditions);

    await refuseEarly(key, conditions);
    const write = randomUUID();
    const create = new CreateMultipartUploadCommand({
      ...object,
      ChecksumAlgorithm: 'SHA256',
      ContentType: conditions.contentType,
      Metadata: { [WRITE]: write },
    });
    const { UploadId } = await ask({ key, signal }, () => client.send(create, sending(signal)));
    const upload = { ...object, UploadId };
    try {
      const done = await uploadParts(key, upload, { first, second, parts, signal });
      const complete = new CompleteMultipartUploadCommand({
        ...upload,
        MultipartUpload: { Parts: done },
        ...conditionsOf(conditions),
      });
      return await settled(key, { write, conditions }, () => client.send(complete, sending(signal)));
    } catch (error) {
      // best effort: the first error is the one to tell
      await client.send(new AbortMultipartUploadCommand(upload)).catch(() => {});
      throw error;
    }
  }

  async function putWhole(key: string, bytes: Uint8Array, conditions: PutOptions): Promise<{ etag: string }> {
    const sha256 = createHash('sha256').update(bytes).digest();
    const write = randomUUID();
    const command = new PutObjectCommand({
      ...objectOf(key),
      Body: bytes,
      ContentLength: bytes.length,
      ContentType: conditions.contentType,
      ChecksumSHA256: sha256.toString('base64'),
      Metadata: { [SHA256]: sha256.toString('hex'), [WRITE]: write },
      ...conditionsOf(conditions),
    });
    return settled(key, { write, conditions }, () => client.send(command, sending(conditions.signal)));
  }

  /**
   * The end of a write. An answer that was lost leaves open whether it took place: when the next attempt is told of a conflict, the
   * object tells whose it is.
   */
  async function settled(
    key: string,
    { write, conditions }: { write: string; conditions: PutOptions },
    call: () => Promise<{ ETag?: string | undefined }>,
  ): Promise<{ etag: string }> {
    let attempts = 0;
    try {
      const { ETag: etag = '' } = await ask({ key, signal: conditions.signal }, (attempt) => {
        attempts = attempt;
        return call();
      });
      return { etag };
    } catch (error) {
      if (!(error instanceof Geo2Error)) throw error;
      const reason = nameOf(error.cause);
      const isConflict = error.code === 'STORE_CONFLICT' || reason === 'ConditionalRequestConflict';
      const isGone = ['NoSuchUpload', 'NoSuchKey', 'NotFound'].includes(reason);
      if (attempts > 1 && (isConflict || isGone)) {
        const found = await ask({ key }, () => client.send(new HeadObjectCommand(objectOf(key)))).catch(missOf);
        if (typeof found === 'object' && found.Metadata?.[WRITE] === write) return { etag: found.ETag ?? '' };
      }
      if (isConflict || (isGone && conditions.ifMatch !== undefined)) throw conflict(key, error.cause);
      throw error;
    }
  }

  /** Before gigabytes go up for nothing; what counts is the condition at the end. */
  async function refuseEarly(key: string, { ifMatch, ifNoneMatch, signal }: PutOptions): Promise<void> {
    if (ifMatch === undefined && ifNoneMatch === undefined) return;
    const found = await readNothing(key, signal);
    if (ifNoneMatch === '*' && found !== undefined) throw conflict(key);
    if (ifMatch !== undefined && found?.etag !== ifMatch) throw conflict(key);
  }

  /** A few at a time, in any order; listed in theirs. */
  async function uploadParts(
    key: string,
    upload: { Bucket: string; Key: string; UploadId: string | undefined },
    {
      first,
      second,
      parts,
      signal,
    }: { first: Uint8Array; second: Uint8Array; parts: AsyncIterator<Uint8Array>; signal: AbortSignal | undefined },
  ): Promise<CompletedPart[]> {
    const done: CompletedPart[] = [];
    const running = new Set<Promise<void>>();
    const uploadOne = async (PartNumber: number, bytes: Uint8Array): Promise<void> => {
      const ChecksumSHA256 = createHash('sha256').update(bytes).digest('base64');
      const command = new UploadPartCommand({ ...upload, PartNumber, Body: bytes, ChecksumSHA256 });
      const { ETag } = await ask({ key, signal }, () => client.send(command, sending(signal)));
      done.push({ PartNumber, ETag, ChecksumSHA256 });
    };
    try {
      let number = 0;
      for (let part: Uint8Array | undefined = first; part !== undefined; ) {
        const sending = uploadOne(++number, part).finally(() => running.delete(sending));
        sending.catch(() => {}); // it is told by whoever waits below
        running.add(sending);
        if (running.size >= PARTS_AT_ONCE) await Promise.race(running);
        part = number === 1 ? second : await nextOf(parts, key, signal);
      }
      await Promise.all(running);
    } finally {
      await Promise.allSettled(running);
    }
    return done.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
  }

  async function listAll(below: string, signal?: AbortSignal): Promise<ListedObject[]> {
    const listed: ListedObject[] = [];
    for (let token: string | undefined; ; ) {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix + below, ContinuationToken: token });
      const asked = { key: below === '' ? 'everything' : below, signal };
      const page = await ask(asked, () => client.send(command, sending(signal)));
      for (const { Key = '', Size: sizeBytes = 0 } of page.Contents ?? []) {
        // a folder that some tool has made is no object
        if (!Key.endsWith('/')) listed.push({ key: Key.slice(prefix.length), sizeBytes });
      }
      token = page.NextContinuationToken;
      if (page.IsTruncated !== true || token === undefined) break;
    }
    // not every server lists in the order of whole keys
    return listed.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  async function abortUploads(folder: string): Promise<void> {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: `${prefix}${folder}/` });
    const { Uploads = [] } = await ask({ key: folder }, () => client.send(command));
    for (const { Key, UploadId } of Uploads) {
      const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId });
      await ask({ key: folder }, () => client.send(abort));
    }
  }

  return {
    url: `s3://${bucket}${prefix === '' ? '' : `/${prefix.slice(0, -1)}`}`,
    get,
    put,

    async *list(below, { signal } = {}): AsyncIterable<ListedObject> {
      throwIfCanceled(signal);
      const folder = below.slice(0, below.lastIndexOf('/') + 1);
      if (folder !== '') checkKey(folder.slice(0, -1));
      yield* await listAll(below, signal);
    },

    async delete(key) {
      const command = new DeleteObjectCommand(objectOf(key));
      await ask({ key }, () => client.send(command));
    },

    async deleteFolder(folder) {
      checkKey(folder);
      await abortUploads(folder);
      const keys = (await listAll(`${folder}/`)).map(({ key }) => ({ Key: prefix + key }));
      for (let i = 0; i < keys.length; i += DELETED_AT_ONCE) {
        const Delete = { Objects: keys.slice(i, i + DELETED_AT_ONCE), Quiet: true };
        const command = new DeleteObjectsCommand({ Bucket: bucket, Delete });
        const { Errors: [refused] = [] } = await ask({ key: folder }, () => client.send(command));
        if (refused === undefined) continue;
        const why = refused.Message ?? refused.Code ?? 'no reason is given';
        throw new Geo2Error('STORE_FAILED', `${refused.Key} cannot be deleted: ${why}.`, { data: { key: folder } });
      }
    },
  };
}

function placeOf(url: string): { bucket: string; prefix: string } {
  const [, bucket, path = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/.exec(url) ?? [];
  const folder = path.replace(/\/+$/, '');
  if (bucket !== undefined) {
    if (folder !== '') checkKey(folder);
    return { bucket, prefix: folder === '' ? '' : `${folder}/` };
  }
  throw new Geo2Error('STORE_FAILED', `${JSON.stringify(url)} is not a URL such as s3://bucket/prefix.`, {
    data: { url },
  });
}

/** The body in pieces of a part's size, the last one shorter; one at least unless it is empty. */
async function* partsOf(body: Body, partBytes: number): AsyncGenerator<Uint8Array> {
  let held: Uint8Array[] = [];
  let [heldBytes, yielded] = [0, 0];
  const sizeNow = (): number => partBytes * 2 ** Math.floor(yielded / PARTS_OF_ONE_SIZE);
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    held.push(chunk);
    heldBytes += chunk.length;
    while (heldBytes >= sizeNow()) {
      const all = held.length === 1 && held[0] !== undefined ? held[0] : Buffer.concat(held);
      const size = sizeNow();
      yielded++;
      yield all.subarray(0, size);
      const rest = all.subarray(size);
      held = rest.length === 0 ? [] : [rest];
      heldBytes = rest.length;
    }
  }
  if (heldBytes > 0) yield Buffer.concat(held);
}

/** The next part; a source that fails is the write that fails. */
async function nextOf(
  parts: AsyncIterator<Uint8Array>,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  throwIfCanceled(signal);
  try {
    const { done, value } = await parts.next();
    return done === true ? undefined : value;
  } catch (cause) {
    if (signal?.aborted === true) throw canceled(signal);
    if (cause instanceof Geo2Error) throw cause;
    throw new Geo2Error('STORE_FAILED', `${key} cannot be written: its source failed.`, { data: { key }, cause });
  }
}

function conditionsOf({ ifMatch, ifNoneMatch }: PutOptions): { IfMatch?: string; IfNoneMatch?: string } {
  if (ifMatch !== undefined) return { IfMatch: ifMatch };
  return ifNoneMatch === undefined ? {} : { IfNoneMatch: ifNoneMatch };
}

function sending(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** Answers that are no failure. */
function missOf(error: unknown): undefined | 'unchanged' | 'beyond its end' {
  const cause = error instanceof Geo2Error ? error.cause : undefined;
  if (['NoSuchKey', 'NotFound'].includes(nameOf(cause))) return undefined;
  if (statusOf(cause) === 304) return 'unchanged';
  if (statusOf(cause) === 416) return 'beyond its end';
  throw error;
}

function changedWhileRead(key: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof Geo2Error && error.code === 'STORE_CONFLICT' ? changed(key) : error;
  };
}

function changed(key: string): Geo2Error {
  return new Geo2Error('STORE_FAILED', `${key} was replaced while it was read: read it again.`, { data: { key } });
}

function conflict(key: string, cause?: unknown): Geo2Error {
  return new Geo2Error('STORE_CONFLICT', `${key} was not written: it has changed since, or exists already.`, {
    data: { key },
    cause,
  });
}

function corrupt(key: string, what: string, cause?: unknown): Geo2Error {
  return new Geo2Error('FILE_CORRUPT', `${key} was read with other content than ${what} says.`, {
    data: { file: key },
    cause,
  });
}

function isIterable(stream: unknown): stream is AsyncIterable<Uint8Array> {
  return typeof stream === 'object' && stream !== null && Symbol.asyncIterator in stream;
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
