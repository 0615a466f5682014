import { randomUUID } from 'node:crypto';
import { createReadStream, type Dirent } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { codeOf, lockFile } from './file-lock.ts';
import { checkKey, type ListedObject, type ObjectStore, type PutOptions, type StoredObject } from './object-store.ts';

/** Names that a reader never sees: writes in progress and the locks of conditional writes. */
const HIDDEN = /^\./;
/** A writer holds a lock for milliseconds. */
const LOCK = { staleMs: 30_000, patienceMs: 5_000 };

/**
 * A store in a folder. Objects are written to a hidden file beside their place, flushed to the disk and renamed, so a crash leaves the old
 * object or the new one. Conditional writes are atomic between processes of one machine, by a lock file per key.
 *
 * @example createFsObjectStore({ url: 'file:///srv/geo2' })
 */
export function createFsObjectStore(options: { url: string }): ObjectStore & { localPath(key: string): string } {
  const root = rootOf(options.url);

  function pathOf(key: string): string {
    checkKey(key);
    return join(root, key);
  }

  async function put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, conditions: PutOptions = {}) {
    const path = pathOf(key);
    await mkdir(dirname(path), { recursive: true });
    const temporary = join(dirname(path), `.${randomUUID()}.tmp`);
    try {
      await writeFlushed(temporary, body, conditions.signal);
      await placeFile(temporary, path, key, conditions);
      await flushFolder(dirname(path));
      return { etag: (await etagOf(path)) ?? '' };
    } finally {
      await rm(temporary, { force: true });
    }
  }

  return {
    url: pathToFileURL(root).href,
    localPath: pathOf,

    async get(key, { range, ifNoneMatch, signal } = {}): Promise<StoredObject | 'unchanged' | undefined> {
      throwIfCanceled(signal);
      const path = pathOf(key);
      const handle = await open(path, 'r').catch(missingIsUndefined);
      if (handle === undefined) return undefined;
      // the handle pins this version: a rename over it does not mix two versions in one read
      const found = await handle.stat({ bigint: true });
      if (!found.isFile() || etagFrom(found) === ifNoneMatch) {
        await handle.close();
        return found.isFile() ? 'unchanged' : undefined;
      }
      return { etag: etagFrom(found), sizeBytes: Number(found.size), body: readOnce(handle, range, signal) };
    },

    put: (key, body, conditions) => put(key, body, conditions).catch(asStoreError(key)),

    async *list(prefix, { signal } = {}): AsyncIterable<ListedObject> {
      const folder = prefix.slice(0, prefix.lastIndexOf('/') + 1);
      if (folder !== '') checkKey(folder.slice(0, -1));
      for (const key of (await keysBelow(root, folder)).filter((found) => found.startsWith(prefix)).sort()) {
        throwIfCanceled(signal);
        const found = await stat(join(root, key)).catch(missingIsUndefined);
        if (found !== undefined) yield { key, sizeBytes: found.size };
      }
    },

    async delete(key) {
      const path = pathOf(key);
      await rm(path, { force: true }).catch(asStoreError(key));
      await removeEmptyFolders(root, dirname(path));
    },

    async deleteFolder(folder) {
      const path = pathOf(folder);
      await rm(path, { recursive: true, force: true }).catch(asStoreError(folder));
      await removeEmptyFolders(root, dirname(path));
    },
  };
}

function rootOf(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed?.protocol === 'file:' && parsed.host === '') return resolve(fileURLToPath(parsed));
  throw new Geo2Error('STORE_FAILED', `${JSON.stringify(url)} is not a file:///… URL.`, { data: { url } });
}

async function writeFlushed(
  path: string,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const handle = await open(path, 'wx');
  try {
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      throwIfCanceled(signal);
      await handle.writeFile(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function placeFile(temporary: string, path: string, key: string, conditions: PutOptions): Promise<void> {
  if (conditions.ifNoneMatch === '*') {
    await link(temporary, path).catch((cause: unknown) => {
      throw codeOf(cause) === 'EEXIST' ? conflict(key, 'it exists already', cause) : cause;
    });
    return;
  }
  const { ifMatch } = conditions;
  const unlock = await lockFile(join(dirname(path), `.${basename(path)}.lock`), LOCK);
  if (unlock === undefined) throw conflict(key, 'another write holds it');
  try {
    if (ifMatch !== undefined && (await etagOf(path)) !== ifMatch) throw conflict(key, 'it has changed since');
    await rename(temporary, path);
  } finally {
    await unlock();
  }
}

async function* readOnce(
  handle: FileHandle,
  range: { start: number; end: number } | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  try {
    if (range !== undefined && range.end <= range.start) return;
    // a stream's end is inclusive
    const part = range === undefined ? {} : { start: range.start, end: range.end - 1 };
    for await (const chunk of createReadStream('', { fd: handle, autoClose: false, highWaterMark: 1 << 20, ...part })) {
      throwIfCanceled(signal);
      yield chunk;
    }
  } finally {
    await handle.close();
  }
}

async function etagOf(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(missingIsUndefined);
  return found === undefined ? undefined : etagFrom(found);
}

/** A rename always brings a new inode, so two versions of one size written in one clock tick still differ. */
function etagFrom(found: { ino: bigint; mtimeNs: bigint; size: bigint }): string {
  return `"${found.ino.toString(36)}-${found.mtimeNs.toString(36)}-${found.size.toString(36)}"`;
}

async function keysBelow(root: string, folder: string): Promise<string[]> {
  const entries: Dirent[] =
    (await readdir(join(root, folder), { withFileTypes: true }).catch(missingIsUndefined)) ?? [];
  const keys: string[] = [];
  for (const entry of entries) {
    if (HIDDEN.test(entry.name)) continue;
    if (entry.isDirectory()) keys.push(...(await keysBelow(root, `${folder}${entry.name}/`)));
    else keys.push(folder + entry.name);
  }
  return keys;
}

async function removeEmptyFolders(root: string, folder: string): Promise<void> {
  for (let current = folder; current.length > root.length; current = dirname(current)) {
    const removed = await rmdir(current).then(
      () => true,
      () => false, // not empty, or already gone
    );
    if (!removed) return;
  }
}

/** Makes a rename survive a power cut. */
async function flushFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function missingIsUndefined(cause: unknown): undefined {
  if (['ENOENT', 'ENOTDIR'].includes(String(codeOf(cause)))) return undefined;
  throw new Geo2Error('STORE_FAILED', 'The store cannot be read.', { cause });
}

function conflict(key: string, why: string, cause?: unknown): Geo2Error {
  return new Geo2Error('STORE_CONFLICT', `${key} was not written: ${why}.`, { data: { key }, cause });
}

function asStoreError(key: string): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof Geo2Error) throw cause;
    const isFull = ['ENOSPC', 'EDQUOT'].includes(String(codeOf(cause)));
    const why = isFull ? `${key} cannot be written: the disk is full. Make room where the store is.` : undefined;
    throw new Geo2Error('STORE_FAILED', why ?? `${key} cannot be written.`, { data: { key }, cause });
  };
}
