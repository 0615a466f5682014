import { canceled, Geo2Error } from '../errors.ts';
import type { IndexContent, RowSelection, SearchOptions, VectorIndex } from './vector-index.ts';

/** What every adapter asks of a search before it starts; INDEX_INVALID. */
export function checkSearch(index: Pick<VectorIndex, 'width'>, query: Float32Array, options: SearchOptions): void {
  if (query.length !== index.width) {
    throw indexInvalid(
      `The query has ${query.length} numbers and the index ${index.width}: they come from different models.`,
    );
  }
  const bad = query.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw indexInvalid(`The query must hold finite numbers; number ${bad} is ${query[bad]}.`);
  if (!Number.isSafeInteger(options.k) || options.k < 1) {
    throw indexInvalid(`k must be a whole number of at least 1, not ${options.k}.`);
  }
  if (options.rows !== undefined) checkRows(options.rows);
}

/** INDEX_INVALID. */
export function checkGroups(rowsPerGroup: number): void {
  if (Number.isSafeInteger(rowsPerGroup) && rowsPerGroup >= 1) return;
  throw indexInvalid(`rowsPerGroup must be a whole number of at least 1, not ${rowsPerGroup}.`);
}

function checkRows({ rowsPerTile, orientation }: RowSelection): void {
  if (!Number.isSafeInteger(rowsPerTile) || rowsPerTile < 1) {
    throw indexInvalid(`rowsPerTile must be a whole number of at least 1, not ${rowsPerTile}.`);
  }
  if (orientation === undefined) return;
  if (!Number.isSafeInteger(orientation) || orientation < 0 || orientation >= rowsPerTile) {
    throw indexInvalid(`orientation must be a whole number from 0 to ${rowsPerTile - 1}, not ${orientation}.`);
  }
}

/** What every writer asks of its vectors; gives how many there are. */
export function checkContent({ width, vectors }: IndexContent): number {
  if (!Number.isSafeInteger(width) || width < 1) {
    throw indexInvalid(`The width must be a whole number of at least 1, not ${width}.`);
  }
  if (vectors.length % width !== 0) {
    throw indexInvalid(`${vectors.length} numbers do not make whole vectors of ${width}.`);
  }
  const bad = vectors.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw indexInvalid(
      `Vectors must hold finite numbers; number ${bad % width} of vector ${Math.floor(bad / width)} is ${vectors[bad]}.`,
    );
  }
  return vectors.length / width;
}

export function indexInvalid(message: string, cause?: unknown): Geo2Error {
  return new Geo2Error('INDEX_INVALID', message, { cause });
}

export function indexClosed(): Geo2Error {
  return indexInvalid('The index was closed.');
}

/** The promise, or CANCELED as soon as the signal says so; work that cannot be interrupted ends unheard. */
export async function unlessCanceled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(canceled(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
    work.catch(() => {});
  }
}
