import fc from 'fast-check';
import type { Bounds } from '#core/geo/bounds.ts';
import type { LonLat } from '#core/geo/units.ts';
import { wrap180 } from '#core/geo/units.ts';

const degrees = (min: number, max: number) => fc.double({ min, max, noNaN: true });

/** A point at least `margin` degrees from the poles. */
export function lonLat(margin = 0): fc.Arbitrary<LonLat> {
  return fc.tuple(degrees(-180, 180), degrees(-90 + margin, 90 - margin));
}

/** A rectangle of up to `maxDeg` a side, anywhere, also across the antimeridian. */
export function bounds(maxDeg: number): fc.Arbitrary<Bounds> {
  return fc
    .tuple(lonLat(maxDeg), degrees(1e-6, maxDeg), degrees(1e-6, maxDeg))
    .map(([[west, south], width, height]) => {
      const w = wrap180(west);
      return { west: w, south, east: w + width > 180 ? w + width - 360 : w + width, north: south + height };
    });
}
