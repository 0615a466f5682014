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
/** Rows that make the views which ask for their neighbours; training does not see them. */
const HELD_OUT = 256;
/** For each list, and at most. */
const TRAINING_ROWS = 16;
const MAX_TRAINING_ROWS = 262_144;
/** Rows that the axes are found from. */
const AXES_ROWS = 32_768;
const MAX_LISTS = 65_536;
/** Lists that a search visits at least. */
const MIN_PROBES = 64;
/** Share of the squared lengths that the head of the turned vectors must hold. */
const HEAD_ENERGY = 0.75;
/** Rows that are searched exactly, or assigned to lists, at one time. */
const ROWS_AT_ONCE = 32_768;

/**
 * Writes the index of a region, of as many rows as there are, in bounded memory: exact, or lists of which a search visits as
 * many as give a measured recall@10 of 0.99, with all orientations and with one. Rows of lists are turned to their principal axes,
 * which leaves their products as they are: lists are made and searched by the first numbers, the heads, alone, and the best rows are
 * compared whole. Errors: INDEX_INVALID, STORE_FAILED, CANCELED.
 */
export async function writeRegionIndex(path: string, rows: VectorRows, choice: IndexChoice): Promise<IndexFacts> {
  const { kind, rowsPerTile, signal } = choice;
  const wanted = listsFor(rows.rowCount);
  if (kind === 'flat' || (kind === 'auto' && rows.rowCount <= FLAT_ROWS)) return writeFlatRegionIndex(path, rows);
  if (rows.rowCount < wanted * 2 + HELD_OUT) {
    throw indexInvalid(`${rows.rowCount} rows are too few for inverted lists: use --index flat or auto.`);
  }
  const { training, heldOut } = await sample(rows, wanted, rowsPerTile);
  const some = evenly(training, rows.width, AXES_ROWS);
  const { axes, transform } = await principalAxes(some, rows.width);
  try {
    const head = headOf(await axes.transform(some), rows.width);
    const centres = await centresOf(await headsOf(training, { axes, head }), { width: head, nlist: wanted, signal });
    const nlist = centres.length / head;
    const turnedRows: VectorRows = {
      ...rows,
      async *read() {
        for await (const piece of rows.read()) yield await axes.transform(piece);
      },
    };
    const lists = await assign(turnedRows, { centres, head, signal });
    const empty = await emptyLists(centres, { head, width: rows.width });
    await writeIvfRows(path, { transform, empty, nlist, lists, rows: turnedRows });
    const parameters = await tune(path, rows, { nlist, heldOut, rowsPerTile, signal });
    await writeNprobe(path, { transform, nprobe: parameters.nprobe });
    return { type: 'IndexIVFFlat', parameters: { nlist, ...parameters, heldOutRows: heldOut.length } };
  } finally {
    await axes.dispose();
  }
}

/** The power of two nearest to sixteen times the square root. */
function listsFor(rowCount: number): number {
  return Math.min(MAX_LISTS, 2 ** Math.max(2, Math.round(Math.log2(16 * Math.sqrt(rowCount)))));
}

/** An index that turns vectors so that the directions in which they are longest come first, and its file without rows. */
async function principalAxes(vectors: Float32Array, width: number): Promise<{ axes: Index; transform: Uint8Array }> {
  // with their opposites their mean is 0, and nothing is shifted
  const both = joined([vectors, vectors.map((value) => -value)]);
  const axes = Index.fromFactory(width, `PCA${width},Flat`, MetricType.METRIC_INNER_PRODUCT);
  await axes.train(both);
  return { axes, transform: await axes.toBuffer() };
}

/** How many numbers hold most of turned vectors: a quarter of them, half, or all. */
function headOf(turned: Float32Array, width: number): number {
  const energies = new Float64Array(width);
  for (let i = 0; i < turned.length; i++) energies[i % width] = (energies[i % width] ?? 0) + (turned[i] ?? 0) ** 2;
  const sum = (numbers: Float64Array): number => numbers.reduce((all, energy) => all + energy, 0);
  const enough = (head: number): boolean => sum(energies.subarray(0, head)) >= HEAD_ENERGY * sum(energies);
  return [width / 4, width / 2].find((head) => Number.isInteger(head) && enough(head)) ?? width;
}

/** At most `count` vectors, evenly spread. */
function evenly(vectors: Float32Array, width: number, count: number): Float32Array {
  const every = Math.ceil(vectors.length / (width * count));
  const some = new Float32Array(Math.ceil(vectors.length / (width * every)) * width);
  for (let to = 0; to < some.length; to += width) some.set(vectors.subarray(to * every, to * every + width), to);
  return some;
}

/** The heads of the turned vectors, which never are in memory whole. */
async function headsOf(vectors: Float32Array, { axes, head }: { axes: Index; head: number }): Promise<Float32Array> {
  const width = axes.dimension;
  const heads: Float32Array[] = [];
  for (let from = 0; from < vectors.length; from += ROWS_AT_ONCE * width) {
    const turned = await axes.transform(vectors.subarray(from, from + ROWS_AT_ONCE * width));
    heads.push(firstNumbers(turned, width, head));
  }
  return joined(heads);
}

function firstNumbers(vectors: Float32Array, width: number, head: number): Float32Array {
  const heads = new Float32Array((vectors.length / width) * head);
  for (let row = 0; row * head < heads.length; row++) {
    heads.set(vectors.subarray(row * width, row * width + head), row * head);
  }
  return heads;
}

/** Centres of about `nlist` lists: of a few parts of the vectors first, then of each part as many as it has vectors for. */
async function centresOf(
  vectors: Float32Array,
  { width, nlist, signal }: { width: number; nlist: number; signal: AbortSignal | undefined },
): Promise<Float32Array> {
  const coarse = await clustersOf(vectors, width, 2 ** Math.floor(Math.log2(nlist) / 2));
  const nearest = await nearestOf(coarse, vectors, width);
  const centres: Float32Array[] = [];
  for (const members of Map.groupBy(nearest.keys(), (row) => nearest[row]).values()) {
    throwIfCanceled(signal);
    const part = joined(members.map((row) => vectors.subarray(row * width, (row + 1) * width)));
    const share = (nlist * members.length * width) / vectors.length;
    centres.push(await clustersOf(part, width, Math.max(1, Math.round(share))));
  }
  return joined(centres);
}

/** k centres of vectors, by k-means. */
async function clustersOf(vectors: Float32Array, width: number, k: number): Promise<Float32Array> {
  const index = Index.fromFactory(width, `IVF${k},Flat`, MetricType.METRIC_INNER_PRODUCT);
  try {
    await index.train(vectors);
    return readCentres(await index.toBuffer(), { nlist: k, width });
  } finally {
    await index.dispose();
  }
}

/** The nearest centre of each vector. */
async function nearestOf(centres: Float32Array, vectors: Float32Array, width: number): Promise<Float64Array> {
  const quantizer = new IndexFlatIP(width);
  try {
    await quantizer.add(centres);
    return (await quantizer.search(vectors, 1)).labels;
  } finally {
    await quantizer.dispose();
  }
}

/** The file of lists around centres that are 0 behind their heads. */
async function emptyLists(centres: Float32Array, { head, width }: { head: number; width: number }): Promise<Buffer> {
  const nlist = centres.length / head;
  const whole = new Float32Array(nlist * width);
  for (let list = 0; list < nlist; list++) whole.set(centres.subarray(list * head, (list + 1) * head), list * width);
  const index = Index.fromFactory(width, `IVF${nlist},Flat`, MetricType.METRIC_INNER_PRODUCT);
  try {
    await index.train(whole); // as many vectors as lists: they are the centres
    return await index.toBuffer();
  } finally {
    await index.dispose();
  }
}

/** Rows evenly spread, and others that are kept from training: first rows of tiles, so that both searches can ask for them. */
async function sample(
  { width, rowCount, read }: VectorRows,
  nlist: number,
  rowsPerTile: number,
): Promise<{ training: Float32Array; heldOut: readonly Float32Array[] }> {
  const tileCount = Math.floor(rowCount / rowsPerTile);
  const asked = Math.min(HELD_OUT, Math.floor(tileCount / 4));
  const held = new Set(
    Array.from({ length: asked }, (_, i) => Math.floor(((i + 0.5) * tileCount) / asked) * rowsPerTile),
  );
  let every = Math.max(1, Math.ceil(rowCount / Math.min(nlist * TRAINING_ROWS, MAX_TRAINING_ROWS)));
  while (sharesFactor(every, rowsPerTile)) every++; // every orientation is seen
  const training = new Float32Array(Math.ceil(rowCount / every) * width);
  const heldOut: Float32Array[] = [];
  let [row, end] = [0, 0];
  for await (const piece of read()) {
    for (let at = 0; at < piece.length; at += width, row++) {
      if (held.has(row)) heldOut.push(piece.slice(at, at + width));
      else if (row % every === 0) {
        training.set(piece.subarray(at, at + width), end);
        end += width;
      }
    }
  }
  return { training: training.subarray(0, end), heldOut };
}

function sharesFactor(a: number, b: number): boolean {
  return b === 0 ? a > 1 : sharesFactor(b, a % b);
}

/** The nearest centre of the head of every row. */
async function assign(
  rows: VectorRows,
  { centres, head, signal }: { centres: Float32Array; head: number; signal: AbortSignal | undefined },
): Promise<Int32Array> {
  const quantizer = new IndexFlatIP(head);
  const lists = new Int32Array(rows.rowCount);
  let end = 0;
  try {
    await quantizer.add(centres);
    for await (const { vectors } of blocksOf(rows)) {
      throwIfCanceled(signal);
      const { labels } = await quantizer.search(firstNumbers(vectors, rows.width, head), 1);
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
  for await (const piece of read()) {
    waiting.push(piece);
    length += piece.length;
    if (length < ROWS_AT_ONCE * width) continue;
    yield { firstRow, vectors: joined(waiting) };
    firstRow += length / width;
    [waiting, length] = [[], 0];
  }
  if (length > 0) yield { firstRow, vectors: joined(waiting) };
}

function joined(pieces: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    all.set(piece, end);
    end += piece.length;
  }
  return all;
}

interface TuneOptions extends Omit<IndexChoice, 'kind'> {
  readonly nlist: number;
  readonly heldOut: readonly Float32Array[];
}

/** Doubles the lists that are visited until both recalls are kept. */
async function tune(path: string, rows: VectorRows, options: TuneOptions) {
  const { nlist, heldOut, rowsPerTile, signal } = options;
  const views = betweenTiles(heldOut);
  const truth = await exactNeighbours(rows, views, { every: 1, signal });
  const truthOneHeading = await exactNeighbours(rows, views, { every: rowsPerTile, signal });
  const index = await Index.read(path, { mmap: true });
  try {
    for (let nprobe = Math.min(MIN_PROBES, nlist); ; nprobe = Math.min(nlist, nprobe * 2)) {
      throwIfCanceled(signal);
      const recallAt10 = await recallOf(index, views, { truth, nprobe, every: 1 });
      // with one orientation in R there are as many rows to find in R times the lists
      const wider = Math.min(nlist, nprobe * rowsPerTile);
      const recallAt10OneHeading = await recallOf(index, views, {
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

/**
 * Vectors half way between each of the rows and the next: unit length, and about 0.7 similar to both. A ground view is no nearer to its
 * own tile than that, while rows are found far more easily by rows.
 */
function betweenTiles(rows: readonly Float32Array[]): Float32Array[] {
  return rows.map((row, i) => {
    const next = rows[(i + 1) % rows.length] ?? row;
    const middle = row.map((value, at) => value + (next[at] ?? 0));
    const length = Math.hypot(...middle) || 1;
    return middle.map((value) => value / length);
  });
}

/** The ten nearest rows of each view, of every `every`th row. */
async function exactNeighbours(
  rows: VectorRows,
  views: readonly Float32Array[],
  { every, signal }: { readonly every: number; readonly signal: AbortSignal | undefined },
): Promise<readonly ReadonlySet<number>[]> {
  const best = views.map((): { row: number; similarity: number }[] => []);
  for await (const { firstRow, vectors } of blocksOf(rows)) {
    throwIfCanceled(signal);
    const block = new IndexFlatIP(rows.width);
    try {
      await block.add(vectors);
      const { k, labels, distances } = await block.search(joined(views), NEIGHBOURS, {
        rows: { type: 'stride', every },
      });
      for (const [query, found] of best.entries()) {
        for (let place = query * k; place < (query + 1) * k; place++) {
          const label = labels[place] ?? -1;
          if (label >= 0) found.push({ row: firstRow + label, similarity: distances[place] ?? -1 });
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
  views: readonly Float32Array[],
  { truth, nprobe, every }: { truth: readonly ReadonlySet<number>[]; nprobe: number; every: number },
): Promise<number> {
  const options = { nprobe, rows: { type: 'stride', every }, rowsPerGroup: 1 } as const;
  let [found, wanted] = [0, 0];
  for (const [query, neighbours] of truth.entries()) {
    const { labels } = await index.searchGroups(views[query] ?? new Float32Array(index.dimension), NEIGHBOURS, options);
    wanted += neighbours.size;
    found += labels.filter((row) => neighbours.has(row)).length;
  }
  return wanted === 0 ? 1 : found / wanted;
}
