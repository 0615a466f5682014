import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from './core/errors.ts';
import { type PageDeps, type Sample, sampleUrl } from './handlers/page.ts';

const number = z
  .string()
  .transform((text) => (text === '' ? null : Number(text)))
  .refine((value) => value === null || Number.isFinite(value), 'must be a number or empty');

const RowSchema = z
  .object({
    query_id: z.string().min(1),
    image: z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/, 'a path inside the folder'),
    kind: z.enum(['panorama', 'photo']),
    lon: number,
    lat: number,
    heading_deg: number,
    fov_deg: number,
  })
  .transform(
    ({ query_id, image, kind, lon, lat, heading_deg, fov_deg }): Sample => ({
      id: query_id,
      image: sampleUrl(image),
      kind,
      lon,
      lat,
      headingDeg: heading_deg,
      fovDeg: fov_deg,
    }),
  );

/** The photos of a view set for the page to offer; undefined where there is no such folder. Read once, at the first question. */
export function demoSamples(dir: string): PageDeps['samples'] {
  if (!existsSync(join(dir, 'queries.csv'))) return undefined;
  let samples: Promise<Sample[]> | undefined;
  return {
    dir,
    list() {
      samples ??= readSamples(join(dir, 'queries.csv')).catch((error: unknown) => {
        samples = undefined;
        throw error;
      });
      return samples;
    },
  };
}

async function readSamples(path: string): Promise<Sample[]> {
  const [head = '', ...lines] = (await readFile(path, 'utf8')).split(/\r?\n/).filter((line) => line !== '');
  const names = head.split(',');
  return lines.map((line, index) => {
    const cells = line.split(',');
    const parsed = RowSchema.safeParse(Object.fromEntries(names.map((name, column) => [name, cells[column] ?? ''])));
    if (parsed.success) return parsed.data;
    throw new Geo2Error('SOURCE_INVALID', `queries.csv, line ${index + 2}: ${z.prettifyError(parsed.error)}`, {
      data: { file: 'queries.csv', line: index + 2 },
    });
  });
}
