/** More vectors than fit into memory, in the order of their rows. */
export interface VectorRows {
  readonly width: number;
  readonly rowCount: number;
  /** From the first row on, each time; pieces of whole rows. */
  read(): AsyncIterable<Float32Array>;
}

/** Copies of some rows, in the order asked for. */
export async function rowsAt(rows: VectorRows, ordinals: readonly number[]): Promise<Float32Array[]> {
  const { width } = rows;
  const found = new Map<number, Float32Array>();
  let first = 0;
  for await (const vectors of rows.read()) {
    const end = first + vectors.length / width;
    for (const row of ordinals) {
      if (row >= first && row < end) found.set(row, vectors.slice((row - first) * width, (row - first + 1) * width));
    }
    first = end;
  }
  return ordinals.map((row) => {
    const vector = found.get(row);
    if (vector === undefined) throw new RangeError(`There is no row ${row}.`);
    return vector;
  });
}

/** Rows that are in memory. */
export function rowsInMemory({ width, vectors }: { width: number; vectors: Float32Array }): VectorRows {
  return {
    width,
    rowCount: vectors.length / width,
    async *read() {
      yield vectors;
    },
  };
}
