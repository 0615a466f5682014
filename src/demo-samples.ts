import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readViewSetQueries, type ViewSetQuery } from './core/regions/view-set.ts';
import { type PageDeps, type Sample, sampleUrl } from './handlers/page.ts';

/** The photos of a view set for the page to offer; undefined where there is no such folder. Read once, at the first question. */
export function demoSamples(dir: string): PageDeps['samples'] {
  if (!existsSync(join(dir, 'queries.csv'))) return undefined;
  let samples: Promise<Sample[]> | undefined;
  return {
    dir,
    list() {
      samples ??= readSamples(dir).catch((error: unknown) => {
        samples = undefined;
        throw error;
      });
      return samples;
    },
  };
}

async function readSamples(dir: string): Promise<Sample[]> {
  return (await readViewSetQueries(dir)).map(sampleOf);
}

function sampleOf({ id, image, kind, location, headingDeg, fovDeg }: ViewSetQuery): Sample {
  const [lon, lat] = location ?? [null, null];
  return { id, image: sampleUrl(image), kind, lon, lat, headingDeg: headingDeg ?? null, fovDeg: fovDeg ?? null };
}
