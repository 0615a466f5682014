import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, test } from 'vitest';
import { enterInCatalog, publishedIds, readCatalog } from '#core/regions/catalog.ts';
import { createPointers } from '#core/regions/pointers.ts';
import { openVerified } from '#core/regions/verify.ts';
import { openExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { copyVersion, writeTestRegion } from '../../e2e/region-bundle.ts';
import { COLOURS } from '../../e2e/service.ts';
import { temporaryFolder } from '../../temporary.ts';

let dir: string;
let store: ObjectStore & { localPath(key: string): string };
beforeEach(async () => {
  dir = await temporaryFolder();
  store = createFsObjectStore({ url: pathToFileURL(dir).href });
  for (const id of ['one', 'two']) await writeTestRegion(dir, { id, colours: COLOURS, modelVersion: '1' });
});

async function enter(id: string, version = '1', into: ObjectStore = store): Promise<void> {
  const region = await openVerified({ id, version }, { store, openIndex: openExactIndex });
  await enterInCatalog(into, region);
  await region.close();
}

const readJson = async (): Promise<{ links: { href: string; rel: string }[] }> =>
  JSON.parse(await readFile(join(dir, 'catalog.json'), 'utf8'));

async function versions(): Promise<Record<string, string>> {
  const found = await readCatalog(store);
  if (found === undefined || found === 'unchanged') throw new Error('there is no catalogue');
  return Object.fromEntries(found.regions.map(({ id, version }) => [id, version]));
}

describe('the catalogue of a store', () => {
  test('begins with the regions that were published before there was one', async () => {
    expect(await readCatalog(store)).toBeUndefined();
    expect(await createPointers(store).publishedRegions()).toEqual(['one', 'two']);
    await copyVersion(join(dir, 'regions/one'), { to: '2' });
    await enter('one', '2');
    expect(await versions()).toEqual({ one: '2', two: '1' });
    expect(await createPointers(store).publishedRegions()).toEqual(['one', 'two']);
  });

  test('has one child for each region, with the ground that it covers', async () => {
    for (const version of ['1', '2']) {
      if (version === '2') await copyVersion(join(dir, 'regions/one'), { to: '2' });
      await enter('one', version);
    }
    const { links } = await readJson();
    expect(links.filter(({ rel }) => rel === 'child').map(({ href }) => href)).toEqual([
      './regions/two/1/collection.json',
      './regions/one/2/collection.json',
    ]);
    const found = await readCatalog(store);
    if (found === undefined || found === 'unchanged') throw new Error('it is there');
    const one = found.regions.find(({ id }) => id === 'one');
    expect(one?.coverage).toHaveLength(COLOURS.length); // tiles apart from each other
    expect(one?.coverage[0]).toEqual([0, 0, 0.0006, 0.0006]);
  });

  test('keeps links and members of others', async () => {
    await enter('one');
    const catalog = await readJson();
    const link = { rel: 'about', href: 'https://example.org/' };
    const alien = { ...catalog, links: [...catalog.links, link], title: 'Ours', 'x:note': 1 };
    await writeFile(join(dir, 'catalog.json'), JSON.stringify(alien));
    await enter('two');
    expect(await readJson()).toMatchObject({ title: 'Ours', 'x:note': 1, links: expect.arrayContaining([link]) });
    expect(await versions()).toEqual({ one: '1', two: '1' });
  });

  test('is written by several publishers at the same time, and holds what each of them entered', async () => {
    for (const version of ['2', '3', '4', '5']) await copyVersion(join(dir, 'regions/one'), { to: version });
    await enter('one');
    await Promise.all(['2', '3', '4', '5'].map((version) => enter('one', version)).concat(enter('two')));
    const { two, one } = await versions();
    expect(two).toBe('1');
    expect(['2', '3', '4', '5']).toContain(one);
  });

  test('is tried again where another publisher was quicker, and given up when that never ends', async () => {
    await enter('one');
    let races = 3;
    const racing: ObjectStore = {
      ...store,
      async put(key, body, options) {
        if (races-- > 0) await store.put(key, await readFile(join(dir, key)));
        return store.put(key, body, options);
      },
    };
    await copyVersion(join(dir, 'regions/one'), { to: '2' });
    await enter('one', '2', racing);
    expect(await versions()).toMatchObject({ one: '2' });
    races = Number.POSITIVE_INFINITY;
    await expect(enter('one', '1', racing)).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
  });

  test('is read again only when it has changed', async () => {
    await enter('one');
    const found = await readCatalog(store);
    if (found === undefined || found === 'unchanged') throw new Error('it is there');
    expect(await readCatalog(store, { ifNoneMatch: found.etag })).toBe('unchanged');
    await enter('two');
    expect(await readCatalog(store, { ifNoneMatch: found.etag })).toMatchObject({ regions: expect.any(Array) });
  });

  test.each(['{', '{"type":"Catalog"}', '[]'])('that says %j is refused by name, and not overwritten', async (text) => {
    await writeFile(join(dir, 'catalog.json'), text);
    const refusal = { code: 'MANIFEST_INVALID', data: { file: 'catalog.json' } };
    await expect(readCatalog(store)).rejects.toMatchObject(refusal);
    await expect(enter('one')).rejects.toMatchObject(refusal);
    expect(await readFile(join(dir, 'catalog.json'), 'utf8')).toBe(text);
  });

  test('does not take other files for pointers', async () => {
    await store.put('regions/one/1/current.json', Buffer.from('{}'));
    await store.put('regions/three/1/manifest.json', Buffer.from('{}'));
    expect(await publishedIds(store)).toEqual(['one', 'two']);
  });
});
