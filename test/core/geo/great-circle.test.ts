import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bearingDeg, destination, distanceM } from '#core/geo/great-circle.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import { angleBetweenDeg, EARTH_RADIUS_M, METRES_PER_DEGREE } from '#core/geo/units.ts';
import { lonLat } from './geo.arbitraries.ts';

const metres = (max: number) => fc.double({ min: 0.01, max, noNaN: true });
const azimuth = fc.double({ min: 0, max: 360, noNaN: true });

test('known distances', () => {
  expect(distanceM([0, 0], [0, 1])).toBeCloseTo(METRES_PER_DEGREE, 6);
  expect(distanceM([0, 0], [180, 0])).toBeCloseTo(Math.PI * EARTH_RADIUS_M, 3);
  expect(distanceM([10, 90], [-70, 90])).toBeCloseTo(0, 6);
  expect(distanceM([179.9, 0], [-179.9, 0])).toBeCloseTo(0.2 * METRES_PER_DEGREE, 3);
});

test('distance is symmetric, zero only for the same point, and obeys the triangle inequality', () => {
  fc.assert(
    fc.property(lonLat(), lonLat(), lonLat(), (a, b, c) => {
      expect(distanceM(a, b)).toBeCloseTo(distanceM(b, a), 6);
      expect(distanceM(a, a)).toBe(0);
      expect(distanceM(a, c)).toBeLessThanOrEqual(distanceM(a, b) + distanceM(b, c) + 1e-3);
    }),
  );
});

test('one arrives at the distance and bearing that one set out with', () => {
  fc.assert(
    fc.property(lonLat(1), azimuth, metres(50_000), (from, azimuthDeg, lengthM) => {
      const to = destination(from, azimuthDeg, lengthM);
      expect(distanceM(from, to)).toBeCloseTo(lengthM, 3);
      if (lengthM > 1) expect(angleBetweenDeg(bearingDeg(from, to), azimuthDeg)).toBeLessThan(1e-3);
    }),
  );
});

test.each([
  ['north', [0, 1], 0],
  ['east', [1, 0], 90],
  ['south', [0, -1], 180],
  ['west', [-1, 0], 270],
] as const)('%s of the origin is at its azimuth', (_name, to, expected) => {
  expect(bearingDeg([0, 0], to)).toBeCloseTo(expected, 9);
});

test('a local frame returns to the point it came from', () => {
  fc.assert(
    fc.property(lonLat(10), metres(5_000), azimuth, (origin, lengthM, azimuthDeg) => {
      const frame = createLocalFrame(origin);
      const point = destination(origin, azimuthDeg, lengthM);
      expect(distanceM(frame.toLonLat(frame.toLocal(point)), point)).toBeLessThan(1e-3);
    }),
  );
});

test('a local frame measures what the great circle measures, to 1 part in 1,000 within 1 km up to 80 degrees', () => {
  fc.assert(
    fc.property(lonLat(10), metres(1_000), azimuth, (origin, lengthM, azimuthDeg) => {
      const { eastM, northM } = createLocalFrame(origin).toLocal(destination(origin, azimuthDeg, lengthM));
      expect(Math.abs(Math.hypot(eastM, northM) - lengthM)).toBeLessThanOrEqual(lengthM * 1e-3);
    }),
  );
});
