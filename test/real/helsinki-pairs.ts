import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { PROGRAM_DIR } from '../../src/config.ts';
import type { Bounds } from '../../src/core/geo/bounds.ts';
import { createLocalFrame } from '../../src/core/geo/local-frame.ts';
import type { LonLat } from '../../src/core/geo/units.ts';
import { parseCsv } from '../../src/core/regions/csv.ts';

/** Real photos and orthophotos that lie beside the repository, never in it: their licences are not ours. */
export const HELSINKI_DIR = join(PROGRAM_DIR, '../shared/data/helsinki-pairs');

/** A street photo, and the aerial image in whose middle it was taken. */
export interface HelsinkiPair {
  readonly id: string;
  readonly location: LonLat;
  /** Azimuth of the photo's middle, degrees clockwise from north. */
  readonly headingDeg: number;
  /** Files of the folder. */
  readonly groundFile: string;
  readonly aerialFile: string;
  readonly aerialBounds: Bounds;
}

/** Side of an aerial image on the ground. */
const AERIAL_M = 200;

const number = z.string().min(1).transform(Number).pipe(z.number());
const RowSchema = z.object({
  id: z.string().min(1),
  lat: number,
  lon: number,
  heading_deg: number.pipe(z.number().min(0).lt(360)),
  ground_file: z.string().min(1),
  aerial_file: z.string().min(1),
});

/** Undefined where the folder is absent, as in a public clone. */
export async function readHelsinkiPairs(): Promise<readonly HelsinkiPair[] | undefined> {
  if (!existsSync(HELSINKI_DIR)) return undefined;
  const text = await readFile(join(HELSINKI_DIR, 'pairs.csv'), 'utf8');
  return parseCsv(text, { file: 'pairs.csv', columns: Object.keys(RowSchema.shape) }).map(({ fields }) => {
    const row = RowSchema.parse(fields);
    const location: LonLat = [row.lon, row.lat];
    return {
      id: row.id,
      location,
      headingDeg: row.heading_deg,
      groundFile: row.ground_file,
      aerialFile: row.aerial_file,
      aerialBounds: squareAround(location, AERIAL_M),
    };
  });
}

function squareAround(centre: LonLat, sideM: number): Bounds {
  const frame = createLocalFrame(centre);
  const [west, south] = frame.toLonLat({ eastM: -sideM / 2, northM: -sideM / 2 });
  const [east, north] = frame.toLonLat({ eastM: sideM / 2, northM: sideM / 2 });
  return { west, south, east, north };
}
