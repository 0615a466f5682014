import { mkdtemp, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { objectStoreContract } from '../../contract/object-store.ts';

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function emptyFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'geo2-store-'));
}

objectStoreContract(async () => createFsObjectStore({ url: pathToFileURL(await emptyFolder()).href }));

test.each(['', 'regions', '/srv/geo2', 's3://bucket', 'file://host/share'])('the URL %j is refused', (url) => {
  expect(() => createFsObjectStore({ url })).toThrow('is not a file:///');
});

test('a folder that does not exist yet is an empty store', async () => {
  const url = pathToFileURL(join(await emptyFolder(), 'later')).href;
  const store = createFsObjectStore({ url });
  expect(await store.get('a')).toBeUndefined();
  expect(await collect(store.list(''))).toEqual([]);
  await store.put('a', new Uint8Array([1]));
  expect(await collect(store.list(''))).toEqual([{ key: 'a', sizeBytes: 1 }]);
});

test('no temporary file or lock is left behind, neither by a success nor by a conflict', async () => {
  const folder = await emptyFolder();
  const store = createFsObjectStore({ url: pathToFileURL(folder).href });
  await store.put('a', new Uint8Array([1]));
  await store.put('a', new Uint8Array([2]), { ifNoneMatch: '*' }).catch(() => undefined);
  await store.put('a', new Uint8Array([2]), { ifMatch: '"other"' }).catch(() => undefined);
  expect(await readdir(folder)).toEqual(['a']);
});

test('the lock of a writer that died does not block for ever', async () => {
  const folder = await emptyFolder();
  const store = createFsObjectStore({ url: pathToFileURL(folder).href });
  await writeFile(join(folder, '.a.lock'), '');
  const longAgo = new Date(Date.now() - 60_000);
  await utimes(join(folder, '.a.lock'), longAgo, longAgo);
  await store.put('a', new Uint8Array([1]));
  expect(await readdir(folder)).toEqual(['a']);
});

test('an open read keeps the version that it began with', async () => {
  const store = createFsObjectStore({ url: pathToFileURL(await emptyFolder()).href });
  await store.put('a', new TextEncoder().encode('old'));
  const found = await store.get('a');
  await store.put('a', new TextEncoder().encode('newer'));
  if (found === undefined || found === 'unchanged') throw new Error('the object is not there');
  const chunks = await collect(found.body);
  expect(Buffer.concat(chunks).toString()).toBe('old');
});

test('a local path lies in the folder, and never outside', async () => {
  const folder = await emptyFolder();
  const store = createFsObjectStore({ url: pathToFileURL(folder).href });
  expect(store.localPath('regions/a/1/index.faiss')).toBe(join(folder, 'regions/a/1/index.faiss'));
  expect(() => store.localPath('../a')).toThrow('not a proper key');
});

test('a folder given as a link is a store too', async () => {
  const folder = await emptyFolder();
  const other = await emptyFolder();
  await symlink(folder, join(other, 'linked'));
  const store = createFsObjectStore({ url: pathToFileURL(join(other, 'linked')).href });
  await store.put('a/b', new Uint8Array([1]));
  expect(await readdir(join(folder, 'a'))).toEqual(['b']);
});
