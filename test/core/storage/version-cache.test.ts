import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { type CachedVersion, createVersionCache } from '#core/storage/version-cache.ts';

const execute = promisify(execFile);
const SIZE = 10_000;
const MANIFEST = Buffer.from('{}');
/** What so many versions need. */
const roomFor = (versions: number): number => versions * (SIZE + MANIFEST.length);

let root: string;
let dir: string;
/** Keys that were read of the store. */
let reads: string[];
let remote: ObjectStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'geo2-cache-'));
  dir = join(root, 'cache');
  reads = [];
  const { localPath: _, ...store } = createFsObjectStore({ url: pathToFileURL(join(root, 'store')).href });
  remote = {
    ...store,
    get(key, options) {
      reads.push(key);
      return store.get(key, options);
    },
  };
  onTestFinished(() => rm(root, { recursive: true, force: true }));
});

/** Puts a version of so many bytes into the store. */
async function version(name: string, sizeBytes = SIZE): Promise<CachedVersion> {
  const content = randomBytes(sizeBytes);
  const sha256 = createHash('sha256').update(content).digest('hex');
  const files = [{ path: 'deep/index.faiss', sha256, sizeBytes }];
  await remote.put(`regions/a/${name}/deep/index.faiss`, content);
  return { store: remote, prefix: 'regions/a', version: name, files, manifest: MANIFEST };
}

const cacheOf = (maxBytes = 10 * SIZE) => createVersionCache({ dir, maxBytes });

/** Versions whose files lie in the cache. */
async function kept(): Promise<string[]> {
  const whole: string[] = [];
  for (const name of await readdir(dir)) {
    const inside: string[] = await readdir(join(dir, name)).catch(() => []);
    if (inside.includes('files')) whole.push(name.split('_')[2] ?? '');
  }
  return whole.sort();
}

describe('a version', () => {
  test('is downloaded once, also by two processes at one time, and over restarts', async () => {
    const asked = await version('1');
    const held = await Promise.all([cacheOf().hold(asked), cacheOf().hold(asked), cacheOf().hold(asked)]);
    expect(new Set(held.map((one) => one.dir)).size).toBe(1);
    expect(reads.filter((key) => key.endsWith('index.faiss'))).toHaveLength(1);
    for (const { release } of held) await release();
    await (await cacheOf().hold(asked)).release();
    expect(reads.filter((key) => key.endsWith('index.faiss'))).toHaveLength(1);
  });

  test('is downloaded again where a byte of it has changed on the disk', async () => {
    const asked = await version('1');
    const first = await cacheOf().hold(asked);
    const path = join(first.dir, 'deep/index.faiss');
    const content = await readFile(path);
    await writeFile(path, Buffer.alloc(SIZE));
    const second = await cacheOf().hold(asked);
    expect((await readFile(join(second.dir, 'deep/index.faiss'))).equals(content)).toBe(true);
    for (const { release } of [first, second]) await release();
  });

  test('of the same name and other content has a place of its own', async () => {
    const first = await cacheOf().hold(await version('1'));
    const second = await cacheOf().hold(await version('1'));
    expect(second.dir).not.toBe(first.dir);
    for (const { release } of [first, second]) await release();
  });

  test('leaves nothing behind when the store has not what its manifest says', async () => {
    const asked = await version('1');
    await remote.put('regions/a/1/deep/index.faiss', Buffer.alloc(SIZE));
    await expect(cacheOf().hold(asked)).rejects.toMatchObject({ code: 'FILE_CORRUPT' });
    await remote.delete('regions/a/1/deep/index.faiss');
    await expect(cacheOf().hold(asked)).rejects.toMatchObject({ code: 'FILE_MISSING' });
    expect(await kept()).toEqual([]);
    const left = await readdir(dir, { recursive: true });
    expect(left.filter((path) => /part-|lock/.test(path))).toEqual([]);
  });

  test('can be given up while it is downloaded', async () => {
    const asked = await version('1');
    const leaving = new AbortController();
    const slow: ObjectStore = {
      ...remote,
      async get(key, options) {
        leaving.abort();
        return remote.get(key, options);
      },
    };
    const holding = cacheOf().hold({ ...asked, store: slow }, { signal: leaving.signal });
    await expect(holding).rejects.toMatchObject({ code: 'CANCELED' });
    expect(await kept()).toEqual([]);
  });
});

describe('the bound', () => {
  test('is kept by removing what was used longest ago', async () => {
    const cache = cacheOf(roomFor(2));
    for (const name of ['1', '2', '1', '3']) {
      const held = await cache.hold(await named(name));
      await held.release();
      await later();
    }
    expect(await kept()).toEqual(['1', '3']);
  });

  test('never by removing what is in use, in whichever process', async () => {
    const held = await cacheOf(roomFor(2)).hold(await named('1'));
    for (const name of ['2', '3']) {
      await (await cacheOf(roomFor(2)).hold(await named(name))).release();
      await later();
    }
    expect(await kept()).toEqual(['1', '3']);
    const second = await cacheOf(roomFor(2)).hold(await named('3'));
    await expect(cacheOf(roomFor(2)).hold(await named('4'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/20004 are in use, and GEO2_CACHE_BYTES allows 20004\. Raise it/),
    });
    for (const { release } of [held, second]) await release();
    await (await cacheOf(roomFor(2)).hold(await named('4'))).release();
    expect(await kept()).toContain('4');
  });

  test('is not held up for ever by what a process that died had in use or was downloading', async () => {
    await (await cacheOf(roomFor(1)).hold(await named('1'))).release();
    const [entry = ''] = (await readdir(dir)).filter((name) => !name.startsWith('.'));
    const use = join(dir, entry, 'uses/of-one-that-died');
    const part = join(dir, entry, 'part-00000000-0000-0000-0000-000000000000-5000');
    await writeFile(use, '');
    await mkdir(part);
    await expect(cacheOf(roomFor(1)).hold(await named('2'))).rejects.toThrow('in use');
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const path of [use, part]) await utimes(path, longAgo, longAgo);
    await (await cacheOf(roomFor(1)).hold(await named('2'))).release();
    expect(await kept()).toEqual(['2']);
  });

  const versions = new Map<string, CachedVersion>();
  beforeEach(() => versions.clear());
  async function named(name: string): Promise<CachedVersion> {
    const found = versions.get(name) ?? (await version(name));
    versions.set(name, found);
    return found;
  }

  /** Times of files are compared: the next one is another. */
  const later = () => new Promise((wake) => setTimeout(wake, 20));
});

const mayMount = userInfo().uid === 0 && (await tryMount());
if (!mayMount) console.warn('No small file system can be mounted here: a full disk is not tested');

describe.skipIf(!mayMount)('a full disk', () => {
  test('is told with what to do, and leaves what was there', async () => {
    await mkdir(dir, { recursive: true });
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
    try {
      const cache = cacheOf(1e9);
      const first = await cache.hold(await version('1', 400_000));
      await expect(cache.hold(await version('2', 3_000_000))).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringMatching(/disk is full where the cache .* needs 3000002 bytes.*GEO2_CACHE_DIR/s),
      });
      expect(await kept()).toEqual(['1']);
      expect((await readFile(join(first.dir, 'deep/index.faiss'))).length).toBe(400_000);
      await first.release();
    } finally {
      await execute('umount', [dir]);
    }
  });

  test('is told by a store in a folder, too', async () => {
    await mkdir(dir, { recursive: true });
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
    try {
      const store = createFsObjectStore({ url: pathToFileURL(dir).href });
      await store.put('a', Buffer.from('old'));
      await expect(store.put('a', Buffer.alloc(3_000_000))).rejects.toThrow(/a cannot be written: the disk is full/);
      const keys: string[] = [];
      for await (const { key, sizeBytes } of store.list('')) keys.push(`${key} ${sizeBytes}`);
      expect(keys).toEqual(['a 3']);
    } finally {
      await execute('umount', [dir]);
    }
  });
});

async function tryMount(): Promise<boolean> {
  const probe = await mkdtemp(join(tmpdir(), 'geo2-mount-'));
  try {
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', probe]);
    await execute('umount', [probe]);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
