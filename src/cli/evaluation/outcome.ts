import { containsPoint } from '../../core/geo/bounds.ts';
import { distanceM } from '../../core/geo/great-circle.ts';
import { angleBetweenDeg, type LonLat } from '../../core/geo/units.ts';
import type { GeolocateAnswer, GeolocateStatus } from '../../core/geolocate.ts';
import { boundsOfTile, type Region } from '../../core/retrieval/region.ts';

/** One answer held against the truth. */
export interface Outcome {
  readonly status: GeolocateStatus;
  /** Whether any tile of the searched regions covers the true place; outside there is no right answer. */
  readonly truth: 'inside' | 'outside' | 'unknown';
  /** The best tile covers the true place. */
  readonly right: boolean;
  readonly probability: number;
  /** From the answer's location to the truth in metres. */
  readonly errorM?: number;
  /** The truth lies within the stated accuracy radius. */
  readonly withinRadius?: boolean;
  /** Of a heading that the answer found; absent when the caller gave it. */
  readonly headingErrorDeg?: number;
  readonly latencyMs: number;
}

export interface Truth {
  readonly location?: LonLat | undefined;
  /** Where the image's middle looks, when that is to be found. */
  readonly headingDeg?: number | undefined;
}

export function outcomeOf(answer: GeolocateAnswer, { location, headingDeg }: Truth, covers: Covers): Outcome {
  const best = answer.candidates[0];
  const measured =
    location === undefined || answer.location === undefined
      ? {}
      : withError(distanceM(answer.location, location), answer.accuracy?.radiusM);
  const heading =
    headingDeg === undefined || answer.heading === undefined
      ? {}
      : { headingErrorDeg: angleBetweenDeg(answer.heading.deg, headingDeg) };
  return {
    status: answer.status,
    truth: location === undefined ? 'unknown' : covers(location) ? 'inside' : 'outside',
    right: location !== undefined && best !== undefined && containsPoint(best.bounds, location),
    probability: answer.probability,
    ...measured,
    ...heading,
    latencyMs: answer.timingMs.total,
  };
}

function withError(errorM: number, radiusM: number | undefined): { errorM: number; withinRadius?: boolean } {
  return radiusM === undefined ? { errorM } : { errorM, withinRadius: errorM <= radiusM };
}

/** Whether a point has a right answer. */
export type Covers = (point: LonLat) => boolean;

export function coveredBy(regions: readonly Region[]): Covers {
  return (point) => regions.some((region) => containsPoint(region.bounds, point) && someTile(region, point));
}

function someTile({ tiles }: Region, point: LonLat): boolean {
  for (let tile = 0; tile < tiles.count; tile++) {
    if (containsPoint(boundsOfTile(tiles, tile), point)) return true;
  }
  return false;
}
