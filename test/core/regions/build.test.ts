import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Geo2Error } from '#core/errors.ts';
import { wrap360 } from '#core/geo/units.ts';
import { mapTileAt, toWorld } from '#core/geo/web-mercator.ts';
import type { SatelliteTile } from '#core/image/tile.ts';
import { openOnnxModel } from '#core/inference/model.onnx.ts';
import type { Model } from '#core/inference/model.ts';
import { type BuildProgress, buildRegion } from '#core/regions/build.ts';
import { openImagery } from '#core/regions/imagery-archive.ts';
import { createImagerySource, viewSetImagery } from '#core/regions/imagery-source.ts';
import { listRegions, publishRegion } from '#core/regions/publish.ts';
import { embedSampleQueries } from '#core/regions/sample-queries.ts';
import { verifyRegion } from '#core/regions/verify.ts';
import { readViewSetTiles } from '#core/regions/view-set.ts';
import { openExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { writeFlatRegionIndex } from '#core/retrieval/vector-index-file.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { temporaryFolder } from '../../temporary.ts';
import { embeddingOf, TINY_WIDTH, writeTinyModel } from '../inference/tiny-model.ts';
import { brightSpot, imageOf, painted, squareAt } from './imagery.fixtures.ts';

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

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('regions/')) keys.push(key);
  return keys;
}

/** A view set of 3 x 2 half-overlapping tiles, each of its own colour. */
async function writeTiles({ shift = 0 } = {}): Promise<string> {
  const dir = await temporaryFolder();
  const lines = ['tile_id,image,west,south,east,north'];
  for (let i = 0; i < 6; i++) {
    const { west, south, east, north } = squareAt((i % 3) * 35, Math.floor(i / 3) * 35, 70);
    const colour = (i + shift) % 6;
    const background = { r: 40 * colour, g: 100, b: 200 - 30 * colour };
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
    const progress: BuildProgress[] = [];
    let ms = 0;
    const clock = () => new Date(Date.UTC(2026, 4, 6) + 500 * ms++);
    const built = await buildRegion(
      { source, id: 'painted', version: 'v1', ...about, onProgress: (step) => progress.push(step) },
      { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now: clock },
    );
    expect(built).toMatchObject({ tileCount: 6, headings: 4, embeddingWidth: TINY_WIDTH, capturedAt: null });
    expect(built.overlap).toBe(0.5);
    expect([...new Set(progress.map(({ stage }) => stage))]).toEqual(['embedding', 'imagery', 'writing']);
    expect(progress[0]).toEqual({ stage: 'embedding', done: 1, total: 6, ratePerS: 2 });
    expect(progress.at(-1)).toMatchObject({ stage: 'writing', done: 7, total: 7 });
    expect(progress.every(({ ratePerS }) => ratePerS > 0)).toBe(true);
    const verified = await verifyRegion(
      { id: 'painted', version: 'v1' },
      { store, openIndex: openExactIndex, model: identity() },
    );
    expect(verified).toEqual(built);

    expect(await listRegions(store)).toEqual([{ id: 'painted', versions: ['v1'], current: undefined }]);
    expect(await publishRegion(store, { id: 'painted', version: 'v1' }, { openIndex: openExactIndex })).toEqual({
      replaced: undefined,
    });
    expect(await listRegions(store)).toEqual([{ id: 'painted', versions: ['v1'], current: 'v1' }]);

    const index = await openExactIndex(store.localPath('regions/painted/v1/index.faiss'));
    const [best] = await index.search(embeddingOf([120, 100, 110]), { k: 1 });
    expect(best?.similarity).toBeCloseTo(1, 5);
    expect(Math.floor((best?.row ?? -1) / 4)).toBe(3);
    await index.close();
  });

  test('is found to be that of its source, and not of another one', async () => {
    const store = await emptyStore();
    const dir = await writeTiles();
    await buildRegion(
      { source: await sourceOf(dir), id: 'painted', version: 'v1', ...about },
      { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now },
    );
    const verify = async (from: string) =>
      verifyRegion(
        { id: 'painted', version: 'v1' },
        { store, openIndex: openExactIndex, model: identity(), origin: { source: await sourceOf(from), model } },
      );
    await expect(verify(dir)).resolves.toMatchObject({ tileCount: 6 });
    const other = await writeTiles({ shift: 1 });
    await expect(verify(other)).rejects.toMatchObject({
      code: 'REGION_INVALID',
      data: { file: 'index.faiss' },
      message: expect.stringMatching(/tile t0 at heading 0/),
    });
  });

  test('has imagery on the map where its tiles are', async () => {
    const store = await emptyStore();
    const dir = await writeTiles();
    const built = await buildRegion(
      { source: await sourceOf(dir), id: 'painted', version: 'v1', ...about },
      { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now },
    );
    expect(built.imagery).toMatchObject({ maxZoom: 18, tileType: 'webp' });
    const archive = await openImagery(store.localPath('regions/painted/v1/imagery.pmtiles'));
    const [first] = await readViewSetTiles(dir);
    const corner = [(first?.bounds.west ?? 0) + 1e-5, (first?.bounds.south ?? 0) + 1e-5] as const;
    const tile = mapTileAt(corner, 18);
    const bytes = await archive.tile(tile);
    const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
    const world = toWorld(corner);
    const column = Math.floor((world.x * 2 ** 18 - tile.x) * info.width);
    const row = Math.floor((world.y * 2 ** 18 - tile.y) * info.height);
    const [red = 0, green = 0, blue = 0] = data.subarray((row * info.width + column) * info.channels);
    expect(Math.hypot(red - 0, green - 100, blue - 200)).toBeLessThan(12); // the colour of tile t0
    // the region lies on the corner of four tiles at every zoom: each shows its quarter
    expect(await archive.tile({ ...mapTileAt([0.0004, 0.0004], built.imagery.minZoom) })).toBeDefined();
    expect(await archive.tile({ z: 18, x: 0, y: 0 })).toBeUndefined();
    await archive.close();
  });

  test('has a table that GeoParquet readers understand and a STAC collection', async () => {
    const store = await emptyStore();
    const source = await sourceOf(await writeTiles());
    await buildRegion(
      { source, id: 'painted', version: 'v1', ...about },
      { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now },
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
          { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now },
        ),
      ),
    );
    expect(second).toEqual(first);
  });

  test('holds golden queries: rows of its own, and the ground views that it is given', async () => {
    const store = await emptyStore();
    const dir = await writeTiles();
    for (const [name, background] of [
      ['street', '#286482'],
      ['hill', '#a0640a'],
    ]) {
      await sharp({ create: { width: 256, height: 192, channels: 3, background: background ?? '' } })
        .png()
        .toFile(join(dir, `${name}.png`));
    }
    await writeFile(
      join(dir, 'queries.csv'),
      'query_id,image,kind,lon,lat,heading_deg,fov_deg,split\nstreet,street.png,photo,,,,90,a\nhill,hill.png,photo,,,0,90,a\n',
    );
    const queries = await embedSampleQueries(dir, model);
    const asked = { source: await sourceOf(dir), id: 'painted', version: 'v1', ...about, queries };
    await buildRegion(asked, { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now });
    const golden = JSON.parse(await readFile(store.localPath('regions/painted/v1/golden-queries.json'), 'utf8'));
    expect(golden.queries.map(({ name }: { name: string }) => name)).toEqual([
      'tile t0 at orientation 0',
      'tile t1 at orientation 1',
      'tile t2 at orientation 2',
      'tile t3 at orientation 3',
      'tile t4 at orientation 0',
      'tile t5 at orientation 1',
      'query street',
      'query hill',
    ]);
    for (const { name, expected } of golden.queries.slice(0, 6)) {
      expect(expected).toHaveLength(10);
      expect(expected[0]).toMatchObject({ tile: name.split(' ')[1], similarity: 1 });
    }
    const street = new Float32Array(Uint8Array.from(Buffer.from(golden.queries[6].vector, 'base64')).buffer);
    expect(Math.hypot(...street)).toBeCloseTo(1, 5);
    const [best] = golden.queries[6].expected;
    // a photo fills its field of view only: it is the nearest in colour all the same
    expect(best.similarity).toBeGreaterThan(0.9);
    await expect(
      verifyRegion({ id: 'painted', version: 'v1' }, { store, openIndex: openExactIndex }),
    ).resolves.toMatchObject({ id: 'painted' });
  });

  test.each([
    ['a table that is wrong', 'query_id,image\na,b.png\n', /queries\.csv needs the columns/],
    [
      'a view that is not there',
      'query_id,image,kind,lon,lat,heading_deg,fov_deg,split\na,gone.png,photo,,,,90,x\n',
      /names gone\.png for a, which cannot be read/,
    ],
    [
      'a view that is no image',
      'query_id,image,kind,lon,lat,heading_deg,fov_deg,split\na,tiles.csv,photo,,,,90,x\n',
      /tiles\.csv of queries\.csv cannot be used/,
    ],
  ])('refuses golden queries of a view set with %s', async (_name, table, why) => {
    const dir = await writeTiles();
    expect(await embedSampleQueries(dir, model)).toEqual([]);
    await writeFile(join(dir, 'queries.csv'), table);
    await expect(embedSampleQueries(dir, model)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringMatching(why),
    });
  });

  test.each([
    'index.faiss',
    'tiles.parquet',
    'imagery.pmtiles',
    'collection.json',
    'calibration.json',
    'golden-queries.json',
  ])('with one flipped byte in %s is refused by name, and not published', async (file) => {
    const store = await emptyStore();
    const source = await sourceOf(await writeTiles());
    await buildRegion(
      { source, id: 'painted', version: 'v1', ...about },
      { model, store, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now },
    );
    const path = store.localPath(`regions/painted/v1/${file}`);
    const bytes = await readFile(path);
    const middle = Math.floor(bytes.length / 2);
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const refusal = { code: 'FILE_CORRUPT', data: { file } };
    const deps = { store, openIndex: openExactIndex, model: identity() };
    await expect(verifyRegion({ id: 'painted', version: 'v1' }, deps)).rejects.toMatchObject(refusal);
    await expect(
      publishRegion(store, { id: 'painted', version: 'v1' }, { openIndex: openExactIndex }),
    ).rejects.toMatchObject(refusal);
  });
});

describe('building', () => {
  const source = createImagerySource([
    imageOf(
      'a',
      squareAt(0, 0, 70),
      painted(128, () => [9, 9, 9]),
    ),
  ]);
  const deps = async () => ({
    model,
    store: await emptyStore(),
    writeIndex: writeFlatRegionIndex,
    openIndex: openExactIndex,
    now,
  });

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

  test('shows the model row r of a tile with azimuth 360 r / R up', async () => {
    // 200 m of dark ground with a bright mark 20 m north-east of the middle
    const pixels = painted(400, (x, y) =>
      Math.hypot(x + 0.5 - 228.3, y + 0.5 - 171.7) < 6 ? [255, 255, 255] : [20, 30, 40],
    );
    const image = imageOf('a', squareAt(-100, -100, 200), pixels);
    const seen: SatelliteTile[] = [];
    const watched: Model = {
      ...model,
      manifest: model.manifest,
      state: model.state,
      embedSatellite(batch, options) {
        seen.push(...batch);
        return model.embedSatellite(batch, options);
      },
    };
    const [west, south, east, north] = [-1e-5, -1e-5, 1e-5, 1e-5];
    const area = { type: 'bbox', bbox: [west, south, east, north] } as const;
    const options = { source: createImagerySource([image]), id: 'one', version: 'v1', ...about, headings: 8, area };
    const built = await buildRegion(options, { ...(await deps()), model: watched });
    expect(built).toMatchObject({ tileCount: 1, headings: 8 });
    expect(seen).toHaveLength(8);
    for (const [row, crop] of seen.entries()) {
      const spot = brightSpot(crop);
      const azimuthDeg = wrap360((Math.atan2(spot.x, -spot.y) * 180) / Math.PI + 45 * row);
      expect(azimuthDeg).toBeCloseTo(45, 0); // as many degrees to the left as the crop is turned to the right
      expect((Math.hypot(spot.x, spot.y) * 70) / 128).toBeCloseTo(20, 0);
    }
  });

  test('goes through a model whose queue is shorter than a batch', async () => {
    const narrow = await openOnnxModel({ dir: modelDir, threads: 1, maxQueue: 1 });
    await narrow.start();
    try {
      const store = await emptyStore();
      const tiles = await sourceOf(await writeTiles());
      const asked = { source: tiles, id: 'painted', version: 'v1', ...about };
      const slow = await buildRegion(asked, {
        model: narrow,
        store,
        writeIndex: writeFlatRegionIndex,
        openIndex: openExactIndex,
        now,
      });
      const quick = await buildRegion(asked, await deps());
      expect(slow.files).toEqual(quick.files);
    } finally {
      await narrow.stop();
    }
  });

  test('that ends half-way through the writing leaves no file behind, and can be done again', async () => {
    const store = await emptyStore();
    let puts = 0;
    const failing: ObjectStore = {
      ...store,
      put(key, body, options) {
        puts++;
        if (puts === 3) throw new Geo2Error('STORE_FAILED', 'The disk is full.');
        return store.put(key, body, options);
      },
    };
    const asked = { source, id: 'one', version: 'v1', ...about };
    const rest = { model, writeIndex: writeFlatRegionIndex, openIndex: openExactIndex, now };
    await expect(buildRegion(asked, { ...rest, store: failing })).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(puts).toBe(3);
    expect(await keysOf(store)).toEqual([]);
    await expect(buildRegion(asked, { ...rest, store })).resolves.toMatchObject({ tileCount: 1 });
  });

  test('stops between batches and map tiles when it is told to', async () => {
    for (const stage of ['embedding', 'imagery', 'writing'] as const) {
      const stopping = await deps();
      const controller = new AbortController();
      const onProgress = (progress: BuildProgress) => {
        if (progress.stage === stage) controller.abort();
      };
      const asked = { source: await sourceOf(await writeTiles()), id: 'one', version: 'v1', ...about, onProgress };
      const { signal } = controller;
      await expect(buildRegion({ ...asked, signal }, stopping)).rejects.toMatchObject({ code: 'CANCELED' });
      expect(await keysOf(stopping.store)).toEqual([]);
    }
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
  await expect(publishRegion(store, { id: 'nowhere', version: 'v9' }, { openIndex: openExactIndex })).rejects.toThrow(
    /build one first/,
  );
});
