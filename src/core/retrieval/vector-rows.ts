/** More vectors than fit into memory, in the order of their rows. */
export interface VectorRows {
  readonly width: number;
  readonly rowCount: number;
  /** From the first row on, each time; pieces of whole rows. */
  read(): AsyncIterable<Float32Array>;
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
