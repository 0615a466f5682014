import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, quantile } from '../src/cli/evaluation/statistics.ts';
import { createExactIndex } from '../src/core/retrieval/vector-index.exact.ts';
import { openFaissIndex, writeFaissIndex } from '../src/core/retrieval/vector-index.faiss.ts';
import type { SearchOptions, VectorIndex } from '../src/core/retrieval/vector-index.ts';
import { type BenchRow, measured, percentileRow } from './rows.ts';

export interface SearchBenchOptions {
  readonly rows: number;
  readonly width: number;
  readonly rounds: number;
}

const HEADINGS = 8;
const CONDITIONS: readonly { name: string; options: SearchOptions }[] = [
  { name: 'all_rows', options: { k: 256 } },
  { name: 'one_orientation', options: { k: 256, rows: { rowsPerTile: HEADINGS, orientation: 0 } } },
];

/**
 * The FAISS binding against the exact search in TypeScript on the same random unit vectors, turn by turn in one run: the
 * machine's mood meets both, and the ratio is what counts.
 */
export async function benchSearch({ rows, width, rounds }: SearchBenchOptions): Promise<BenchRow[]> {
  const random = createRandom(1);
  const vectors = unitVectors(rows, width, random);
  const queries = unitVectors(rounds, width, random);
  const dir = await mkdtemp(join(tmpdir(), 'geo2-bench-'));
  try {
    const path = join(dir, 'index.faiss');
    await writeFaissIndex(path, { width, vectors });
    const faiss = await openFaissIndex(path);
    const exact = createExactIndex({ width, vectors });
    const split = `random_${rows}x${width}`;
    const result: BenchRow[] = [];
    for (const { name, options } of CONDITIONS) {
      const pairs = await compare({ faiss, exact }, queries, options);
      const about = (system: string) => ({ system, split, condition: name });
      const faissMs = pairs.map((pair) => pair.faissMs);
      const exactMs = pairs.map((pair) => pair.exactMs);
      result.push(percentileRow(about('faiss-binding'), 'search_ms_p50', faissMs, 0.5));
      result.push(percentileRow(about('exact-typescript'), 'search_ms_p50', exactMs, 0.5));
      const ratio = (sample: typeof pairs): number =>
        quantile(
          sample.map(({ exactMs, faissMs }) => exactMs / faissMs),
          0.5,
        );
      result.push(
        measured(about('faiss-binding'), 'speedup_over_exact_typescript', pairs, (sample) => ratio([...sample])),
      );
    }
    await Promise.all([faiss.close(), exact.close()]);
    return result;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function compare(
  { faiss, exact }: { faiss: VectorIndex; exact: VectorIndex },
  queries: Float32Array,
  options: SearchOptions,
): Promise<{ faissMs: number; exactMs: number }[]> {
  const pairs: { faissMs: number; exactMs: number }[] = [];
  const { width } = exact;
  await timed(faiss, queries.slice(0, width), options); // the first search wakes threads and reads pages
  for (let from = 0; from < queries.length; from += width) {
    const query = queries.slice(from, from + width);
    const byFaiss = await timed(faiss, query, options);
    const byExact = await timed(exact, query, options);
    if (!(Math.abs(byFaiss.best - byExact.best) < 1e-4))
      throw new Error(`FAISS found ${byFaiss.best}, exact search ${byExact.best}`);
    pairs.push({ faissMs: byFaiss.ms, exactMs: byExact.ms });
  }
  return pairs;
}

async function timed(index: VectorIndex, query: Float32Array, options: SearchOptions) {
  const startedMs = performance.now();
  const found = await index.search(query, options);
  return { ms: performance.now() - startedMs, best: found[0]?.similarity ?? Number.NaN };
}

function unitVectors(count: number, width: number, random: () => number): Float32Array {
  const vectors = Float32Array.from({ length: count * width }, () => random() - 0.5);
  for (let row = 0; row < count; row++) {
    const vector = vectors.subarray(row * width, (row + 1) * width);
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    vector.forEach((value, i) => {
      vector[i] = value / norm;
    });
  }
  return vectors;
}
