import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, test } from 'vitest';
import type { LoadRegionDeps, Region } from '#core/retrieval/region.ts';
import { boundsOfTile, loadRegion } from '#core/retrieval/region.ts';
import { createExactIndex, openExactIndex, writeExactIndex } from '#core/retrieval/vector-index.exact.ts';
import type { VectorIndex } from '#core/retrieval/vector-index.ts';
import { writeTestRegion } from '../../e2e/region-bundle.ts';
import { temporaryFolder } from '../../temporary.ts';
import { TINY_WIDTH } from '../inference/tiny-model.ts';

const HEADINGS = 4;
const COLOURS = [
  [200, 0, 0],
  [0, 200, 0],
  [0, 0, 200],
] as const;

const DEPS: LoadRegionDeps = {
  openIndex: openExactIndex,
  model: { name: 'tiny', version: '0.0.1', width: TINY_WIDTH },
  expectedId: 'squares',
};

async function bundle(): Promise<string> {
  return writeTestRegion(await temporaryFolder(), { id: 'squares', colours: COLOURS, modelVersion: '0.0.1' });
}

function load(dir: string, deps: Partial<LoadRegionDeps> = {}, version = '1'): Promise<Region> {
  return loadRegion({ version, dir }, { ...DEPS, ...deps });
}

/** Rewrites a JSON file of a bundle. */
async function change(dir: string, file: string, changes: Record<string, unknown>): Promise<void> {
  const value: unknown = JSON.parse(await readFile(join(dir, file), 'utf8'));
  await writeFile(join(dir, file), JSON.stringify({ ...Object(value), ...changes }));
}

type Columns = Record<'id' | 'west' | 'south' | 'east' | 'north' | 'row_start' | 'row_end', readonly unknown[]>;

const TABLE: Columns = {
  id: ['a', 'b', 'c'],
  west: [0, 0.002, 0.004],
  south: [0, 0, 0],
  east: [0.001, 0.003, 0.005],
  north: [0.001, 0.001, 0.001],
  row_start: [0, 4, 8],
  row_end: [4, 8, 12],
};

async function writeTable(dir: string, changes: Partial<Columns>, without?: keyof Columns): Promise<void> {
  const columnData = Object.entries({ ...TABLE, ...changes })
    .filter(([name]) => name !== without)
    .map(([name, data]) => ({ name, data: [...data], type: typeOf(name) }));
  await writeFile(join(dir, 'tiles.parquet'), new Uint8Array(parquetWriteBuffer({ columnData })));
}

function typeOf(name: string): 'STRING' | 'INT32' | 'DOUBLE' {
  if (name === 'id') return 'STRING';
  return name.startsWith('row_') ? 'INT32' : 'DOUBLE';
}

describe('a region', () => {
  test('that is whole loads, with its tiles in the order of the table and its index open', async () => {
    const dir = await bundle();
    await writeTable(dir, {});
    const region = await load(dir);
    expect([region.id, region.version, region.dir]).toEqual(['squares', '1', dir]);
    expect([region.tiles.count, region.tiles.ids]).toEqual([3, ['a', 'b', 'c']]);
    expect(boundsOfTile(region.tiles, 1)).toEqual({ west: 0.002, south: 0, east: 0.003, north: 0.001 });
    expect(region.bounds).toEqual({ west: 0, south: 0, east: 0.005, north: 0.001 });
    expect([region.index.width, region.index.rowCount]).toEqual([TINY_WIDTH, 3 * HEADINGS]);
    expect(region.calibration.temperature).toBeGreaterThan(0);
    await region.close();
    const query = new Float32Array(TINY_WIDTH);
    await expect(region.index.search(query, { k: 1 })).rejects.toMatchObject({ code: 'INDEX_INVALID' });
  });

  test('across the antimeridian has bounds across it', async () => {
    const dir = await bundle();
    await writeTable(dir, { west: [179.998, 179.9995, -179.999], east: [179.999, -179.9995, -179.998] });
    const region = await load(dir);
    expect(region.bounds.west).toBeCloseTo(179.998, 9);
    expect(region.bounds.east).toBeCloseTo(-179.998, 9);
    await region.close();
  });

  test.each([
    ['another name', { name: 'other' }],
    ['another version', { version: '0.0.2' }],
    ['another width', { width: TINY_WIDTH * 2 }],
  ])('that a model with %s embedded is refused before anything of it is opened', async (_name, changes) => {
    let opened = 0;
    const openIndex = (path: string) => {
      opened++;
      return openExactIndex(path);
    };
    const model = { ...DEPS.model, ...changes };
    await expect(load(await bundle(), { model, openIndex })).rejects.toMatchObject({
      code: 'MODEL_MISMATCH',
      message: expect.stringMatching(/squares was embedded by tiny 0\.0\.1 .*Build the region again/s),
      data: { file: 'manifest.json', region: 'squares' },
    });
    expect(opened).toBe(0);
  });

  test('that lies under the name or the version of another is refused', async () => {
    const dir = await bundle();
    const refusal = { code: 'REGION_INVALID', data: { file: 'manifest.json' } };
    await expect(load(dir, { expectedId: 'circles' })).rejects.toMatchObject(refusal);
    await expect(load(dir, {}, '2')).rejects.toMatchObject(refusal);
  });

  test.each(['manifest.json', 'collection.json', 'calibration.json'])('without %s says so', async (file) => {
    const dir = await bundle();
    await rm(join(dir, file));
    await expect(load(dir)).rejects.toMatchObject({ code: 'FILE_MISSING', data: { file } });
  });

  test.each(['manifest.json', 'collection.json', 'calibration.json'])('whose %s is cut off says so', async (file) => {
    const dir = await bundle();
    await writeFile(join(dir, file), (await readFile(join(dir, file))).subarray(0, 40));
    await expect(load(dir)).rejects.toMatchObject({ code: 'MANIFEST_INVALID', data: { file } });
  });

  test.each([
    ['an unknown member', 'manifest.json', { colour: 'red' }],
    ['a schema from the future', 'manifest.json', { schemaVersion: 2 }],
    ['no tiles', 'manifest.json', { tileCount: 0 }],
    ['no headings', 'manifest.json', { headings: 0 }],
    ['a path that leaves the folder', 'manifest.json', { tiles: { file: '../tiles.parquet' } }],
    ['a file that the manifest does not list', 'manifest.json', { tiles: { file: 'other.parquet' } }],
    ['another kind of index', 'manifest.json', { index: { type: 'IndexIVF', parameters: {}, file: 'index.faiss' } }],
    ['an older STAC', 'collection.json', { stac_version: '1.0.0' }],
    ['a STAC item', 'collection.json', { type: 'Feature' }],
    ['a temperature of 0', 'calibration.json', { temperature: 0 }],
  ])('with %s is refused, naming %s', async (_name, file, changes) => {
    const dir = await bundle();
    await change(dir, file, changes);
    await expect(load(dir)).rejects.toMatchObject({
      code: 'MANIFEST_INVALID',
      message: expect.stringContaining(file),
      data: { file },
    });
  });

  test('with the collection of another region is refused', async () => {
    const dir = await bundle();
    await change(dir, 'collection.json', { id: 'circles' });
    await expect(load(dir)).rejects.toMatchObject({ code: 'REGION_INVALID', data: { file: 'collection.json' } });
  });

  test.each<[string, Partial<Columns>, RegExp]>([
    ['a tile twice', { id: ['a', 'b', 'a'] }, /tile a is there twice/],
    ['a tile without a name', { id: ['a', '', 'c'] }, /row 1 id/],
    ['a latitude beyond the pole', { north: [0.001, 91, 0.001] }, /row 1 north/],
    ['a longitude beyond 180', { east: [181, 0.003, 0.005] }, /row 0 east/],
    ['south above north', { south: [0, 0.002, 0] }, /row 1.*south is not below north/],
    ['NaN for a bound', { west: [Number.NaN, 0.002, 0.004] }, /row 0 west/],
    ['a gap in the rows', { row_start: [0, 4, 9] }, /tile c has the rows 9 to 12/],
    ['rows of another bank', { row_end: [4, 7, 12] }, /tile b has the rows 4 to 7/],
    [
      'tiles in another order than the index',
      { row_start: [4, 0, 8], row_end: [8, 4, 12] },
      /tile a has the rows 4 to 8/,
    ],
  ])('whose table has %s is refused, naming table and row', async (_name, changes, message) => {
    const dir = await bundle();
    await writeTable(dir, changes);
    await expect(load(dir)).rejects.toMatchObject({
      code: 'REGION_INVALID',
      message: expect.stringMatching(message),
      data: { file: 'tiles.parquet' },
    });
  });

  test('whose table lacks a column, is cut off, or is something else is refused', async () => {
    const refusal = { code: 'REGION_INVALID', data: { file: 'tiles.parquet' } };
    const dir = await bundle();
    await writeTable(dir, {}, 'north');
    await expect(load(dir)).rejects.toMatchObject(refusal);
    await writeTable(dir, {});
    const whole = await readFile(join(dir, 'tiles.parquet'));
    for (const damaged of [
      Buffer.alloc(0),
      whole.subarray(0, whole.length - 20),
      Buffer.from('PK not a table at all'),
    ]) {
      await writeFile(join(dir, 'tiles.parquet'), damaged);
      await expect(load(dir), `${damaged.length} bytes`).rejects.toMatchObject(refusal);
    }
    await rm(join(dir, 'tiles.parquet'));
    await expect(load(dir)).rejects.toMatchObject(refusal);
  });

  test('whose table has more or fewer tiles than the manifest says is refused', async () => {
    const dir = await bundle();
    await change(dir, 'manifest.json', { tileCount: 2 });
    await expect(load(dir)).rejects.toMatchObject({
      code: 'REGION_INVALID',
      message: expect.stringContaining('holds 3 tiles; the manifest says 2'),
      data: { file: 'tiles.parquet' },
    });
  });

  test.each([
    ['a tile', 4 * HEADINGS, TINY_WIDTH],
    ['an orientation', 3, TINY_WIDTH],
    ['a half of its width', 3 * HEADINGS, TINY_WIDTH / 2],
  ])('whose index has %s too many or too few is refused, and the index closed', async (_name, rows, width) => {
    const dir = await bundle();
    await writeExactIndex(join(dir, 'index.faiss'), { width, vectors: new Float32Array(rows * width) });
    const open: VectorIndex[] = [];
    const openIndex = async (path: string) => {
      const index = await openExactIndex(path);
      open.push(index);
      return index;
    };
    await expect(load(dir, { openIndex })).rejects.toMatchObject({
      code: 'REGION_INVALID',
      message: expect.stringContaining(`holds ${rows} rows of ${width}`),
      data: { file: 'index.faiss' },
    });
    expect(open).toHaveLength(1);
    await expect(open[0]?.search(new Float32Array(width), { k: 1 })).rejects.toThrow('closed');
  });

  test('whose index is cut off names the index', async () => {
    const dir = await bundle();
    const whole = await readFile(join(dir, 'index.faiss'));
    await writeFile(join(dir, 'index.faiss'), whole.subarray(0, whole.length - 1));
    await expect(load(dir)).rejects.toMatchObject({ code: 'INDEX_INVALID', data: { file: 'index.faiss' } });
  });

  test('passes on a fault of the index that is nobody’s mistake', async () => {
    const openIndex = () => Promise.reject(new TypeError('a bug'));
    await expect(load(await bundle(), { openIndex })).rejects.toThrow(TypeError);
  });

  test('reads its table also when the index is kept elsewhere', async () => {
    const index = createExactIndex({ width: TINY_WIDTH, vectors: new Float32Array(12 * TINY_WIDTH) });
    const region = await load(await bundle(), { openIndex: async () => index });
    expect(region.index).toBe(index);
    await region.close();
  });
});
