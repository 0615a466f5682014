/**
 * `node bench/region-build.ts`: how much of the satellite graph's own throughput a region build keeps, and what it needs in
 * memory. The demo region's PMTiles are the imagery. Prints a table and writes bench/results/region-build.json. `--tiles N`
 * builds about so many tiles.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { openIndexFile } from '../src/cli/index-file.ts';
import { PROGRAM_DIR, readConfig } from '../src/config.ts';
import { createLocalFrame } from '../src/core/geo/local-frame.ts';
import { openOnnxModel } from '../src/core/inference/model.onnx.ts';
import type { Model } from '../src/core/inference/model.ts';
import { buildRegion } from '../src/core/regions/build.ts';
import { gridImagery } from '../src/core/regions/grid-imagery.ts';
import { openPmtilesSource } from '../src/core/regions/pmtiles-source.ts';
import { writeFlatRegionIndex } from '../src/core/retrieval/vector-index-file.ts';
import { createFsObjectStore } from '../src/core/storage/object-store.fs.ts';
import { openCurrentModel } from '../src/model-store.ts';
import { openVersionCache } from '../src/object-store.ts';
import { memoryOf } from './memory.ts';
import { type BenchRow, benchTable, single } from './rows.ts';

const ARCHIVE = join(PROGRAM_DIR, 'demo/store/regions/null-island-demo/seed-77/imagery.pmtiles');
const HEADINGS = 8;
const BATCH = 8;
const TILE_M = 70;
const STEP_M = 35;

const { values } = parseArgs({
  options: {
    tiles: { type: 'string', default: '256' },
    rounds: { type: 'string', default: '3' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/region-build.json') },
  },
});
const side = Math.ceil(Math.sqrt(Number(values.tiles)));
const processes = availableParallelism();
const config = readConfig(process.env);
const dir = await openCurrentModel(config, openVersionCache(config), async (folder) => folder);
const models = await Promise.all(Array.from({ length: processes }, () => openOnnxModel({ dir, threads: 1 })));
await Promise.all(models.map((model) => model.start()));
const [first, ...helpers] = models;
const folder = await mkdtemp(join(tmpdir(), 'geo2-bench-build-'));
let peakMb = 0;
const watch = setInterval(async () => {
  peakMb = Math.max(peakMb, (await memoryOf(process.pid).catch(() => undefined))?.proportionalMb ?? 0);
}, 500);
try {
  if (first === undefined) throw new Error('there is no model');
  const alone: number[] = [];
  const building: number[] = [];
  let tiles = 0;
  // turn by turn: the machine's mood meets both
  for (let round = 0; round < Number(values.rounds); round++) {
    alone.push(await graphAlone(models, side * side * HEADINGS));
    const built = await build(first, helpers, round);
    building.push(built.cropsPerS);
    tiles = built.tiles;
  }
  const about = { system: `${first.manifest.name} ${first.manifest.version}`, split: `demo_${tiles}_tiles` };
  const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
  const condition = `${processes}_processes`;
  const rows: BenchRow[] = [
    single({ ...about, condition }, 'graph_alone_crops_per_s', mean(alone), alone.length),
    single({ ...about, condition }, 'region_build_crops_per_s', mean(building), building.length),
    single({ ...about, condition }, 'share_of_graph', (100 * mean(building)) / mean(alone), alone.length),
    single({ ...about, condition }, 'peak_memory_mb', peakMb),
  ];
  process.stdout.write(benchTable(rows));
  await mkdir(dirname(resolve(values.out)), { recursive: true });
  await writeFile(values.out, reportText(rows));
} finally {
  clearInterval(watch);
  await Promise.all(models.map((model) => model.stop()));
  await rm(folder, { recursive: true, force: true });
}

/** Crops per second that the graph embeds on all processes when they are there already. */
async function graphAlone(all: readonly Model[], crops: number): Promise<number> {
  const rgb = new Uint8Array(128 * 128 * 3).map((_, i) => (i * 7919) % 256);
  const batch = Array.from({ length: BATCH }, () => ({ rgb, widthPx: 128, heightPx: 128 }));
  let left = Math.ceil(crops / BATCH);
  const startedMs = performance.now();
  await Promise.all(
    all.map(async (model) => {
      while (left-- > 0) await model.embedSatellite(batch);
    }),
  );
  return (1000 * Math.ceil(crops / BATCH) * BATCH) / (performance.now() - startedMs);
}

/** A whole build, from opening the archive to the bundle in the store. */
async function build(
  model: Model,
  others: readonly Model[],
  round: number,
): Promise<{ cropsPerS: number; tiles: number }> {
  const source = gridImagery(await openPmtilesSource(ARCHIVE));
  const { west, south, east, north } = source.extent;
  const sizeM = (side - 1) * STEP_M + TILE_M;
  const frame = createLocalFrame([(west + east) / 2, (south + north) / 2]);
  const [w, s] = frame.toLonLat({ eastM: -sizeM / 2, northM: -sizeM / 2 });
  const [e, n] = frame.toLonLat({ eastM: sizeM / 2, northM: sizeM / 2 });
  const startedMs = performance.now();
  const { tileCount } = await buildRegion(
    {
      source,
      id: `bench-${round}`,
      version: 'v1',
      area: { type: 'bbox', bbox: [w, s, e, n] },
      headings: HEADINGS,
      licence: 'CC0-1.0',
      attribution: 'Null Island',
    },
    {
      model,
      helpers: others,
      store: createFsObjectStore({ url: pathToFileURL(join(folder, 'store')).href }),
      writeIndex: writeFlatRegionIndex,
      openIndex: openIndexFile,
      now: () => new Date(),
    },
  );
  const elapsedS = (performance.now() - startedMs) / 1000;
  await source.close();
  return { cropsPerS: (tileCount * HEADINGS) / elapsedS, tiles: tileCount };
}
