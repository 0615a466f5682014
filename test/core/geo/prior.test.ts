import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bounds, centreOf, containsPoint, toPolygon } from '#core/geo/bounds.ts';
import { destination, distanceM } from '#core/geo/great-circle.ts';
import { polygonContains, polygonIntersectsBounds } from '#core/geo/polygon.ts';
import { distanceToBoundsM, priorTouches } from '#core/geo/prior.ts';
import type { LonLat } from '#core/geo/units.ts';
import { bounds, lonLat } from './geo.arbitraries.ts';

const tile: Bounds = { west: 0, south: 0, east: 0.001, north: 0.001 };

describe('a circle', () => {
  test('touches what its edge reaches, and not a metre further', () => {
    for (const azimuth of [0, 90, 180, 270]) {
      const center = destination([0.0005, 0.0005], azimuth, 500);
      const gapM = distanceToBoundsM(center, tile);
      expect(gapM).toBeCloseTo(500 - 55.5975, 2);
      expect(priorTouches({ type: 'circle', center, radiusM: gapM + 0.01 }, tile)).toBe(true);
      expect(priorTouches({ type: 'circle', center, radiusM: gapM - 1 }, tile)).toBe(false);
    }
  });

  test('touches the bounds that hold its centre, whatever its radius', () => {
    fc.assert(
      fc.property(bounds(10), (b) => {
        expect(priorTouches({ type: 'circle', center: centreOf(b), radiusM: 0 }, b)).toBe(true);
      }),
    );
  });

  test('is as far from bounds as from the nearest of many points on their edge', () => {
    fc.assert(
      fc.property(bounds(5), lonLat(1), (b, point) => {
        if (containsPoint(b, point)) return;
        const width = b.east >= b.west ? b.east - b.west : b.east - b.west + 360;
        const edge: LonLat[] = [];
        for (let i = 0; i <= 40; i++) {
          for (const lat of [b.south, b.north]) edge.push([b.west + (width * i) / 40, lat]);
          for (const lon of [b.west, b.east]) edge.push([lon, b.south + ((b.north - b.south) * i) / 40]);
        }
        const sampledM = Math.min(...edge.map((at) => distanceM(point, at)));
        const exactM = distanceToBoundsM(point, b);
        expect(exactM).toBeLessThanOrEqual(sampledM + 1); // near the antipode the haversine keeps 8 digits
        expect(exactM).toBeGreaterThan(sampledM - 20_000); // half a sampling step of 5 degrees / 40
      }),
    );
  });

  test('across the antimeridian reaches the other side', () => {
    const east: Bounds = { west: -180, south: 0, east: -179.999, north: 0.001 };
    expect(priorTouches({ type: 'circle', center: [179.999, 0], radiusM: 120 }, east)).toBe(true);
    expect(priorTouches({ type: 'circle', center: [179.999, 0], radiusM: 100 }, east)).toBe(false);
  });
});

describe('a bbox', () => {
  test('touches tiles inside, beside, and across the antimeridian', () => {
    expect(priorTouches({ type: 'bbox', bbox: [-1, -1, 1, 1] }, tile)).toBe(true);
    expect(priorTouches({ type: 'bbox', bbox: [0.001, 0, 1, 1] }, tile)).toBe(true);
    expect(priorTouches({ type: 'bbox', bbox: [0.0011, 0, 1, 1] }, tile)).toBe(false);
    expect(
      priorTouches({ type: 'bbox', bbox: [179, -1, -179, 1] }, { west: 180, south: 0, east: -179.5, north: 1 }),
    ).toBe(true);
  });
});

describe('a polygon', () => {
  const triangle: LonLat[][] = [
    [
      [0, 0],
      [4, 0],
      [0, 4],
      [0, 0],
    ],
  ];
  const withHole: LonLat[][] = [
    [
      [0, 0],
      [10, 0],
      [10, 10],
      [0, 10],
      [0, 0],
    ],
    [
      [4, 4],
      [6, 4],
      [6, 6],
      [4, 6],
      [4, 4],
    ],
  ];

  test('holds points on its inner side of a slanting edge only', () => {
    expect(polygonContains(triangle, [1, 1])).toBe(true);
    expect(polygonContains(triangle, [2.1, 2.1])).toBe(false);
    expect(polygonIntersectsBounds(triangle, { west: 2.1, south: 2.1, east: 3, north: 3 })).toBe(false);
    expect(polygonIntersectsBounds(triangle, { west: 1.9, south: 1.9, east: 3, north: 3 })).toBe(true);
  });

  test('has nothing in its hole', () => {
    expect(polygonContains(withHole, [5, 5])).toBe(false);
    expect(polygonContains(withHole, [3, 5])).toBe(true);
    expect(polygonIntersectsBounds(withHole, { west: 4.5, south: 4.5, east: 5.5, north: 5.5 })).toBe(false);
    expect(polygonIntersectsBounds(withHole, { west: 3.5, south: 4.5, east: 5.5, north: 5.5 })).toBe(true);
  });

  test('that is smaller than a tile, or larger, or crosses it without a corner inside, touches it', () => {
    expect(polygonIntersectsBounds(triangle, { west: -9, south: -9, east: 9, north: 9 })).toBe(true);
    expect(polygonIntersectsBounds(triangle, { west: 0.5, south: 0.5, east: 0.6, north: 0.6 })).toBe(true);
    const sliver: LonLat[][] = [
      [
        [-5, 0.1],
        [5, 0.1],
        [5, 0.2],
        [-5, 0.1],
      ],
    ];
    expect(polygonIntersectsBounds(sliver, { west: 3, south: 0, east: 4, north: 1 })).toBe(true);
  });

  test('that is a rectangle says what the rectangle says, anywhere on earth', () => {
    fc.assert(
      fc.property(bounds(8), bounds(8), lonLat(10), (a, b, point) => {
        const rings = toPolygon(a).coordinates;
        const asBbox = priorTouches({ type: 'bbox', bbox: [a.west, a.south, a.east, a.north] }, b);
        expect(priorTouches({ type: 'Polygon', coordinates: rings }, b)).toBe(asBbox);
        // shifting by whole turns rounds: what is nearer to an edge than that may fall on either side
        const isNear = (edges: number[], at: number): boolean => edges.some((edge) => Math.abs(edge - at) < 1e-9);
        const onEdge = isNear([a.west, a.east], point[0]) || isNear([a.south, a.north], point[1]);
        if (!onEdge) expect(polygonContains(rings, point)).toBe(containsPoint(a, point));
        expect(polygonContains(rings, centreOf(a))).toBe(true);
      }),
    );
  });

  test('that jumps over the antimeridian is read as crossing it', () => {
    const fiji: LonLat[][] = [
      [
        [177, -20],
        [-178, -20],
        [-178, -12],
        [177, -12],
        [177, -20],
      ],
    ];
    expect(polygonContains(fiji, [179.9, -15])).toBe(true);
    expect(polygonContains(fiji, [-179.9, -15])).toBe(true);
    expect(polygonContains(fiji, [0, -15])).toBe(false);
    expect(polygonIntersectsBounds(fiji, { west: -179, south: -16, east: -178.5, north: -15 })).toBe(true);
    expect(polygonIntersectsBounds(fiji, { west: -10, south: -16, east: 10, north: -15 })).toBe(false);
  });
});
