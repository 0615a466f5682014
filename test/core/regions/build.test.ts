import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openOnnxModel } from '#core/inference/model.onnx.ts';
import type { Model } from '#core/inference/model.ts';
import { buildRegion } from '#core/regions/build.ts';
import { createImagerySource, viewSetImagery } from '#core/regions/imagery-source.ts';
import { listRegions, publishRegion } from '#core/regions/publish.ts';
import { verifyRegion } from '#core/regions/verify.ts';
import { readViewSetTiles } from '#core/regions/view-set.ts';
import { openExactIndex, writeExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { temporaryFolder } from '../../temporary.ts';
import { embeddingOf, TINY_WIDTH, writeTinyModel } from '../inference/tiny-model.ts';
import { imageOf, painted, squareAt } from './imagery.fixtures.ts';

let model: Model;
let modelDir: string;
beforeAll(async () => {
  modelDir = await mkdtemp(join(tmpdir(), 'geo2-model-'));
  await writeTinyModel(modelDir);
  model = await openOnnxModel({ dir: modelDir, threads: 1 });
  await model.start();
});
afterAll(async () => {
  await model.stop();
  await rm(modelDir, { recursive: true, force: true });
});

const about = { licence: 'CC0-1.0', attribution: 'Painters', headings: 4 } as const;
const now = () => new Date('2026-05-06T07:08:09Z');

async function emptyStore() {
  return createFsObjectStore({ url: `file://${await temporaryFolder()}` });
}

/** A view set of 3 x 2 half-overlapping tiles, each of its own colour. */
async function writeTiles(): Promise<string> {
  const dir = await temporaryFolder();
  const lines = ['tile_id,image,west,south,east,north'];
  for (let i = 0; i < 6; i++) {
    const { west, south, east, north } = squareAt((i % 3) * 35, Math.floor(i / 3) * 35, 70);
    const background = { r: 40 * i, g: 100, b: 200 - 30 * i };
    await sharp({ create: { width: 128, height: 128, channels: 3, background } })
      .png()
      .toFile(join(dir, `t${i}.png`));
    lines.push(`t${i},t${i}.png,${west},${south},${east},${north}`);
  }
  await writeFile(join(dir, 'tiles.csv'), `${lines.join('\n')}\n`);
  return dir;
}

async function sourceOf(dir: string) {
  return viewSetImagery(dir, await readViewSetTiles(dir));
}

function identity() {
  const { name, version, embedding } = model.manifest;
  return { name, version, width: embedding.width };
}

describe('a region built from a view set', () => {
  test('verifies, lists and publishes; its rows are the tiles’ embeddings', async () => {
    const store = await emptyStore();
    const source = await sourceOf(await writeTiles());
    const stages: string[] = [];
    const built = await buildRegion(
      { source, id: 'painted', version: 'v1', ...about, onProgress: ({ stage }) => stages.push(stage) },
      { model, store, writeIndex: writeExactIndex, now },
    );
    expect(built).toMatchObject({ tileCount: 6, headings: 4, embeddingWidth: TINY_WIDTH, capturedAt: null });
    expect(new Set(stages)).toEqual(new Set(['embedding', 'imagery', 'writing']));
    const verified = await verifyRegion(
      { id: 'painted', version: 'v1' },
      { store, openIndex: openExactIndex, model: identity() },
    );
    expect(verified).toEqual(built);

    expect(await listRegions(store)).toEqual([{ id: 'painted', versions: ['v1'], current: undefined }]);
    expect(await publishRegion(store, { id: 'painted', version: 'v1' })).toEqual({ replaced: undefined });
    expect(await listRegions(store)).toEqual([{ id: 'painted', versions: ['v1'], current: 'v1' }]);

    const index = await openExactIndex(store.localPath('regions/painted/v1/index.faiss'));
    const [best] = await index.search(embeddingOf([120, 100, 110]), { k: 1 });
    expect(best?.similarity).toBeCloseTo(1, 5);
    expect(Math.floor((best?.row ?? -1) / 4)).toBe(3);
    await index.close();
  });

  test('has a table that GeoParquet readers understand and a STAC collection', async () => {
    const store = await emptyStore();
    const source = await sourceOf(await writeTiles());
    await buildRegion(
      { source, id: 'painted', version: 'v1', ...about },
      { model, store, writeIndex: writeExactIndex, now },
    );
    const file = await asyncBufferFromFile(store.localPath('regions/painted/v1/tiles.parquet'));
    const metadata = await parquetMetadataAsync(file);
    const geo = metadata.key_value_metadata?.find(({ key }) => key === 'geo')?.value ?? '';
    expect(JSON.parse(geo)).toMatchObject({ version: '1.1.0', primary_column: 'geometry' });
    const rows = await parquetReadObjects({ file });
    expect(rows).toHaveLength(6);
    expect(rows[2]).toMatchObject({ id: 't2', row_start: 8, row_end: 12 });
    const collection = JSON.parse(await readFile(store.localPath('regions/painted/v1/collection.json'), 'utf8'));
    expect(collection).toMatchObject({ type: 'Collection', stac_version: '1.1.0', id: 'painted', license: 'CC0-1.0' });
    expect(collection.extent.temporal.interval).toEqual([[null, '2026-05-06T07:08:09.000Z']]);
  });

  test('is the same, byte for byte, when it is built again', async () => {
    const dir = await writeTiles();
    const [first, second] = await Promise.all(
      [await emptyStore(), await emptyStore()].map(async (store) =>
        buildRegion(
          { source: await sourceOf(dir), id: 'painted', version: 'v1', ...about },
          { model, store, writeIndex: writeExactIndex, now },
        ),
      ),
    );
    expect(second).toEqual(first);
  });

  test.each(['index.faiss', 'tiles.parquet', 'imagery.pmtiles', 'collection.json', 'calibration.json'])(
    'with one flipped byte in %s is refused by name, and not published',
    async (file) => {
      const store = await emptyStore();
      const source = await sourceOf(await writeTiles());
      await buildRegion(
        { source, id: 'painted', version: 'v1', ...about },
        { model, store, writeIndex: writeExactIndex, now },
      );
      const path = store.localPath(`regions/painted/v1/${file}`);
      const bytes = await readFile(path);
      const middle = Math.floor(bytes.length / 2);
      bytes[middle] = (bytes[middle] ?? 0) ^ 1;
      await writeFile(path, bytes);
      const refusal = { code: 'FILE_CORRUPT', data: { file } };
      const deps = { store, openIndex: openExactIndex, model: identity() };
      await expect(verifyRegion({ id: 'painted', version: 'v1' }, deps)).rejects.toMatchObject(refusal);
      await expect(publishRegion(store, { id: 'painted', version: 'v1' })).rejects.toMatchObject(refusal);
    },
  );
});

describe('building', () => {
  const source = createImagerySource([
    imageOf(
      'a',
      squareAt(0, 0, 70),
      painted(128, () => [9, 9, 9]),
    ),
  ]);
  const deps = async () => ({ model, store: await emptyStore(), writeIndex: writeExactIndex, now });

  test('never changes a version that exists', async () => {
    const same = await deps();
    await buildRegion({ source, id: 'one', version: 'v1', ...about }, same);
    const again = buildRegion({ source, id: 'one', version: 'v1', ...about }, same);
    await expect(again).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
  });

  test('cuts tiles of the model’s size from larger images, at any latitude', async () => {
    const large = createImagerySource([
      imageOf(
        'a',
        squareAt(0, 0, 200, [24.9, 60.2]),
        painted(400, (x, y) => [x % 256, y % 256, 99]),
      ),
    ]);
    const built = await buildRegion({ source: large, id: 'north', version: 'v1', ...about }, await deps());
    expect(built).toMatchObject({ tileCount: 25, metresPerTile: 70, overlap: 0.5 });
  });

  test.each([
    [{ id: 'Not An Id' }, /no region id/],
    [{ headings: 0 }, /headings/],
    [{ overlap: 1 }, /overlap/],
    [{ tileM: -5 }, /-5 m/],
  ])('with %j says what is wrong', async (wrong, message) => {
    const asked = { source, id: 'one', version: 'v1', ...about, ...wrong };
    await expect(buildRegion(asked, await deps())).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringMatching(message),
    });
  });

  test('stops when it is told to, and leaves nothing behind', async () => {
    const stopping = await deps();
    const signal = AbortSignal.abort();
    await expect(buildRegion({ source, id: 'one', version: 'v1', ...about, signal }, stopping)).rejects.toMatchObject({
      code: 'CANCELED',
    });
    expect(await listRegions(stopping.store)).toEqual([]);
  });
});

test('publishing what was never built says what there is', async () => {
  const store = await emptyStore();
  await expect(publishRegion(store, { id: 'nowhere', version: 'v9' })).rejects.toThrow(/build one first/);
});
