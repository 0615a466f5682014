/**
 * `node bench/milvus.ts`: whether Milvus finds the ten rows of the demo region that FAISS finds, and how long both take. Starts a
 * server of its own. Prints a table and writes bench/results/milvus.json.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { createRandom } from '../src/cli/evaluation/statistics.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { openFaissIndex } from '../src/core/retrieval/vector-index.faiss.ts';
import { openMilvusIndex, writeMilvusIndex } from '../src/core/retrieval/vector-index.milvus.ts';
import type { RowSelection } from '../src/core/retrieval/vector-index.ts';
import { readFlatIndex } from '../src/core/retrieval/vector-index-file.ts';
import { rowsInMemory } from '../src/core/retrieval/vector-rows.ts';
import { startMilvus } from '../test/milvus.ts';
import { type BenchRow, benchTable, measured, percentileRow } from './rows.ts';

const DEMO = join(PROGRAM_DIR, 'demo/store/regions/null-island-demo/seed-77/index.faiss');
const HEADINGS = 8;
const NOISE = 0.6;
const SELECTIONS: readonly { condition: string; rows?: RowSelection }[] = [
  { condition: 'unknown_heading' },
  { condition: 'known_heading', rows: { rowsPerTile: HEADINGS, orientation: 0 } },
  {
    condition: 'prior_of_a_fifth',
    rows: { rowsPerTile: HEADINGS, tiles: Int32Array.from({ length: 200 }, (_, i) => 400 + i) },
  },
];

const { values } = parseArgs({
  options: {
    queries: { type: 'string', default: '200' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/milvus.json') },
  },
});
const content = await readFlatIndex(DEMO);
const server = await startMilvus();
try {
  const url = `milvus://${server.address}/demo`;
  await writeMilvusIndex(url, rowsInMemory(content), { rowsPerTile: HEADINGS });
  const [milvus, faiss] = [await openMilvusIndex(url), await openFaissIndex(DEMO)];
  const found: BenchRow[] = [];
  for (const { condition, rows } of SELECTIONS) {
    const asked: { same: boolean; milvusMs: number; faissMs: number }[] = [];
    for (let i = 0; i < Number(values.queries); i++) {
      const query = noisy(i);
      const [startedMs, byMilvus] = [performance.now(), await milvus.search(query, { k: 10, rows })];
      const [betweenMs, byFaiss] = [performance.now(), await faiss.search(query, { k: 10, rows })];
      const endedMs = performance.now();
      const wanted = new Set(byFaiss.map(({ row }) => row));
      const same = byMilvus.length === wanted.size && byMilvus.every(({ row }) => wanted.has(row));
      asked.push({ same, milvusMs: betweenMs - startedMs, faissMs: endedMs - betweenMs });
    }
    const about = (system: string) => ({ system, split: 'demo_region', condition });
    const share = (sample: readonly { same: boolean }[]): number =>
      (100 * sample.filter(({ same }) => same).length) / sample.length;
    found.push(measured(about('milvus'), 'same_top10_as_faiss', asked, share));
    found.push(
      percentileRow(
        about('milvus'),
        'search_ms_p50',
        asked.map(({ milvusMs }) => milvusMs),
        0.5,
      ),
      percentileRow(
        about('faiss'),
        'search_ms_p50',
        asked.map(({ faissMs }) => faissMs),
        0.5,
      ),
    );
  }
  await Promise.all([milvus.close(), faiss.close()]);
  process.stdout.write(benchTable(found));
  await mkdir(dirname(resolve(values.out)), { recursive: true });
  await writeFile(values.out, reportText(found));
} finally {
  await server.stop();
}

/** A row of the region with noise, as far from it as a photo of its place. */
function noisy(seed: number): Float32Array {
  const { width, vectors } = content;
  const random = createRandom(seed + 1);
  const from = (Math.floor(random() * (vectors.length / width)) | 0) * width;
  const vector = vectors.slice(from, from + width);
  const scale = NOISE * Math.sqrt(12 / width);
  for (let i = 0; i < width; i++) vector[i] = (vector[i] ?? 0) + (random() - 0.5) * scale;
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}
