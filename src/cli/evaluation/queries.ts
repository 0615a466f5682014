import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { RelativePathSchema } from '../../core/storage/checksums.ts';
import { Failure } from '../failure.ts';
import { reasonOf } from '../images.ts';
import type { LabelledQuery } from './conditions.ts';
import { type CsvRecord, parseCsv } from './csv.ts';

/** A row of queries.csv; the image is relative to the folder. */
export type Query = LabelledQuery & { readonly image: string };

const COLUMNS = ['query_id', 'image', 'kind', 'lon', 'lat', 'heading_deg', 'fov_deg', 'split'] as const;

function optional(low: number, high: number) {
  const hint = `must be empty or a number from ${low} to ${high}`;
  return z
    .string()
    .transform((text) => (text.trim() === '' ? undefined : Number(text)))
    .refine((value) => value === undefined || (value >= low && value <= high), hint);
}

const RowSchema = z
  .object({
    query_id: z.string().min(1, 'is empty'),
    image: RelativePathSchema,
    kind: z.enum(['panorama', 'photo'], { error: 'must be panorama or photo' }),
    lon: optional(-180, 180),
    lat: optional(-90, 90),
    heading_deg: optional(-360, 360),
    fov_deg: optional(0, 360),
    split: z.string(),
  })
  .refine(({ lon, lat }) => (lon === undefined) === (lat === undefined), { error: 'has only one of lon and lat' })
  .transform(
    ({ query_id, image, kind, lon, lat, heading_deg, fov_deg, split }): Query => ({
      id: query_id,
      image,
      kind,
      location: lon === undefined || lat === undefined ? undefined : [lon, lat],
      headingDeg: heading_deg,
      fovDeg: fov_deg,
      split,
    }),
  );

/** Reads `queries.csv` of a view set. Throws Failure SOURCE_INVALID, naming the line. */
export async function readQueries(dir: string, { signal }: { signal?: AbortSignal }): Promise<Query[]> {
  const path = join(dir, 'queries.csv');
  const text = await readFile(path, { encoding: 'utf8', ...(signal === undefined ? {} : { signal }) }).catch(
    (cause: unknown) => {
      if (signal?.aborted === true) throw cause;
      throw new Failure('SOURCE_INVALID', `${path} cannot be read: ${reasonOf(cause)}. A view set has one.`, { cause });
    },
  );
  const [head, ...records] = recordsOf(text, path);
  const missing = COLUMNS.filter((name) => head?.cells.includes(name) !== true);
  if (head === undefined || missing.length > 0) {
    throw new Failure('SOURCE_INVALID', `${path} lacks ${missing.join(', ')}; its columns are ${COLUMNS.join(',')}.`);
  }
  return records.map(({ cells, line }) => {
    const row = Object.fromEntries(head.cells.map((name, column) => [name, cells[column] ?? '']));
    const parsed = RowSchema.safeParse(row);
    if (parsed.success) return parsed.data;
    const problems = parsed.error.issues.map(({ path: at, message }) => `${at.join('.')} ${message}`.trim());
    throw new Failure('SOURCE_INVALID', `${path}, line ${line}: ${problems.join('; ')}.`);
  });
}

function recordsOf(text: string, path: string): CsvRecord[] {
  try {
    return parseCsv(text);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new Failure('SOURCE_INVALID', `${path}, ${cause.message}.`, { cause });
  }
}
