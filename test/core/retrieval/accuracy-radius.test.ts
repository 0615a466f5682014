import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { LonLat } from '#core/geo/units.ts';
import { accuracyRadiusM, type SpreadPoint, shareWithin } from '#core/retrieval/accuracy-radius.ts';
import { normalBelow, quantileOf } from '#core/retrieval/normal.ts';

function pointsAround(
  origin: LonLat,
  ...points: readonly [eastM: number, northM: number, weight: number][]
): SpreadPoint[] {
  const frame = createLocalFrame(origin);
  return points.map(([eastM, northM, weight]) => ({ centre: frame.toLonLat({ eastM, northM }), weight }));
}

const ORIGIN: LonLat = [0, 0];

/** By brute force: the share of a fine grid of the plane, weighted by the Gaussian's density. */
function shareOnGrid(radiusM: number, distance: number, sigma: number): number {
  const steps = 400;
  let [inside, all] = [0, 0];
  for (let i = 0; i < steps; i++) {
    for (let j = 0; j < steps; j++) {
      const [x, y] = [-6 + (12 * (i + 0.5)) / steps, -6 + (12 * (j + 0.5)) / steps];
      const density = Math.exp(-(x * x + y * y) / 2);
      all += density;
      if (Math.hypot(distance + x * sigma, y * sigma) <= radiusM) inside += density;
    }
  }
  return inside / all;
}

describe('the share of a Gaussian within a radius', () => {
  test('around its own centre is that of Rayleigh', () => {
    for (const radius of [0.1, 1, 10, 14, 20, 30, 60]) {
      expect(shareWithin(radius, 0, 14)).toBeCloseTo(1 - Math.exp(-(radius ** 2) / (2 * 14 ** 2)), 3);
    }
  });

  test.each([
    [10, 5, 10],
    [30, 30, 10],
    [25, 30, 10],
    [100, 120, 15],
    [3, 40, 20],
    [500, 495, 5],
  ])('of %d m around a point %d m off, %d m wide, is that of a fine grid', (radius, distance, sigma) => {
    expect(Math.abs(shareWithin(radius, distance, sigma) - shareOnGrid(radius, distance, sigma))).toBeLessThan(2e-3);
  });

  test('is 0 far inside of it and 1 far outside', () => {
    expect(shareWithin(1_000, 5_000, 10)).toBe(0);
    expect(shareWithin(5_000, 1_000, 10)).toBe(1);
  });
});

describe('the accuracy radius', () => {
  test('of one tile is Rayleigh’s quantile', () => {
    for (const confidence of [0.1, 0.5, 0.68, 0.95, 0.999]) {
      const radius = accuracyRadiusM(pointsAround(ORIGIN, [0, 0, 0.3]), ORIGIN, { sigmaM: 14, confidence });
      expect(radius / (14 * Math.sqrt(-2 * Math.log(1 - confidence)))).toBeCloseTo(1, 2);
    }
  });

  test('reaches to a second place when the first does not hold the confidence asked for', () => {
    const points = pointsAround(ORIGIN, [0, 0, 0.6], [2_000, 0, 0.4]);
    const at = (confidence: number) => accuracyRadiusM(points, ORIGIN, { sigmaM: 10, confidence });
    expect(at(0.5)).toBeLessThan(30);
    expect(at(0.68)).toBeGreaterThan(1_900);
    expect(at(0.68)).toBeLessThan(2_060);
  });

  const points = fc
    .array(
      fc.tuple(
        fc.double({ min: -3_000, max: 3_000, noNaN: true }),
        fc.double({ min: -3_000, max: 3_000, noNaN: true }),
        fc.double({ min: 1e-6, max: 1, noNaN: true }),
      ),
      { minLength: 1, maxLength: 20 },
    )
    .map((list) => pointsAround([179.999, 60], ...list));
  const share = fc.double({ min: 0.01, max: 0.999, noNaN: true });

  test('never shrinks when more confidence is asked for', () => {
    fc.assert(
      fc.property(points, share, share, (list, a, b) => {
        const at = (confidence: number) => accuracyRadiusM(list, [179.999, 60], { sigmaM: 12, confidence });
        expect(at(Math.min(a, b))).toBeLessThanOrEqual(at(Math.max(a, b)));
      }),
    );
  });

  test('does not depend on the order of the tiles or the unit of their weights', () => {
    fc.assert(
      fc.property(points, share, (list, confidence) => {
        const at = (some: readonly SpreadPoint[]) => accuracyRadiusM(some, [179.999, 60], { sigmaM: 12, confidence });
        const other = [...list].reverse().map(({ centre, weight }) => ({ centre, weight: weight * 7 }));
        expect(Math.abs(at(list) - at(other))).toBeLessThan(1e-3);
      }),
    );
  });

  test('is the same across the antimeridian as elsewhere', () => {
    const of = (origin: LonLat) =>
      accuracyRadiusM(pointsAround(origin, [-40, 10, 1], [30, 5, 1]), origin, { sigmaM: 12, confidence: 0.68 });
    expect(of([180, 0])).toBeCloseTo(of([10, 0]), 6);
    expect(of([-180, 0])).toBeCloseTo(of([10, 0]), 6);
  });
});

describe('the normal distribution', () => {
  test('has its known shares', () => {
    for (const [x, share] of [
      [0, 0.5],
      [1, 0.8413447],
      [-1, 0.1586553],
      [1.959964, 0.975],
      [-3, 0.0013499],
      [8, 1],
    ] as const) {
      expect(Math.abs(normalBelow(x) - share)).toBeLessThan(2e-7);
    }
  });

  test('a quantile stops at the end of its bracket when the share is never reached', () => {
    expect(quantileOf(() => 0, 0.5, 42)).toBe(42);
    expect(quantileOf((value) => value / 10, 0.5, 10)).toBeCloseTo(5, 6);
  });
});
