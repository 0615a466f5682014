import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import type { Bounds } from '../geo/bounds.ts';
import { RelativePathSchema } from '../storage/checksums.ts';
import { parseCsv } from './csv.ts';

const number = z
  .string()
  .trim()
  .regex(/^[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?$/, 'a number')
  .transform(Number);
const longitude = number.pipe(z.number().min(-180).max(180));
const latitude = number.pipe(z.number().min(-90).max(90));
const maybe = <T extends z.ZodType>(schema: T) => z.union([z.literal('').transform(() => undefined), schema]);

const TileRowSchema = z
  .object({
    tile_id: z.string().min(1),
    image: RelativePathSchema,
    west: longitude,
    south: latitude,
    east: longitude,
    north: latitude,
  })
  .refine((row) => row.south < row.north, { path: ['north'], error: 'south must be below north' })
  .refine((row) => row.west !== row.east, { path: ['east'], error: 'west and east are the same' });

const QueryRowSchema = z
  .object({
    query_id: z.string().min(1),
    image: RelativePathSchema,
    kind: z.enum(['panorama', 'photo']),
    lon: maybe(longitude),
    lat: maybe(latitude),
    heading_deg: maybe(number),
    fov_deg: maybe(number.pipe(z.number().positive().max(360))),
    split: z.string(),
  })
  .refine(({ lon, lat }) => (lon === undefined) === (lat === undefined), {
    path: ['lat'],
    error: 'lon and lat must both be given, or neither',
  });

/** A georeferenced aerial image of a view set. */
export interface ViewSetTile {
  readonly id: string;
  /** Relative to the folder. */
  readonly image: string;
  readonly bounds: Bounds;
}

/** A ground view; undefined where its table says nothing. The heading is the azimuth of the image's middle. */
export interface ViewSetQuery {
  readonly id: string;
  readonly image: string;
  readonly kind: 'panorama' | 'photo';
  readonly location: readonly [lon: number, lat: number] | undefined;
  readonly headingDeg: number | undefined;
  readonly fovDeg: number | undefined;
  readonly split: string;
}

/** Reads `tiles.csv` of a view set. Throws SOURCE_INVALID, naming file, line and column. */
export async function readViewSetTiles(dir: string): Promise<ViewSetTile[]> {
  const rows = await readTable(dir, { file: 'tiles.csv', schema: TileRowSchema, key: 'tile_id' });
  return rows.map(({ tile_id: id, image, west, south, east, north }) => ({
    id,
    image,
    bounds: { west, south, east, north },
  }));
}

/** Reads `queries.csv` of a view set. Throws SOURCE_INVALID, naming file, line and column. */
export async function readViewSetQueries(dir: string): Promise<ViewSetQuery[]> {
  const rows = await readTable(dir, { file: 'queries.csv', schema: QueryRowSchema, key: 'query_id' });
  return rows.map(({ query_id: id, image, kind, lon, lat, heading_deg: headingDeg, fov_deg: fovDeg, split }) => ({
    id,
    image,
    kind,
    location: lon === undefined || lat === undefined ? undefined : [lon, lat],
    headingDeg,
    fovDeg,
    split,
  }));
}

/** Parses every row with the schema; no two may have the same `key`. */
async function readTable<T extends z.ZodObject>(
  dir: string,
  { file, schema, key }: { file: string; schema: T; key: string },
): Promise<z.infer<T>[]> {
  const text = await readFile(join(dir, file), 'utf8').catch((cause: unknown) => {
    throw new Geo2Error('SOURCE_INVALID', `There is no ${file} in ${dir}: a view set has tiles.csv and queries.csv.`, {
      data: { file },
      cause,
    });
  });
  const lines = new Map<string, number>();
  return parseCsv(text, { file, columns: Object.keys(schema.shape) }).map(({ line, fields }) => {
    const parsed = schema.safeParse(fields);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      const column = issue?.path.join('.') ?? '';
      const found = fields[column] === undefined ? '' : ` (found ${JSON.stringify(fields[column].slice(0, 60))})`;
      throw invalid(file, line, column, `${issue?.message ?? 'is not valid'}${found}`);
    }
    const id = fields[key] ?? '';
    const before = lines.get(id);
    if (before !== undefined) throw invalid(file, line, key, `${id} is already on line ${before}`);
    lines.set(id, line);
    return parsed.data;
  });
}

function invalid(file: string, line: number, column: string, why: string): Geo2Error {
  const where = column === '' ? '' : `, column ${column}`;
  return new Geo2Error('SOURCE_INVALID', `${file}, line ${line}${where}: ${why}.`, { data: { file, line, column } });
}
