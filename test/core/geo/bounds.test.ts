import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Bounds,
  centreOf,
  containsPoint,
  intersects,
  nearestPoint,
  toPolygon,
  union,
  unionOf,
  widthDeg,
} from '#core/geo/bounds.ts';
import { wrap180 } from '#core/geo/units.ts';
import { bounds, lonLat } from './geo.arbitraries.ts';

const world: Bounds = { west: -180, south: -90, east: 180, north: 90 };
const fiji: Bounds = { west: 177, south: -20, east: -178, north: -12 };

describe('bounds', () => {
  test('across the antimeridian have a width, a middle and an inside', () => {
    expect(widthDeg(fiji)).toBe(5);
    expect(centreOf(fiji)).toEqual([179.5, -16]);
    expect(containsPoint(fiji, [180, -15])).toBe(true);
    expect(containsPoint(fiji, [-180, -15])).toBe(true);
    expect(containsPoint(fiji, [-179, -15])).toBe(true);
    expect(containsPoint(fiji, [0, -15])).toBe(false);
    expect(containsPoint(fiji, [176.9, -15])).toBe(false);
  });

  test('hold their corners and their centre, and nothing above or below', () => {
    fc.assert(
      fc.property(bounds(20), (b) => {
        for (const lon of [b.west, b.east])
          for (const lat of [b.south, b.north]) expect(containsPoint(b, [lon, lat])).toBe(true);
        expect(containsPoint(b, centreOf(b))).toBe(true);
        expect(containsPoint(b, [b.west, b.north + 1e-6])).toBe(false);
      }),
    );
  });

  test('of the whole world hold every point', () => {
    fc.assert(fc.property(lonLat(), (point) => containsPoint(world, point)));
    expect(widthDeg(world)).toBe(360);
  });

  test('that share a point intersect, whichever is asked', () => {
    fc.assert(
      fc.property(bounds(30), lonLat(1), bounds(5), (a, point, b) => {
        expect(intersects(a, b)).toBe(intersects(b, a));
        const around: Bounds = { west: point[0], east: point[0], south: point[1], north: point[1] };
        expect(intersects(a, around)).toBe(containsPoint(a, point));
        expect(intersects(world, a)).toBe(true);
      }),
    );
  });

  test('that only touch intersect', () => {
    const tile = { west: 0, south: 0, east: 1, north: 1 };
    expect(intersects(tile, { west: 1, south: 0, east: 2, north: 1 })).toBe(true);
    expect(intersects(tile, { west: 1.0001, south: 0, east: 2, north: 1 })).toBe(false);
    expect(intersects(tile, { west: 0, south: 1.0001, east: 1, north: 2 })).toBe(false);
  });

  test('of two places hold both and go the shorter way round', () => {
    fc.assert(
      fc.property(bounds(10), bounds(10), (a, b) => {
        const both = union(a, b);
        expect(widthDeg(both)).toBeLessThanOrEqual(widthDeg(union(b, a)) + 1e-9);
        for (const one of [a, b]) {
          expect(containsPoint(both, centreOf(one))).toBe(true);
          expect(both.south).toBeLessThanOrEqual(one.south);
          expect(both.north).toBeGreaterThanOrEqual(one.north);
          expect(widthDeg(both)).toBeGreaterThanOrEqual(widthDeg(one) - 1e-9);
        }
        expect(widthDeg(both)).toBeLessThanOrEqual(
          Math.min(360, Math.abs(wrap180(centreOf(a)[0] - centreOf(b)[0])) + 20),
        );
      }),
    );
    expect(union({ west: 170, south: 0, east: 175, north: 1 }, { west: -175, south: 0, east: -170, north: 1 })).toEqual(
      {
        west: 170,
        south: 0,
        east: -170,
        north: 1,
      },
    );
  });

  test('of nothing are undefined', () => {
    expect(unionOf([])).toBeUndefined();
    expect(unionOf([fiji])).toEqual(fiji);
  });

  test('as a polygon are a closed counter-clockwise ring', () => {
    const [ring = []] = toPolygon(fiji).coordinates;
    expect(ring).toEqual([
      [177, -20],
      [182, -20],
      [182, -12],
      [177, -12],
      [177, -20],
    ]);
  });
});

describe('the nearest point of a rectangle', () => {
  test('is the point itself inside, and on the edge for one outside, across the antimeridian too', () => {
    expect(nearestPoint(fiji, [179, -15])).toEqual([179, -15]);
    expect(nearestPoint(fiji, [-179, -15])).toEqual([-179, -15]);
    expect(nearestPoint(fiji, [-170, -15])).toEqual([-178, -15]);
    expect(nearestPoint(fiji, [170, 0])).toEqual([177, -12]);
  });
});
