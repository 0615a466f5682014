import { Index, IndexFlatIP, MetricType } from '#native/faiss';
import { throwIfCanceled } from '../errors.ts';
import { readCentres, writeIvfRows, writeNprobe } from './ivf-file.ts';
import type { IndexFacts } from './region-manifest.ts';
import { indexInvalid } from './vector-index-checks.ts';
import { writeFlatRegionIndex } from './vector-index-file.ts';
import type { VectorRows } from './vector-rows.ts';

export interface IndexChoice {
  /** `auto`: exact up to FLAT_ROWS, then inverted lists. */
  readonly kind: 'auto' | 'flat' | 'ivf';
  /** Rows of a tile. */
  readonly rowsPerTile: number;
  readonly signal?: AbortSignal | undefined;
}

/** Up to here an exact search is fast enough. */
export const FLAT_ROWS = 65_536;
/** Share of the ten nearest rows that must be found. */
const MIN_RECALL = 0.99;
const NEIGHBOURS = 10;
/** Rows that ask for their neighbours; training does not see them. */
const HELD_OUT = 256;
/** For each list; FAISS wants 39 at least. */
const TRAINING_ROWS = 48;
const MAX_LISTS = 65_536;
/** Rows that are searched exactly, or assigned to lists, at one time. */
const ROWS_AT_ONCE = 32_768;

/**
 * Writes the index of a region, of as many rows as there are, in bounded memory: exact, or lists of which a search visits as
 * many as give a measured recall@10 of 0.99, with all orientations and with one. Errors: INDEX_INVALID, STORE_FAILED, CANCELED.
 */
export async function writeRegionIndex(path: string, rows: VectorRows, choice: IndexChoice): Promise<IndexFacts> {
  const { kind, rowsPerTile, signal } = choice;
  const nlist = listsFor(rows.rowCount);
  if (kind === 'flat' || (kind === 'auto' && rows.rowCount <= FLAT_ROWS)) return writeFlatRegionIndex(path, rows);
  if (rows.rowCount < nlist * 2 + HELD_OUT) {
    throw indexInvalid(`${rows.rowCount} rows are too few for inverted lists: use --index flat or auto.`);
  }
  const { training, heldOut } = await sample(rows, nlist, rowsPerTile);
  const index = Index.fromFactory(rows.width, `IVF${nlist},Flat`, MetricType.METRIC_INNER_PRODUCT);
  let empty: Buffer;
  try {
    await index.train(training);
    empty = await index.toBuffer();
  } finally {
    await index.dispose();
  }
  throwIfCanceled(signal);
  const lists = await assign(rows, readCentres(empty, { nlist, width: rows.width }), signal);
  await writeIvfRows(path, { empty, nlist, lists, rows });
  const parameters = await tune(path, rows, { nlist, heldOut, rowsPerTile, signal });
  await writeNprobe(path, parameters.nprobe);
  return { type: 'IndexIVFFlat', parameters: { nlist, ...parameters, heldOutRows: heldOut.length } };
}

/** The power of two below four times the square root. */
function listsFor(rowCount: number): number {
  return Math.min(MAX_LISTS, 2 ** Math.max(2, Math.floor(Math.log2(4 * Math.sqrt(rowCount)))));
}

interface HeldOut {
  readonly row: number;
  readonly vector: Float32Array;
}

/** Rows evenly spread, and others that are kept from training: first rows of tiles, so that both searches can ask for them. */
async function sample(
  { width, rowCount, read }: VectorRows,
  nlist: number,
  rowsPerTile: number,
): Promise<{ training: Float32Array; heldOut: readonly HeldOut[] }> {
  const tileCount = Math.floor(rowCount / rowsPerTile);
  const asked = Math.min(HELD_OUT, Math.floor(tileCount / 4));
  const held = new Set(
    Array.from({ length: asked }, (_, i) => Math.floor(((i + 0.5) * tileCount) / asked) * rowsPerTile),
  );
  const every = Math.max(1, Math.floor(rowCount / (nlist * TRAINING_ROWS)));
  const training = new Float32Array(Math.ceil(rowCount / every) * width);
  const heldOut: HeldOut[] = [];
  let [row, end] = [0, 0];
  for await (const piece of read()) {
    for (let at = 0; at < piece.length; at += width, row++) {
      if (held.has(row)) heldOut.push({ row, vector: piece.slice(at, at + width) });
      else if (row % every === 0) {
        training.set(piece.subarray(at, at + width), end);
        end += width;
      }
    }
  }
  return { training: training.subarray(0, end), heldOut };
}

/** The nearest centre of every row. */
async function assign(rows: VectorRows, centres: Float32Array, signal: AbortSignal | undefined): Promise<Int32Array> {
  const quantizer = new IndexFlatIP(rows.width);
  const lists = new Int32Array(rows.rowCount);
  let end = 0;
  try {
    await quantizer.add(centres);
    for await (const { vectors } of blocksOf(rows)) {
      throwIfCanceled(signal);
      const { labels } = await quantizer.search(vectors, 1);
      lists.set(labels, end);
      end += labels.length;
    }
  } finally {
    await quantizer.dispose();
  }
  return lists;
}

/** Pieces joined to blocks of whole tiles, so that a call does much at once. */
async function* blocksOf({ width, read }: VectorRows): AsyncGenerator<{ firstRow: number; vectors: Float32Array }> {
  let waiting: Float32Array[] = [];
  let [length, firstRow] = [0, 0];
  const join = (): Float32Array => {
    const all = new Float32Array(length);
    let end = 0;
    for (const piece of waiting) {
      all.set(piece, end);
      end += piece.length;
    }
    return all;
  };
  for await (const piece of read()) {
    waiting.push(piece);
    length += piece.length;
    if (length < ROWS_AT_ONCE * width) continue;
    yield { firstRow, vectors: join() };
    firstRow += length / width;
    [waiting, length] = [[], 0];
  }
  if (length > 0) yield { firstRow, vectors: join() };
}

interface TuneOptions extends Omit<IndexChoice, 'kind'> {
  readonly nlist: number;
  readonly heldOut: readonly HeldOut[];
}

/** Doubles the lists that are visited until both recalls are kept. */
async function tune(path: string, rows: VectorRows, options: TuneOptions) {
  const { nlist, heldOut, rowsPerTile, signal } = options;
  const truth = await exactNeighbours(rows, heldOut, { every: 1, signal });
  const truthOneHeading = await exactNeighbours(rows, heldOut, { every: rowsPerTile, signal });
  const index = await Index.read(path, { mmap: true });
  try {
    for (let nprobe = Math.min(4, nlist); ; nprobe = Math.min(nlist, nprobe * 2)) {
      throwIfCanceled(signal);
      const recallAt10 = await recallOf(index, heldOut, { truth, nprobe, every: 1 });
      // with one orientation in R there are as many rows to find in R times the lists
      const wider = Math.min(nlist, nprobe * rowsPerTile);
      const recallAt10OneHeading = await recallOf(index, heldOut, {
        truth: truthOneHeading,
        nprobe: wider,
        every: rowsPerTile,
      });
      if (nprobe === nlist || Math.min(recallAt10, recallAt10OneHeading) >= MIN_RECALL) {
        return { nprobe, recallAt10, recallAt10OneHeading };
      }
    }
  } finally {
    await index.dispose();
  }
}

/** The ten nearest rows of each held-out row beside itself, of every `every`th row. */
async function exactNeighbours(
  rows: VectorRows,
  heldOut: readonly HeldOut[],
  { every, signal }: { readonly every: number; readonly signal: AbortSignal | undefined },
): Promise<readonly ReadonlySet<number>[]> {
  const best = heldOut.map((): { row: number; similarity: number }[] => []);
  for await (const { firstRow, vectors } of blocksOf(rows)) {
    throwIfCanceled(signal);
    const block = new IndexFlatIP(rows.width);
    try {
      await block.add(vectors);
      const { k, labels, distances } = await block.search(queriesOf(heldOut, rows.width), NEIGHBOURS + 1, {
        rows: { type: 'stride', every },
      });
      for (const [query, found] of best.entries()) {
        for (let place = query * k; place < (query + 1) * k; place++) {
          const row = firstRow + (labels[place] ?? -1);
          if (row !== heldOut[query]?.row) found.push({ row, similarity: distances[place] ?? -1 });
        }
        found.sort((a, b) => b.similarity - a.similarity || a.row - b.row).splice(NEIGHBOURS);
      }
    } finally {
      await block.dispose();
    }
  }
  return best.map((found) => new Set(found.map(({ row }) => row)));
}

async function recallOf(
  index: Index,
  heldOut: readonly HeldOut[],
  { truth, nprobe, every }: { truth: readonly ReadonlySet<number>[]; nprobe: number; every: number },
): Promise<number> {
  const { k, labels } = await index.search(queriesOf(heldOut, index.dimension), NEIGHBOURS + 1, {
    nprobe,
    rows: { type: 'stride', every },
  });
  let [found, wanted] = [0, 0];
  for (const [query, neighbours] of truth.entries()) {
    wanted += neighbours.size;
    for (let place = query * k; place < (query + 1) * k; place++) if (neighbours.has(labels[place] ?? -1)) found++;
  }
  return wanted === 0 ? 1 : found / wanted;
}

function queriesOf(heldOut: readonly HeldOut[], width: number): Float32Array {
  const queries = new Float32Array(heldOut.length * width);
  for (const [i, { vector }] of heldOut.entries()) queries.set(vector, i * width);
  return queries;
}
