import { MetricType, type Rows, type SearchResult } from '#native/faiss';

/** Random numbers from -1 to 1; the same for the same seed. */
export function randomVectors(count: number, dims: number, seed = 1): Float32Array {
  let state = seed | 0;
  return Float32Array.from({ length: count * dims }, () => {
    // mulberry32
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 31 - 1;
  });
}

/** Small whole numbers: every sum is exact, so equal distances are equal in any order of summation. */
export function wholeVectors(count: number, dims: number, seed = 1): Float32Array {
  return randomVectors(count, dims, seed).map((value) => Math.round(value * 3));
}

export function isMember(rows: Rows | undefined, row: number): boolean {
  if (rows === undefined) return true;
  switch (rows.type) {
    case 'range':
      return row >= rows.from && row < rows.to;
    case 'list':
      return Array.from(rows.rows).includes(row);
    case 'bitmap':
      return (((rows.bitmap[row >> 3] ?? 0) >> (row & 7)) & 1) === 1;
    case 'stride':
      return row % rows.every === (rows.offset ?? 0);
    case 'tiles': {
      const inTile = Array.from(rows.tiles).includes(Math.floor(row / rows.rowsPerTile));
      return inTile && (rows.offset === undefined || row % rows.rowsPerTile === rows.offset);
    }
    case 'all-of':
      return rows.parts.every((part) => isMember(part, row));
  }
}

export interface Gallery {
  readonly dims: number;
  readonly vectors: Float32Array;
  readonly metric: MetricType;
}

/** Exact search by its definition: every selected row's distance in double precision, sorted, equal ones by row. */
export function searchExactly(gallery: Gallery, queries: Float32Array, k: number, rows?: Rows): SearchResult {
  const { dims, vectors, metric } = gallery;
  const count = vectors.length / dims;
  const members = Array.from({ length: count }, (_, row) => row).filter((row) => isMember(rows, row));
  const places = Math.min(k, members.length);
  const distances: number[] = [];
  const labels: number[] = [];
  for (let at = 0; at < queries.length; at += dims) {
    const query = queries.subarray(at, at + dims);
    const sign = metric === MetricType.METRIC_L2 ? 1 : -1;
    const found = members
      .map((row) => ({ row, distance: distance(query, vectors.subarray(row * dims, (row + 1) * dims), metric) }))
      .sort((a, b) => sign * (a.distance - b.distance) || a.row - b.row)
      .slice(0, places);
    distances.push(...found.map((hit) => hit.distance));
    labels.push(...found.map((hit) => hit.row));
  }
  return { k: places, distances: Float32Array.from(distances), labels: Float64Array.from(labels) };
}

function distance(a: Float32Array, b: Float32Array, metric: MetricType): number {
  return a.reduce((sum, value, i) => {
    const other = b[i] ?? Number.NaN;
    return sum + (metric === MetricType.METRIC_L2 ? (value - other) ** 2 : value * other);
  }, 0);
}

/** The share of the exact neighbours that were found. */
export function recall(found: SearchResult, exact: SearchResult): number {
  const queries = exact.labels.length / exact.k;
  let hits = 0;
  for (let q = 0; q < queries; q++) {
    const expected = new Set(exact.labels.subarray(q * exact.k, (q + 1) * exact.k));
    hits += found.labels.subarray(q * found.k, (q + 1) * found.k).filter((label) => expected.has(label)).length;
  }
  return hits / exact.labels.length;
}
