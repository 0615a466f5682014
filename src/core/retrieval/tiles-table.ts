import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';

const latitude = z.number().min(-90).max(90);
const longitude = z.number().min(-180).max(180);

const TileRowSchema = z
  .object({
    id: z.string().min(1),
    west: longitude,
    south: latitude,
    east: longitude,
    north: latitude,
    row_start: z.int().nonnegative(),
    row_end: z.int().positive(),
  })
  .refine(({ south, north }) => south < north, 'south is not below north')
  .refine(({ west, east }) => west !== east, 'west and east are the same');

const COLUMNS = ['id', 'west', 'south', 'east', 'north', 'row_start', 'row_end'];

/** Problems told of one file; a table that is wrong is wrong everywhere. */
const MAX_PROBLEMS = 5;

/** The reference tiles of a region in the order of the file: a tile's place in it is its ordinal. */
export interface RegionTiles {
  readonly count: number;
  readonly ids: readonly string[];
  /** 4 per tile: west, south, east, north in degrees. */
  readonly bounds: Float64Array;
}

/**
 * Reads `tiles.parquet`. Row `row_start` to `row_end` (exclusive) of the index belong to a tile; they must be the tile's
 * `headings` rows in the order of the tiles. Throws REGION_INVALID, naming the file and the first rows that are wrong.
 */
export type ReadTilesTable = (path: string, file: string, options: { headings: number }) => Promise<RegionTiles>;

/** Does so here, where it is called. */
export const readTilesTable: ReadTilesTable = async (path, file, { headings }) => {
  const parsed = z.array(TileRowSchema).safeParse(await readRows(path, file));
  if (!parsed.success) {
    const problems = parsed.error.issues
      .slice(0, MAX_PROBLEMS)
      .map(({ path: at, message }) => `row ${at.join(' ')}: ${message}`);
    throw tilesInvalid(file, problems.join('; '));
  }
  const rows = parsed.data;
  const ids = rows.map((row) => row.id);
  const bounds = new Float64Array(rows.length * 4);
  const seen = new Set<string>();
  rows.forEach((row, ordinal) => {
    bounds.set([row.west, row.south, row.east, row.north], ordinal * 4);
    if (row.row_start !== ordinal * headings || row.row_end !== (ordinal + 1) * headings) {
      const found = `${row.row_start} to ${row.row_end}`;
      throw tilesInvalid(
        file,
        `tile ${row.id} has the rows ${found}, not those of place ${ordinal} at ${headings} headings`,
      );
    }
    if (seen.has(row.id)) throw tilesInvalid(file, `tile ${row.id} is there twice`);
    seen.add(row.id);
  });
  return { count: rows.length, ids, bounds };
};

async function readRows(path: string, file: string): Promise<unknown> {
  try {
    return await parquetReadObjects({ file: await asyncBufferFromFile(path), columns: COLUMNS, geoparquet: false });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw tilesInvalid(file, `it cannot be read as Parquet with the columns ${COLUMNS.join(', ')}: ${why}`, cause);
  }
}

function tilesInvalid(file: string, why: string, cause?: unknown): Geo2Error {
  return new Geo2Error('REGION_INVALID', `${file} is not the table of a region's tiles: ${why}.`, {
    data: { file },
    cause,
  });
}
