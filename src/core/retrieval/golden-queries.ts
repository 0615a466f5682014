import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { parseStoredJson } from '../storage/stored-json.ts';
import type { Region } from './region.ts';
import type { RegionManifest } from './region-manifest.ts';
import type { VectorIndex } from './vector-index.ts';

/**
 * Questions to a region whose answers are known, beside its other files. The manifest lists the file and has no member for it:
 * programs from before there were any open the bundle, too.
 */
export const GOLDEN_FILE = 'golden-queries.json';

/** Rows that are expected of each query. */
const TOP_ROWS = 10;
/** Between two programs that compute the same inner product. */
const TOLERANCE = 1e-4;
/** Of a vector's length from 1. */
const LENGTH_TOLERANCE = 1e-3;

const ExpectedRowSchema = z.strictObject({
  /** Id of the tile. */
  tile: z.string(),
  /** Row r of the tile: azimuth 360 r / headings up. */
  orientation: z.int().nonnegative(),
  similarity: z.number(),
});

/** A unit vector: 32-bit floats, little-endian, in base64. */
export const GoldenVectorSchema = z.strictObject({ name: z.string(), vector: z.base64() });

const GoldenQueriesSchema = z.strictObject({
  schemaVersion: z.literal(1),
  queries: z.array(z.strictObject({ ...GoldenVectorSchema.shape, expected: z.array(ExpectedRowSchema).min(1) })).min(1),
});

export type GoldenVector = z.infer<typeof GoldenVectorSchema>;
export type GoldenQueries = z.infer<typeof GoldenQueriesSchema>;
type ExpectedRow = z.infer<typeof ExpectedRowSchema>;

/** What is needed of a region to ask it. */
export interface AskedRegion extends Pick<Region, 'dir' | 'index'> {
  readonly manifest: Pick<RegionManifest, 'embeddingWidth' | 'index' | 'files'>;
  readonly tiles: Pick<Region['tiles'], 'ids'>;
}

export function goldenVector(name: string, vector: Float32Array): GoldenVector {
  const bytes = Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
  return { name, vector: bytes.toString('base64') };
}

/** What an index answers now is what is expected from then on. Errors: those of the index. */
export async function askGoldenQueries(
  index: VectorIndex,
  tileIds: readonly string[],
  vectors: readonly GoldenVector[],
): Promise<GoldenQueries> {
  const queries: GoldenQueries['queries'] = [];
  for (const { name, vector } of vectors) {
    const rows = await topRows({ index, tileIds }, floatsOf(vector));
    const expected = rows.map((row) => ({ ...row, similarity: Number(row.similarity.toFixed(6)) }));
    queries.push({ name, vector, expected });
  }
  return { schemaVersion: 1, queries };
}

/**
 * Asks an open region its golden queries; gives how many, 0 where the bundle has none. Errors: REGION_INVALID where an answer is
 * another one, FILE_MISSING, MANIFEST_INVALID, CANCELED.
 */
export async function checkGoldenQueries(
  { dir, manifest, index, tiles }: AskedRegion,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<number> {
  if (!hasGoldenQueries(manifest)) return 0;
  const { queries } = await readGoldenQueries(dir);
  for (const { name, vector, expected } of queries) {
    const query = checkedVector(name, floatsOf(vector), manifest);
    const found = await topRows({ index, tileIds: tiles.ids, k: expected.length }, query, signal);
    const why = difference(expected, found, { mayMiss: isExact(manifest) ? 0 : 1 });
    if (why !== undefined) throw invalid(`expects another answer for ${name} than the index gives: ${why}`);
  }
  return queries.length;
}

export function hasGoldenQueries({ files }: Pick<RegionManifest, 'files'>): boolean {
  return files.some(({ path }) => path === GOLDEN_FILE);
}

async function readGoldenQueries(dir: string): Promise<GoldenQueries> {
  const bytes = await readFile(join(dir, GOLDEN_FILE)).catch((cause: unknown) => {
    throw new Geo2Error('FILE_MISSING', `${GOLDEN_FILE} is missing or cannot be read.`, {
      data: { file: GOLDEN_FILE },
      cause,
    });
  });
  return parseStoredJson(GoldenQueriesSchema, bytes, GOLDEN_FILE);
}

async function topRows(
  { index, tileIds, k = TOP_ROWS }: { index: VectorIndex; tileIds: readonly string[]; k?: number },
  query: Float32Array,
  signal?: AbortSignal,
): Promise<ExpectedRow[]> {
  const headings = index.rowCount / tileIds.length;
  const found = await index.search(query, { k, signal });
  return found.map(({ row, similarity }) => ({
    tile: tileIds[Math.floor(row / headings)] ?? '',
    orientation: row % headings,
    similarity,
  }));
}

/** Undefined where the same rows are found at the same similarity. Of rows that are equally near to the last one any may be there. */
function difference(
  expected: readonly ExpectedRow[],
  found: readonly ExpectedRow[],
  { mayMiss }: { mayMiss: number },
): string | undefined {
  const keyOf = ({ tile, orientation }: ExpectedRow): string => `${orientation} ${tile}`;
  const similarities = new Map(found.map((row) => [keyOf(row), row.similarity]));
  const last = found.at(-1)?.similarity ?? Number.NEGATIVE_INFINITY;
  let missed = 0;
  for (const [rank, row] of expected.entries()) {
    const similarity = similarities.get(keyOf(row));
    const what = `tile ${row.tile} at orientation ${row.orientation}`;
    if (similarity !== undefined) {
      if (Math.abs(similarity - row.similarity) <= TOLERANCE) continue;
      return `${what} has similarity ${similarity.toFixed(4)}, not ${row.similarity.toFixed(4)}`;
    }
    if (row.similarity <= last + TOLERANCE) continue;
    missed += 1;
    if (rank === 0 || missed > mayMiss) return `${what} is not among the ${expected.length} nearest`;
  }
  return undefined;
}

function isExact({ index }: AskedRegion['manifest']): boolean {
  return index.type === 'IndexFlatIP' && index.servedBy === undefined;
}

function checkedVector(name: string, vector: Float32Array, { embeddingWidth }: AskedRegion['manifest']): Float32Array {
  if (vector.length !== embeddingWidth) {
    throw invalid(`has ${vector.length} numbers for ${name}; the region's embeddings have ${embeddingWidth}`);
  }
  if (Math.abs(Math.hypot(...vector) - 1) <= LENGTH_TOLERANCE) return vector;
  throw invalid(`has no unit vector for ${name}`);
}

function floatsOf(base64: string): Float32Array {
  const bytes = Uint8Array.from(Buffer.from(base64, 'base64'));
  return new Float32Array(bytes.buffer, 0, Math.floor(bytes.length / 4));
}

function invalid(why: string): Geo2Error {
  return new Geo2Error('REGION_INVALID', `${GOLDEN_FILE} ${why}. Build the region again.`, {
    data: { file: GOLDEN_FILE },
  });
}
