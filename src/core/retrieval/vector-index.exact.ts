import { setImmediate } from 'node:timers/promises';
import { throwIfCanceled } from '../errors.ts';
import {
  type GroupNeighbour,
  type GroupSearchOptions,
  type IndexContent,
  type RowSelection,
  searchByGroups,
  type VectorIndex,
} from './vector-index.ts';
import { checkContent, checkGroups, checkSearch, indexClosed } from './vector-index-checks.ts';
import { readFlatIndex, writeFlatIndex } from './vector-index-file.ts';

/** Multiplications between two looks at the signal and the event loop; a few milliseconds. */
const PRODUCTS_PER_TURN = 1 << 22;

/**
 * An index in plain TypeScript that reads the same files: the oracle of the tests, and the fallback where FAISS cannot be built.
 * It computes on the event loop's thread, in short turns. FILE_MISSING, INDEX_INVALID, STORE_FAILED.
 */
export async function openExactIndex(path: string): Promise<VectorIndex> {
  return createExactIndex(await readFlatIndex(path));
}

/** Writes an IndexFlatIP, whole or not at all. INDEX_INVALID, STORE_FAILED. */
export async function writeExactIndex(path: string, content: IndexContent): Promise<void> {
  await writeFlatIndex(path, content);
}

export function createExactIndex(content: IndexContent): VectorIndex {
  const rowCount = checkContent(content);
  const { width } = content;
  let vectors: Float32Array | undefined = content.vectors;
  let running = 0;
  let idle = Promise.withResolvers<void>();
  idle.resolve();

  async function searchGroups(queries: readonly Float32Array[], options: GroupSearchOptions) {
    if (vectors === undefined) throw indexClosed();
    for (const query of queries) checkSearch({ width }, query, options);
    checkGroups(options.rowsPerGroup);
    throwIfCanceled(options.signal);
    if (running === 0) idle = Promise.withResolvers();
    running += 1;
    try {
      const asked = queries.map((query) => Float32Array.from(query));
      return await nearest({ width, vectors }, asked, rowsOf(rowCount, options.rows), options);
    } finally {
      running -= 1;
      if (running === 0) idle.resolve();
    }
  }

  return {
    width,
    rowCount,
    search: searchByGroups(searchGroups),
    searchGroups,
    async close() {
      vectors = undefined;
      await idle.promise;
    },
  };
}

async function nearest(
  { width, vectors }: IndexContent,
  queries: readonly Float32Array[],
  rows: Iterable<number>,
  { k, rowsPerGroup, signal }: GroupSearchOptions,
): Promise<readonly GroupNeighbour[]> {
  const best: GroupNeighbour[] = [];
  const rowsPerTurn = Math.max(1, Math.floor(PRODUCTS_PER_TURN / (width * Math.max(1, queries.length))));
  let untilTurn = 1;
  let ofGroup: GroupNeighbour | undefined;
  for (const row of rows) {
    untilTurn -= 1;
    if (untilTurn === 0) {
      untilTurn = rowsPerTurn;
      await setImmediate();
      throwIfCanceled(signal);
    }
    if (ofGroup !== undefined && Math.floor(ofGroup.row / rowsPerGroup) !== Math.floor(row / rowsPerGroup)) {
      keep(best, ofGroup, k);
      ofGroup = undefined;
    }
    for (const [query, vector] of queries.entries()) {
      const similarity = innerProduct(vector, vectors, row * width);
      if (ofGroup === undefined || similarity > ofGroup.similarity) ofGroup = { row, similarity, query };
    }
  }
  if (ofGroup !== undefined) keep(best, ofGroup, k);
  return best;
}

function innerProduct(query: Float32Array, vectors: Float32Array, from: number): number {
  let sum = 0;
  for (let i = 0; i < query.length; i++) sum += (query[i] ?? 0) * (vectors[from + i] ?? 0);
  return sum;
}

/** Puts a neighbour, if it is among the k best, behind those that are as similar: rows come in ascending order. */
function keep(best: GroupNeighbour[], neighbour: GroupNeighbour, k: number): void {
  const worst = best[k - 1];
  if (worst !== undefined && !(neighbour.similarity > worst.similarity)) return;
  let low = 0;
  let high = best.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((best[middle]?.similarity ?? Number.NEGATIVE_INFINITY) >= neighbour.similarity) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, neighbour);
  if (best.length > k) best.pop();
}

/** The selected rows, ascending, each once. */
function* rowsOf(rowCount: number, selection: RowSelection | undefined): Generator<number> {
  const { rowsPerTile = 1, tiles, orientation } = selection ?? {};
  const tileCount = Math.ceil(rowCount / rowsPerTile);
  const ordinals = tiles === undefined ? range(tileCount) : new Set(Int32Array.from(tiles).sort());
  const first = orientation ?? 0;
  const last = orientation ?? rowsPerTile - 1;
  for (const tile of ordinals) {
    if (tile < 0 || tile >= tileCount) continue;
    const end = Math.min(tile * rowsPerTile + last, rowCount - 1);
    for (let row = tile * rowsPerTile + first; row <= end; row++) yield row;
  }
}

function* range(count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield i;
}
