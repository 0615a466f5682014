/** A row of the index and its inner product with the query: the cosine, as both are unit vectors. */
export interface Neighbour {
  readonly row: number;
  readonly similarity: number;
}

/** The nearest pair of a row of a group and one of several queries. */
export interface GroupNeighbour extends Neighbour {
  /** Ordinal among the queries; of equally near ones the first. */
  readonly query: number;
}

/** Rows lie tile by tile: row = tile ordinal * rowsPerTile + orientation. */
export interface RowSelection {
  readonly rowsPerTile: number;
  /** Ordinals in any order, repeated or not; those that the index does not have are passed over. Undefined: all tiles. */
  readonly tiles?: Int32Array | undefined;
  /** Undefined: all orientations. */
  readonly orientation?: number | undefined;
}

export interface SearchOptions {
  readonly k: number;
  readonly rows?: RowSelection | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface GroupSearchOptions extends SearchOptions {
  /** Group g has the rows from g * rowsPerGroup on: a tile's, or, with 1, each row is its own. */
  readonly rowsPerGroup: number;
}

/**
 * The embeddings of a region's tiles, wherever they are kept. Errors: INDEX_INVALID (a query of another width or not finite,
 * options that make no sense, a closed index), CANCELED.
 */
export interface VectorIndex {
  /** Floats per row. */
  readonly width: number;
  readonly rowCount: number;
  /** Best first, equal similarities by row; fewer than k when fewer rows are allowed. */
  search(query: Float32Array, options: SearchOptions): Promise<readonly Neighbour[]>;
  /**
   * The k groups that are nearest to any of the queries, each by its nearest pair; best first, equal similarities by row. None of
   * no queries. An approximate index lets only rows compete that are near to a query.
   */
  searchGroups(queries: readonly Float32Array[], options: GroupSearchOptions): Promise<readonly GroupNeighbour[]>;
  /** Ends the searches that run, then frees the memory. */
  close(): Promise<void>;
}

/** Vectors to write, one after another. */
export interface IndexContent {
  readonly width: number;
  readonly vectors: Float32Array;
}

/** `VectorIndex.search` of an index that searches groups: every row is one, and the query the only one. */
export function searchByGroups(searchGroups: VectorIndex['searchGroups']): VectorIndex['search'] {
  return async (query, options) => {
    const found = await searchGroups([query], { ...options, rowsPerGroup: 1 });
    return found.map(({ row, similarity }) => ({ row, similarity }));
  };
}
