import { Index, IndexFlatIP, isFaissError, MetricType, type Rows } from '#native/faiss';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import {
  type GroupNeighbour,
  type GroupSearchOptions,
  type IndexContent,
  type RowSelection,
  searchByGroups,
  type VectorIndex,
} from './vector-index.ts';
import {
  checkContent,
  checkGroups,
  checkSearch,
  indexClosed,
  indexInvalid,
  unlessCanceled,
} from './vector-index-checks.ts';

/** Floats that go to FAISS at once: it copies them before it starts, on the thread that calls. */
const FLOATS_PER_STEP = 1 << 22;
/** So many queries of one search visit as many lists as one does. */
const QUERIES_THAT_SHARE = 6;

export interface FaissIndexOptions {
  /** Leave the vectors in the file and share its pages between processes. The file must never be overwritten in place. */
  readonly mmap?: boolean | undefined;
}

/** An index file that FAISS searches, on the thread pool. FILE_MISSING, INDEX_INVALID. */
export async function openFaissIndex(path: string, options: FaissIndexOptions = {}): Promise<VectorIndex> {
  const index = await translated(Index.read(path, options));
  if (index.metric !== MetricType.METRIC_INNER_PRODUCT) {
    await index.dispose();
    throw indexInvalid(`${path} compares by distance; an index of unit vectors compares by inner product.`);
  }
  let closed = false;
  const rowCount = index.ntotal();
  const width = index.dimension;
  const { lists } = index;

  async function searchGroups(
    queries: readonly Float32Array[],
    { k, rows, rowsPerGroup, signal }: GroupSearchOptions,
  ): Promise<GroupNeighbour[]> {
    if (closed) throw indexClosed();
    for (const query of queries) checkSearch({ width }, query, { k, rows });
    checkGroups(rowsPerGroup);
    throwIfCanceled(signal);
    if (queries.length === 0) return [];
    const selected = rows === undefined ? undefined : rowsOf(rows);
    const nprobe = lists === undefined ? undefined : listsToVisit(lists, { rows, rowCount, queries: queries.length });
    const searching = index.searchGroups(joined(queries), k, { rows: selected, rowsPerGroup, nprobe });
    const found = await unlessCanceled(translated(searching), signal);
    return Array.from(found.labels, (row, i) => ({
      row,
      similarity: found.distances[i] ?? Number.NaN,
      query: found.queries[i] ?? 0,
    }));
  }

  return {
    width,
    rowCount,
    search: searchByGroups(searchGroups),
    searchGroups,
    async close() {
      closed = true;
      await index.dispose();
    },
  };
}

/** Writes an IndexFlatIP, whole or not at all. INDEX_INVALID, STORE_FAILED. */
export async function writeFaissIndex(path: string, content: IndexContent): Promise<void> {
  checkContent(content);
  const { width, vectors } = content;
  const index = new IndexFlatIP(width);
  try {
    const step = Math.max(1, Math.floor(FLOATS_PER_STEP / width)) * width;
    for (let from = 0; from < vectors.length; from += step) {
      await translated(index.add(vectors.subarray(from, from + step)));
    }
    await translated(index.write(path));
  } finally {
    await index.dispose();
  }
}

function joined(vectors: readonly Float32Array[]): Float32Array {
  const [first] = vectors;
  if (vectors.length === 1 && first !== undefined) return first;
  const all = new Float32Array(vectors.reduce((length, vector) => length + vector.length, 0));
  let end = 0;
  for (const vector of vectors) {
    all.set(vector, end);
    end += vector.length;
  }
  return all;
}

/**
 * As many lists more as a selection leaves fewer rows in each: so many rows are compared as without one, and in a small selection all are.
 * Queries share their lists, and those of one photo lie near each other: `bench/region-search.ts` measures what its hypotheses find.
 */
function listsToVisit(
  { nlist, nprobe }: { nlist: number; nprobe: number },
  { rows, rowCount, queries }: { rows: RowSelection | undefined; rowCount: number; queries: number },
): number {
  const ofTiles = rows?.tiles === undefined ? 1 : (rows.tiles.length * rows.rowsPerTile) / rowCount;
  const share = rows?.orientation === undefined ? ofTiles : ofTiles / rows.rowsPerTile;
  const shared = nprobe * Math.ceil(queries / QUERIES_THAT_SHARE);
  return Math.max(1, Math.min(nlist, Math.ceil(shared / share)));
}

function rowsOf({ rowsPerTile, tiles, orientation }: RowSelection): Rows | undefined {
  if (tiles !== undefined) {
    return { type: 'tiles', tiles, rowsPerTile, ...(orientation === undefined ? {} : { offset: orientation }) };
  }
  return orientation === undefined ? undefined : { type: 'stride', every: rowsPerTile, offset: orientation };
}

async function translated<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!isFaissError(error)) throw error;
    if (error.code === 'ERR_FAISS_FILE_MISSING') throw new Geo2Error('FILE_MISSING', error.message, { cause: error });
    if (error.code === 'ERR_FAISS_IO') throw new Geo2Error('STORE_FAILED', error.message, { cause: error });
    throw indexInvalid(error.message, error);
  }
}
