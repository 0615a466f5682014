import { binding, type NativeIndex } from './binding.ts';

export { isBuilt, useBuild } from './binding.ts';

/** The two metrics, with the numbers of FAISS: inner product (greater is nearer) and squared Euclidean distance. */
export const MetricType = { METRIC_INNER_PRODUCT: 0, METRIC_L2: 1 } as const;
export type MetricType = (typeof MetricType)[keyof typeof MetricType];

/** One or more vectors, one after another. */
export type Vectors = Float32Array | readonly number[];
export type RowNumbers = Int32Array | Float64Array | readonly number[];

/** Which rows a search may return. Rows that the index does not have are no error. */
export type Rows =
  /** from <= row < to */
  | { readonly type: 'range'; readonly from: number; readonly to: number }
  /** In any order, repeated or not. */
  | { readonly type: 'list'; readonly rows: RowNumbers }
  /** Bit `row % 8` of byte `floor(row / 8)` is set; no row beyond the bitmap. */
  | { readonly type: 'bitmap'; readonly bitmap: Uint8Array }
  /** row % every == offset (0 when absent) */
  | { readonly type: 'stride'; readonly every: number; readonly offset?: number }
  /** Rows `tile * rowsPerTile + r`: every r, or only r == offset. */
  | { readonly type: 'tiles'; readonly tiles: RowNumbers; readonly rowsPerTile: number; readonly offset?: number }
  /** Rows that all of the parts hold. */
  | { readonly type: 'all-of'; readonly parts: readonly Rows[] };

export interface SearchOptions {
  readonly rows?: Rows | undefined;
  /** Inverted files: lists to visit, up to all of them. */
  readonly nprobe?: number | undefined;
  /** Graphs: how many rows the walk keeps in view, at most 4096; at least k is used. */
  readonly efSearch?: number | undefined;
}

/**
 * Query q has the places `q * k` to `q * k + k - 1`, best first, equal distances by label. An exact index fills them all; an
 * approximate one that found fewer rows leaves label -1 and an infinite distance in the last places.
 */
export interface SearchResult {
  /** Places for each query: the k that was asked, or as many as the index (if flat: the selection) has rows. */
  readonly k: number;
  readonly distances: Float32Array;
  /** Row numbers; exact, as every whole number below 2^53. */
  readonly labels: Float64Array;
}

export interface GroupSearchOptions extends SearchOptions {
  readonly rowsPerGroup: number;
}

/** Best first, equal distances by label; each group once, and fewer than k where there are fewer. */
export interface GroupSearchResult {
  readonly distances: Float32Array;
  /** The row of the pair. */
  readonly labels: Float64Array;
  /** Which query is the other one of the pair; of equally near ones the first. */
  readonly queries: Int32Array;
}

export interface ReadOptions {
  /** Leave the vectors in the file and map it: opens at once, shared between processes, read only. Flat and IVF. */
  readonly mmap?: boolean | undefined;
}

export type FaissErrorCode =
  | 'ERR_FAISS_INVALID_ARGUMENT'
  | 'ERR_FAISS_DIMENSION'
  | 'ERR_FAISS_NOT_FINITE'
  | 'ERR_FAISS_NOT_TRAINED'
  | 'ERR_FAISS_UNSUPPORTED'
  | 'ERR_FAISS_FILE_MISSING'
  | 'ERR_FAISS_FILE_CORRUPT'
  | 'ERR_FAISS_IO'
  | 'ERR_FAISS_ROW_NOT_FOUND'
  | 'ERR_FAISS_READ_ONLY'
  | 'ERR_FAISS_DISPOSED'
  | 'ERR_FAISS_MISMATCH'
  | 'ERR_FAISS_OUT_OF_MEMORY'
  | 'ERR_FAISS_INTERNAL'
  | 'ERR_FAISS_NOT_BUILT';

/** Whether `error` came from the binding; each has a code and a sentence. */
export function isFaissError(error: unknown): error is Error & { readonly code: FaissErrorCode } {
  return (
    error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('ERR_FAISS_')
  );
}

/** The version of FAISS inside the binding, such as 1.7.3. */
export function faissVersion(): string {
  return binding().faissVersion;
}

/**
 * A FAISS index. Whatever costs time runs on libuv's thread pool, so the event loop goes on: searches side by side, a change
 * (`add`, `train`, `removeIds`, `mergeFrom`) alone, in the order of the calls. Arrays are copied before a call returns.
 */
export class Index implements AsyncDisposable {
  readonly #native: NativeIndex;

  protected constructor(native: NativeIndex) {
    this.#native = native;
  }

  /**
   * An empty index of FAISS's own notation: `Flat`, `IVF256,Flat`, `HNSW32`, `PCA64,IVF256,SQ8`, … Default metric: L2.
   * @example const index = Index.fromFactory(512, 'IVF256,Flat', MetricType.METRIC_INNER_PRODUCT);
   */
  static fromFactory(dims: number, descriptor: string, metric: MetricType = MetricType.METRIC_L2): Index {
    const large = descriptor.match(/\d{8,}/)?.[0];
    if (large !== undefined) throw invalid(`'${descriptor}' describes no index: ${large} is too large.`);
    return new Index(binding().NativeIndex.factory(dims, descriptor, metric));
  }

  /** ERR_FAISS_FILE_MISSING; ERR_FAISS_FILE_CORRUPT for what is no whole index. */
  static async read(path: string, options: ReadOptions = {}): Promise<Index> {
    return new Index(await binding().NativeIndex.read(path, options.mmap ?? false));
  }

  /** What `toBuffer` gave. */
  static async fromBuffer(bytes: Uint8Array): Promise<Index> {
    return new Index(await binding().NativeIndex.fromBuffer(bytes));
  }

  /** Vectors in the index, without those that are still being added. */
  ntotal(): number {
    return this.#native.describe().total;
  }

  getDimension(): number {
    return this.#native.describe().dimension;
  }

  get dimension(): number {
    return this.getDimension();
  }

  get metric(): MetricType {
    return this.#native.describe().metric;
  }

  isTrained(): boolean {
    return this.#native.describe().trained;
  }

  /** Whether the vectors stay in a mapped file, which makes the index read only. */
  get isMapped(): boolean {
    return this.#native.describe().mapped;
  }

  /** Of an inverted file: how many lists there are, and how many of them a search visits that does not say. */
  get lists(): { readonly nlist: number; readonly nprobe: number } | undefined {
    const { lists, probes } = this.#native.describe();
    return lists === 0 ? undefined : { nlist: lists, nprobe: probes };
  }

  /** Appends vectors; the first gets row `ntotal()`. All or, when one is not finite, none. */
  async add(vectors: Vectors): Promise<void> {
    await this.#native.add(floats(vectors));
  }

  /** For kinds that learn from a sample before vectors are added; others do nothing. */
  async train(vectors: Vectors): Promise<void> {
    await this.#native.train(floats(vectors));
  }

  /** The k nearest rows of each query; fewer where there are fewer. An empty index gives an empty result. */
  async search(queries: Vectors, k: number, options: SearchOptions = {}): Promise<SearchResult> {
    return this.#native.search(floats(queries), k, plainOptions(options));
  }

  /**
   * The k nearest groups of rows, where a group is as near as its nearest pair of a row and one of the queries; of each that pair.
   * Group g has the rows `g * rowsPerGroup` to `g * rowsPerGroup + rowsPerGroup - 1`, as far as they are selected. An inverted
   * file of floats by inner product visits the nprobe lists nearest to any query; another approximate index lets only the
   * k * rowsPerGroup nearest rows of each query compete.
   */
  async searchGroups(queries: Vectors, k: number, options: GroupSearchOptions): Promise<GroupSearchResult> {
    const { rowsPerGroup, ...others } = options;
    return this.#native.searchGroups(floats(queries), k, plainOptions(others), rowsPerGroup);
  }

  /** Writes the file under another name and renames it, so that a reader never sees half of it. */
  async write(path: string): Promise<void> {
    await this.#native.write(path);
  }

  /** The bytes that `write` would write. */
  async toBuffer(): Promise<Buffer> {
    return this.#native.toBuffer();
  }

  /** Takes all vectors of an index of the same kind, dimension and metric; their rows follow ours, and it is empty then. */
  async mergeFrom(other: Index): Promise<void> {
    await this.#native.mergeFrom(other.#native);
  }

  /** How many were removed. Flat: later rows move up. Inverted files: labels stay, and new ones go on after the last. */
  async removeIds(ids: RowNumbers): Promise<number> {
    return this.#native.removeIds(numbers(ids));
  }

  /** The vector of a row, as near as the kind of index keeps it. ERR_FAISS_ROW_NOT_FOUND. */
  async reconstruct(row: number): Promise<Float32Array> {
    return this.#native.reconstruct(row);
  }

  /** What the transforms that an index begins with (`PCA64,…`) make of vectors. ERR_FAISS_UNSUPPORTED where there are none. */
  async transform(vectors: Vectors): Promise<Float32Array> {
    return this.#native.transform(floats(vectors));
  }

  /** Frees the memory when the calls before it have ended. Every later call says ERR_FAISS_DISPOSED. */
  async dispose(): Promise<void> {
    await this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

/** Exact search by inner product; the cosine of the angle when vectors have length 1. */
export class IndexFlatIP extends Index {
  constructor(dims: number) {
    super(binding().NativeIndex.flat(dims, MetricType.METRIC_INNER_PRODUCT));
  }
}

/** Exact search by squared Euclidean distance. */
export class IndexFlatL2 extends Index {
  constructor(dims: number) {
    super(binding().NativeIndex.flat(dims, MetricType.METRIC_L2));
  }
}

function floats(vectors: Vectors): Float32Array {
  return vectors instanceof Float32Array ? vectors : Float32Array.from(vectors);
}

function numbers(rows: RowNumbers): Int32Array | Float64Array {
  return rows instanceof Int32Array || rows instanceof Float64Array ? rows : Float64Array.from(rows);
}

function plainOptions({ rows, nprobe, efSearch }: SearchOptions): object {
  return { rows: rows === undefined ? undefined : plainRows(rows), nprobe, efSearch };
}

function plainRows(rows: Rows): object {
  switch (rows.type) {
    case 'list':
      return { ...rows, rows: numbers(rows.rows) };
    case 'tiles':
      return { ...rows, tiles: numbers(rows.tiles) };
    case 'all-of':
      return { ...rows, parts: rows.parts.map(plainRows) };
    default:
      return rows;
  }
}

function invalid(message: string): Error {
  return Object.assign(new Error(message), { code: 'ERR_FAISS_INVALID_ARGUMENT' });
}
