import fc from 'fast-check';
import { expect, test } from 'vitest';
import { angleBetweenDeg, METRES_PER_DEGREE, wrap180, wrap360 } from '#core/geo/units.ts';

const angle = fc.double({ min: -1e6, max: 1e6, noNaN: true });

test('a heading lies in [0, 360) and a longitude in [-180, 180)', () => {
  fc.assert(
    fc.property(angle, (deg) => {
      expect(wrap360(deg)).toBeGreaterThanOrEqual(0);
      expect(wrap360(deg)).toBeLessThan(360);
      expect(wrap180(deg)).toBeGreaterThanOrEqual(-180);
      expect(wrap180(deg)).toBeLessThan(180);
    }),
  );
});

test.each([
  [-1e-20, 0],
  [360, 0],
  [-90, 270],
  [725, 5],
])('%d degrees as a heading is %d', (deg, expected) => {
  expect(wrap360(deg)).toBe(expected);
});

test('an angle between two headings is symmetric, at most 180, and blind to whole turns', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 359 }),
      fc.integer({ min: 0, max: 359 }),
      fc.integer({ min: -3, max: 3 }),
      (a, b, turns) => {
        expect(angleBetweenDeg(a, b)).toBe(angleBetweenDeg(b, a));
        expect(angleBetweenDeg(a, b + 360 * turns)).toBe(angleBetweenDeg(a, b));
        expect(angleBetweenDeg(a, b)).toBeLessThanOrEqual(180);
      },
    ),
  );
  expect(angleBetweenDeg(350, 10)).toBe(20);
});

test('a degree of latitude is 111.195 km on the sphere of 6,371,004 m', () => {
  expect(METRES_PER_DEGREE).toBeCloseTo(111_194.996, 2);
});
