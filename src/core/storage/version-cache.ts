import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import { type FileFacts, type VerifyFiles, verifyFiles } from './checksums.ts';
import { codeOf, keepFresh, lockFile, SOON_STALE_MS, STALE_MS, touchedAt } from './file-lock.ts';
import type { ObjectStore } from './object-store.ts';

/**
 * Versions of a store that is not local, on this machine. Processes and containers may share the folder: a version is written
 * under another name, verified and renamed; who uses one says so by a file that is touched as long as it is used, and what is
 * used is not removed. It is bounded in bytes: what was used longest ago makes room.
 */
export interface VersionCache {
  /**
   * The folder of a version, every file verified, downloaded where it is not there yet; held until released. Errors: FILE_MISSING,
   * FILE_CORRUPT (names the file), STORE_FAILED (the store, a full disk, or no room beside what is in use), CANCELED.
   */
  hold(version: CachedVersion, options?: { signal?: AbortSignal | undefined }): Promise<HeldVersion>;
}

export interface CachedVersion {
  readonly store: ObjectStore;
  /** `regions/helsinki` */
  readonly prefix: string;
  readonly version: string;
  readonly files: readonly FileFacts[];
  /** The bytes of its manifest. */
  readonly manifest: Uint8Array;
}

export interface HeldVersion {
  readonly dir: string;
  release(): Promise<void>;
}

export interface VersionCacheOptions {
  readonly dir: string;
  readonly maxBytes: number;
  readonly verify?: VerifyFiles | undefined;
}

/** The book-keeping takes milliseconds. */
const BOOK_LOCK = { staleMs: 30_000, patienceMs: 60_000 };
/** Somebody else's download may take hours: its lock is kept fresh. Two that download the same do no harm. */
const DOWNLOAD_LOCK = {
  staleMs: SOON_STALE_MS,
  patienceMs: Number.POSITIVE_INFINITY,
  everyMs: 100,
  fromDead: true,
};
const MANIFEST = 'manifest.json';

/** Inside an entry of the cache. */
const FILES = 'files';
const USES = 'uses';
const PART = /^part-[0-9a-f-]+-(\d+)$/;

export function createVersionCache({ dir: root, maxBytes, verify = verifyFiles }: VersionCacheOptions): VersionCache {
  /** One process at a time looks what there is and what is used. */
  async function alone<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(root, { recursive: true });
    const unlock = await lockFile(join(root, '.lock'), BOOK_LOCK);
    if (unlock === undefined) {
      throw new Geo2Error('STORE_FAILED', `The cache ${root} is locked by another process: try again.`);
    }
    try {
      return await work();
    } finally {
      await unlock();
    }
  }

  /** From here on nobody removes the version. */
  async function use(entry: string): Promise<() => Promise<void>> {
    const path = join(entry, USES, randomUUID());
    await alone(async () => {
      await mkdir(join(entry, USES), { recursive: true });
      await writeFile(path, '');
      await touch(entry);
    });
    const stop = keepFresh(path);
    return async () => {
      stop();
      await touch(entry).catch(() => {});
      await rm(path, { force: true });
    };
  }

  async function fill(entry: string, asked: CachedVersion, signal: AbortSignal | undefined): Promise<void> {
    const lockPath = join(entry, 'lock');
    const unlock = await lockFile(lockPath, { ...DOWNLOAD_LOCK, signal });
    if (unlock === undefined) throw canceled(signal);
    const stop = keepFresh(lockPath);
    try {
      // whoever had the lock before may have done the work
      if (await isWhole(join(entry, FILES), asked.files, signal)) return;
      // what is mapped of it stays readable; what else there is was begun by one that died
      const left = (await namesIn(entry)).filter((name) => name === FILES || PART.test(name));
      for (const name of left) await rm(join(entry, name), { recursive: true, force: true });
      await download(entry, asked, signal);
    } finally {
      stop();
      await unlock();
    }
  }

  async function download(entry: string, asked: CachedVersion, signal: AbortSignal | undefined): Promise<void> {
    const { store, prefix, version, files, manifest } = asked;
    const needed = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, manifest.length);
    const part = join(entry, `part-${randomUUID()}-${needed}`);
    await alone(async () => {
      await makeRoom(needed, `${prefix}@${version}`);
      await mkdir(part);
    });
    const stop = keepFresh(part);
    try {
      for (const { path } of files) {
        throwIfCanceled(signal);
        const found = await store.get(`${prefix}/${version}/${path}`, { signal });
        if (found === undefined || found === 'unchanged') {
          throw new Geo2Error('FILE_MISSING', `${prefix}/${version}/${path} is missing in ${store.url}.`, {
            data: { file: path },
          });
        }
        await mkdir(dirname(join(part, path)), { recursive: true });
        await pipeline(found.body, createWriteStream(join(part, path), { flush: true }));
      }
      await writeFile(join(part, MANIFEST), manifest, { flush: true });
      await verify(part, files, { signal });
      await rename(part, join(entry, FILES));
    } catch (error) {
      throw isFull(error) ? full(root, { what: `${prefix}@${version}`, needed, cause: error }) : error;
    } finally {
      stop();
      await rm(part, { recursive: true, force: true });
    }
  }

  /** Removes what died, then what was used longest ago, until so many bytes fit. */
  async function makeRoom(needed: number, what: string): Promise<void> {
    const entries = await Promise.all((await namesIn(root)).map((name) => describe(join(root, name))));
    let held = entries.reduce((sum, { bytes }) => sum + bytes, 0);
    for (const entry of entries.sort((a, b) => a.usedAtMs - b.usedAtMs)) {
      if (held + needed <= maxBytes) return;
      if (entry.isUsed) continue;
      await rm(entry.path, { recursive: true, force: true });
      held -= entry.bytes;
    }
    if (held + needed <= maxBytes) return;
    throw new Geo2Error(
      'STORE_FAILED',
      `${what} does not fit into the cache ${root}: it has ${needed} bytes, ${held} are in use, and GEO2_CACHE_BYTES allows ` +
        `${maxBytes}. Raise it: a new version is loaded beside the old one.`,
      { data: { needed, held, maxBytes } },
    );
  }

  function isWhole(dir: string, files: readonly FileFacts[], signal: AbortSignal | undefined): Promise<boolean> {
    return verify(dir, files, { signal }).then(
      () => true,
      () => {
        throwIfCanceled(signal);
        return false;
      },
    );
  }

  return {
    async hold(asked, { signal } = {}) {
      throwIfCanceled(signal);
      const entry = join(root, nameOf(asked));
      const dir = join(entry, FILES);
      const release = await use(entry);
      try {
        if (!(await isWhole(dir, asked.files, signal))) await fill(entry, asked, signal);
        return { dir, release };
      } catch (error) {
        await release();
        throw error;
      }
    },
  };
}

/** Readable, and another one for other content: a version of the same name in another store, or in one that was made anew. */
function nameOf({ store, prefix, version, files }: CachedVersion): string {
  const content = createHash('sha256')
    .update(JSON.stringify([store.url, prefix, version, files]))
    .digest('hex');
  return `${prefix.replaceAll('/', '_')}_${version}_${content.slice(0, 16)}`;
}

interface Entry {
  readonly path: string;
  /** On the disk, and those that a download under way has still to write. */
  readonly bytes: number;
  readonly isUsed: boolean;
  readonly usedAtMs: number;
}

async function describe(path: string): Promise<Entry> {
  const alive = async (name: string, staleMs: number): Promise<boolean> =>
    Date.now() - ((await touchedAt(join(path, name))) ?? 0) <= staleMs;
  let bytes = await bytesOf(join(path, FILES));
  for (const name of await namesIn(path)) {
    const reserved = PART.exec(name)?.[1];
    if (reserved === undefined) continue;
    if (await alive(name, SOON_STALE_MS)) bytes += Number(reserved);
    else await rm(join(path, name), { recursive: true, force: true });
  }
  let isUsed = false;
  for (const name of await namesIn(join(path, USES))) isUsed ||= await alive(join(USES, name), STALE_MS);
  return { path, bytes, isUsed, usedAtMs: (await touchedAt(path)) ?? 0 };
}

async function bytesOf(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const sizes = entries
    .filter((entry) => entry.isFile())
    .map((entry) => stat(join(entry.parentPath, entry.name)).then(({ size }) => size));
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

/** Without hidden ones; none where there is no such folder. */
async function namesIn(dir: string): Promise<string[]> {
  const names = await readdir(dir).catch(() => []);
  return names.filter((name) => !name.startsWith('.'));
}

async function touch(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now);
}

function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(String(codeOf(error)));
}

function full(root: string, { what, needed, cause }: { what: string; needed: number; cause: unknown }): Geo2Error {
  return new Geo2Error(
    'STORE_FAILED',
    `The disk is full where the cache ${root} is: ${what} needs ${needed} bytes. Make room, lower GEO2_CACHE_BYTES, or set ` +
      'GEO2_CACHE_DIR to a folder on another disk.',
    { data: { needed }, cause },
  );
}
