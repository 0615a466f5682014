/**
 * `node bench/region-search.ts`: searches of a region of 100,000 tiles x 8 headings for the demo's photos. Its rows are those of the demo
 * region, each many times, mixed with others of them. Prints a table and writes bench/results/region-search.json; `--tiles N` makes it
 * smaller.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Index } from '#native/faiss';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { createRandom } from '../src/cli/evaluation/statistics.ts';
import { PROGRAM_DIR, readConfig } from '../src/config.ts';
import { readGroundQuery } from '../src/core/image/ground-query.ts';
import { DEFAULT_IMAGE_LIMITS } from '../src/core/image/limits.ts';
import { openOnnxModel } from '../src/core/inference/model.onnx.ts';
import { readViewSetQueries } from '../src/core/regions/view-set.ts';
import { writeRegionIndex } from '../src/core/retrieval/index-writer.faiss.ts';
import { openFaissIndex } from '../src/core/retrieval/vector-index.faiss.ts';
import type { GroupSearchOptions, VectorIndex } from '../src/core/retrieval/vector-index.ts';
import { readFlatIndex } from '../src/core/retrieval/vector-index-file.ts';
import type { VectorRows } from '../src/core/retrieval/vector-rows.ts';
import { openCurrentModel } from '../src/model-store.ts';
import { openVersionCache } from '../src/object-store.ts';
import { type BenchRow, benchTable, percentileRow, single } from './rows.ts';

const DEMO = join(PROGRAM_DIR, 'demo/store/regions/null-island-demo/seed-77/index.faiss');
const HEADINGS = 8;
/** Length of what is mixed with a row, four others of the demo: so the rows keep to the directions that embeddings have. */
const MIXED = 0.6;
const OTHERS = 4;
const HYPOTHESES = 48;
const PHOTOS = 24;
const TEN_TILES = { k: 10, rowsPerGroup: HEADINGS, rows: { rowsPerTile: HEADINGS } } as const;
const K = 256;
const STEP_M = 35;
const PRIOR_M = 5_000;

const tileOf = (row: number): number => Math.floor(row / HEADINGS);

const { values } = parseArgs({
  options: {
    tiles: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '40' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/region-search.json') },
  },
});
const tiles = Number(values.tiles);
const rounds = Number(values.rounds);
const { width, vectors: demo } = await readFlatIndex(DEMO);
const demoRows = demo.length / width;
const photos = await hypothesesOfPhotos();
const folder = await mkdtemp(join(tmpdir(), 'geo2-bench-search-'));
try {
  const path = join(folder, 'index.faiss');
  const startedMs = performance.now();
  const facts = await writeRegionIndex(path, rows(), { kind: 'auto', rowsPerTile: HEADINGS });
  const builtS = (performance.now() - startedMs) / 1000;
  const openedMs = performance.now();
  const index = await openFaissIndex(path, { mmap: true });
  const about = { system: facts.type, split: `${tiles}x${HEADINGS}x${width}` };
  const whole = await Index.read(path, { mmap: true });
  const found: BenchRow[] = [
    single({ ...about, condition: 'open' }, 'open_mmap_ms', performance.now() - openedMs),
    single({ ...about, condition: 'build' }, 'build_s', builtS),
    ...Object.entries(facts.parameters).map(([name, value]) => single({ ...about, condition: 'build' }, name, value)),
  ];
  const near = Int32Array.from({ length: Math.floor(tiles / 10) }, (_, i) => Math.floor(tiles / 3) + i);
  const everywhere = { rowsPerTile: HEADINGS };
  const circle = tilesWithin(PRIOR_M);
  const conditions: [string, number, GroupSearchOptions][] = [
    ['unknown_heading', 1, { k: K, rowsPerGroup: HEADINGS, rows: everywhere }],
    ['unknown_heading_48_hypotheses', HYPOTHESES, { k: K, rowsPerGroup: HEADINGS, rows: everywhere }],
    ['known_heading', 1, { k: K, rowsPerGroup: HEADINGS, rows: { ...everywhere, orientation: 0 } }],
    [
      'known_heading_16_hypotheses',
      HYPOTHESES / 3,
      { k: K, rowsPerGroup: HEADINGS, rows: { ...everywhere, orientation: 0 } },
    ],
    [
      'prior_5_km_unknown_heading_48_hypotheses',
      HYPOTHESES,
      { k: K, rowsPerGroup: HEADINGS, rows: { ...everywhere, tiles: circle } },
    ],
    [
      'prior_5_km_known_heading_16_hypotheses',
      HYPOTHESES / 3,
      { k: K, rowsPerGroup: HEADINGS, rows: { ...everywhere, tiles: circle, orientation: 0 } },
    ],
    ['prior_of_a_tenth', 1, { k: K, rowsPerGroup: HEADINGS, rows: { ...everywhere, tiles: near } }],
    [
      'prior_of_a_tenth_known_heading',
      1,
      { k: K, rowsPerGroup: HEADINGS, rows: { ...everywhere, tiles: near, orientation: 0 } },
    ],
  ];
  for (const [condition, queries, options] of conditions) {
    const ms: number[] = [];
    for (let round = -2; round < rounds; round++) {
      const asked = (photos[(round + 2) % photos.length] ?? []).slice(0, queries);
      const from = performance.now();
      await index.searchGroups(asked, options);
      if (round >= 0) ms.push(performance.now() - from); // the first two read pages
    }
    found.push(percentileRow({ ...about, condition }, 'search_ms_p50', ms, 0.5));
  }
  const truth = await bestTilesOfPhotos(whole);
  found.push(single({ ...about, condition: 'photos' }, 'recall_at_10_tiles', await recallOfPhotos(index, truth)));
  await Promise.all([index.close(), whole.dispose()]);
  process.stdout.write(benchTable(found));
  await mkdir(dirname(resolve(values.out)), { recursive: true });
  await writeFile(values.out, reportText(found));
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Of demo panoramas and photos, evenly spread, heading unknown: a vector for each hypothesis of each. */
async function hypothesesOfPhotos(): Promise<readonly Float32Array[][]> {
  const dir = join(PROGRAM_DIR, 'demo/view-set');
  const queries = await readViewSetQueries(dir);
  const config = readConfig(process.env);
  const modelDir = await openCurrentModel(config, openVersionCache(config), async (at) => at);
  const model = await openOnnxModel({ dir: modelDir, threads: 1 });
  await model.start();
  try {
    const some = queries.filter((_, i) => i % Math.ceil(queries.length / PHOTOS) === 0);
    return await Promise.all(
      some.map(async ({ image, fovDeg }) => {
        const bytes = new Uint8Array(await readFile(join(dir, image)));
        const { canvas } = await readGroundQuery(bytes, { limits: DEFAULT_IMAGE_LIMITS, fovDeg, minFovDeg: 60 });
        const [embedded] = await model.embedGround([canvas]);
        return [...(embedded?.hypotheses ?? [])];
      }),
    );
  } finally {
    await model.stop();
  }
}

/** The ten best tiles of each photo, heading unknown, of all lists. */
async function bestTilesOfPhotos(index: Index): Promise<readonly ReadonlySet<number>[]> {
  const best: ReadonlySet<number>[] = [];
  for (const hypotheses of photos) {
    const asked = new Float32Array(hypotheses.length * width);
    for (const [i, hypothesis] of hypotheses.entries()) asked.set(hypothesis, i * width);
    const { labels } = await index.searchGroups(asked, TEN_TILES.k, {
      rowsPerGroup: HEADINGS,
      nprobe: index.lists?.nlist,
    });
    best.push(new Set(Array.from(labels, tileOf)));
  }
  return best;
}

/** Share of them that a search finds. */
async function recallOfPhotos(index: VectorIndex, truth: readonly ReadonlySet<number>[]): Promise<number> {
  let hits = 0;
  for (const [photo, hypotheses] of photos.entries()) {
    const neighbours = await index.searchGroups(hypotheses, TEN_TILES);
    hits += neighbours.filter(({ row }) => truth[photo]?.has(tileOf(row))).length;
  }
  return hits / (TEN_TILES.k * photos.length);
}

/** Tiles of a square region, 35 m apart, whose centre lies within so many metres of the region's. */
function tilesWithin(radiusM: number): Int32Array {
  const side = Math.ceil(Math.sqrt(tiles));
  const all = Array.from({ length: tiles }, (_, tile) => tile);
  const isNear = (tile: number): boolean =>
    STEP_M * Math.hypot((tile % side) - side / 2, Math.floor(tile / side) - side / 2) <= radiusM;
  return Int32Array.from(all.filter(isNear));
}

/** Row `row` of the demo region, mixed with others that `seed` decides. */
function rowLike(row: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const from = (row % demoRows) * width;
  const vector = demo.slice(from, from + width);
  for (let other = 0; other < OTHERS; other++) {
    const at = Math.floor(random() * demoRows) * width;
    for (let i = 0; i < width; i++) {
      vector[i] = (vector[i] ?? 0) + (MIXED / Math.sqrt(OTHERS)) * (demo[at + i] ?? 0);
    }
  }
  const length = Math.hypot(...vector);
  for (let i = 0; i < width; i++) vector[i] = (vector[i] ?? 0) / length;
  return vector;
}

function rows(): VectorRows {
  const rowCount = tiles * HEADINGS;
  return {
    width,
    rowCount,
    async *read() {
      const perPiece = 8_000;
      for (let start = 0; start < rowCount; start += perPiece) {
        const piece = new Float32Array(Math.min(perPiece, rowCount - start) * width);
        for (let i = 0; i * width < piece.length; i++) piece.set(rowLike(start + i, start + i + 1), i * width);
        yield piece;
      }
    },
  };
}
