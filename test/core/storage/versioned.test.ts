import { createHash } from 'node:crypto';
import { mkdtemp, readFile, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { createVersionCache } from '#core/storage/version-cache.ts';
import { listVersions, openVersion, readCurrent, writeCurrent } from '#core/storage/versioned.ts';

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value);
const sha256 = (value: string): string => createHash('sha256').update(value).digest('hex');

async function putVersion(store: ObjectStore, prefix: string, files: Record<string, string>): Promise<void> {
  for (const [path, content] of Object.entries(files)) await store.put(`${prefix}/${path}`, bytes(content));
  const listed = Object.entries(files).map(([path, content]) => ({
    path,
    sha256: sha256(content),
    sizeBytes: content.length,
  }));
  await store.put(`${prefix}/manifest.json`, bytes(JSON.stringify({ schemaVersion: 1, files: listed })));
}

let folder: string;
let store: ReturnType<typeof createFsObjectStore>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'geo2-versions-'));
  store = createFsObjectStore({ url: pathToFileURL(folder).href });
  await putVersion(store, 'regions/a/1', { 'index.faiss': 'vectors', 'golden/tiles.bin': 'tiles' });
});

describe('opening a version', () => {
  test('follows the pointer and uses a local folder where it lies', async () => {
    await writeCurrent(store, 'regions/a', { version: '1', replaces: undefined });
    expect(await openVersion(store, 'regions/a')).toEqual({ version: '1', dir: join(folder, 'regions/a/1') });
  });

  test('takes another version than the published one when asked', async () => {
    await putVersion(store, 'regions/a/2', { 'index.faiss': 'other' });
    await writeCurrent(store, 'regions/a', { version: '1', replaces: undefined });
    expect((await openVersion(store, 'regions/a', { version: '2' })).dir).toBe(join(folder, 'regions/a/2'));
  });

  test('says what is missing when nothing is published, and when the version does not exist', async () => {
    await expect(openVersion(store, 'regions/a')).rejects.toMatchObject({ code: 'FILE_MISSING' });
    await expect(openVersion(store, 'regions/a', { version: '9' })).rejects.toThrow('regions/a/9/manifest.json');
  });

  test.each(['index.faiss', 'golden/tiles.bin'])('names %s when one of its bits flipped', async (path) => {
    const content = Buffer.from(await readFile(store.localPath(`regions/a/1/${path}`)));
    content[0] = (content[0] ?? 0) ^ 1;
    await store.put(`regions/a/1/${path}`, content);
    await expect(openVersion(store, 'regions/a', { version: '1' })).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      data: { file: path },
    });
  });

  test('names a file that is longer, shorter or gone', async () => {
    await store.put('regions/a/1/index.faiss', bytes('vectorss'));
    const refusal = expect.objectContaining({ file: 'index.faiss' });
    await expect(openVersion(store, 'regions/a', { version: '1' })).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      data: refusal,
    });
    await store.delete('regions/a/1/index.faiss');
    await expect(openVersion(store, 'regions/a', { version: '1' })).rejects.toMatchObject({
      code: 'FILE_MISSING',
      data: refusal,
    });
  });

  test.each(['../../etc/passwd', '/etc/passwd', 'a/../../b', ''])('refuses a manifest that lists %j', async (path) => {
    const files = [{ path, sha256: '0'.repeat(64), sizeBytes: 1 }];
    await store.put('regions/a/1/manifest.json', bytes(JSON.stringify({ files })));
    await expect(openVersion(store, 'regions/a', { version: '1' })).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  test('downloads from a store that is not local, once', async () => {
    let reads = 0;
    const remote: ObjectStore = {
      url: 'memory://',
      get: (key, options) => {
        reads++;
        return store.get(key, options);
      },
      put: store.put,
      list: store.list,
      delete: store.delete,
      deleteFolder: store.deleteFolder,
    };
    const cache = createVersionCache({ dir: await mkdtemp(join(tmpdir(), 'geo2-cache-')), maxBytes: 1_000 });
    const first = await openVersion(remote, 'regions/a', { version: '1', cache });
    expect(await readFile(join(first.dir, 'golden/tiles.bin'), 'utf8')).toBe('tiles');
    const readsOfFirst = reads;
    const modifiedMs = (await stat(join(first.dir, 'index.faiss'))).mtimeMs;
    const second = await openVersion(remote, 'regions/a', { version: '1', cache });
    expect(second.dir).toBe(first.dir);
    expect(reads - readsOfFirst).toBe(1); // the manifest only
    expect((await stat(join(first.dir, 'index.faiss'))).mtimeMs).toBe(modifiedMs);
    await expect(openVersion(remote, 'regions/a', { version: '1' })).rejects.toThrow('cache folder');
    for (const { release } of [first, second]) await release?.();
  });
});

describe('the pointer', () => {
  test('is undefined before the first publication', async () => {
    expect(await readCurrent(store, 'regions/a')).toBeUndefined();
  });

  test('moves only from where it was read', async () => {
    await writeCurrent(store, 'regions/a', { version: '1', replaces: undefined });
    const seen = await readCurrent(store, 'regions/a');
    await writeCurrent(store, 'regions/a', { version: '2', replaces: seen });
    await expect(writeCurrent(store, 'regions/a', { version: '3', replaces: seen })).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
    });
    await expect(writeCurrent(store, 'regions/a', { version: '3', replaces: undefined })).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
    });
    expect((await readCurrent(store, 'regions/a'))?.version).toBe('2');
  });

  test('remembers the version that it replaced, also when it is written again', async () => {
    await writeCurrent(store, 'regions/a', { version: '1', replaces: undefined });
    expect(await readCurrent(store, 'regions/a')).toMatchObject({ version: '1' });
    for (const version of ['2', '2']) {
      await writeCurrent(store, 'regions/a', { version, replaces: await readCurrent(store, 'regions/a') });
      expect(await readCurrent(store, 'regions/a')).toMatchObject({ version: '2', previous: '1' });
    }
  });

  test.each(['{', '[]', '{"version":"../1"}', '{"version":"1","more":true}', '\uD800'])(
    'that says %j is refused by name',
    async (content) => {
      await store.put('regions/a/current.json', bytes(content));
      await expect(readCurrent(store, 'regions/a')).rejects.toMatchObject({
        code: 'MANIFEST_INVALID',
        data: { file: 'regions/a/current.json' },
      });
    },
  );
});

test('versions without a manifest are not listed: they are unfinished', async () => {
  await store.put('regions/a/2/index.faiss', bytes('half a region'));
  await putVersion(store, 'regions/a/3', { 'index.faiss': 'x' });
  await putVersion(store, 'regions/ab/1', { 'index.faiss': 'x' });
  expect(await listVersions(store, 'regions/a')).toEqual(['1', '3']);
});
