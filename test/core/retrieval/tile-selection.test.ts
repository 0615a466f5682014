import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bounds, centreOf, containsPoint, intersects, unionOf } from '#core/geo/bounds.ts';
import { type Prior, priorTouches } from '#core/geo/prior.ts';
import { type LonLat, wrap180 } from '#core/geo/units.ts';
import type { RegionTiles } from '#core/retrieval/region.ts';
import { partInside, rectangleAround, tilesTouched } from '#core/retrieval/tile-selection.ts';
import { bounds, lonLat } from '../geo/geo.arbitraries.ts';

function regionOf(list: readonly Bounds[]): { tiles: RegionTiles; bounds: Bounds } {
  const tiles = {
    count: list.length,
    ids: list.map((_, i) => `t${i}`),
    bounds: Float64Array.from(list.flatMap(({ west, south, east, north }) => [west, south, east, north])),
  };
  return { tiles, bounds: unionOf(list) ?? { west: 0, south: 0, east: 0, north: 0 } };
}

/** A 10 x 10 grid of tiles of a hundredth of a degree from a corner. */
function gridAt([lon, lat]: LonLat): Bounds[] {
  return Array.from({ length: 100 }, (_, i) => {
    const [west, south] = [wrap180(lon + 0.01 * (i % 10)), lat + 0.01 * Math.floor(i / 10)];
    return { west, south, east: wrap180(west + 0.01), north: south + 0.01 };
  });
}

const circle = fc
  .tuple(lonLat(), fc.double({ min: 1, max: 20_000_000, noNaN: true }))
  .map(([center, radiusM]): Prior => ({ type: 'circle', center, radiusM }));
const bbox = bounds(60).map(
  ({ west, south, east, north }): Prior => ({ type: 'bbox', bbox: [west, south, east, north] }),
);
const polygon = fc
  .tuple(
    lonLat(5),
    fc.array(fc.tuple(fc.double({ min: -5, max: 5, noNaN: true }), fc.double({ min: -4, max: 4, noNaN: true })), {
      minLength: 3,
      maxLength: 8,
    }),
    fc.boolean(),
  )
  .map(([[lon, lat], corners, wraps]): Prior => {
    const ring = corners.map(([x, y]): LonLat => [wraps ? wrap180(lon + x) : lon + x, lat + y]);
    return { type: 'Polygon', coordinates: [[...ring, ring[0] ?? [0, 0]]] };
  });
const prior = fc.oneof(circle, bbox, polygon);

describe('the tiles that a prior touches', () => {
  test('are those that it touches one by one, for circles, boxes and polygons anywhere', async () => {
    const near = prior.chain((some) => {
      const { west, south, east, north } = rectangleAround(some);
      const [lon, lat] = centreOf({ west, south, east, north });
      const corner = fc.oneof(
        lonLat(1),
        fc.constant<LonLat>([wrap180(west - 0.05), Math.max(-89, Math.min(89, south))]),
        fc.constant<LonLat>([wrap180(east - 0.05), Math.max(-89, Math.min(89, north))]),
        fc.constant<LonLat>([lon, Math.max(-89, Math.min(89, lat))]),
      );
      return fc.tuple(fc.constant(some), corner);
    });
    await fc.assert(
      fc.asyncProperty(near, async ([some, corner]) => {
        const grid = gridAt(corner);
        const touched = await tilesTouched(regionOf(grid), some);
        const expected = grid.flatMap((tile, i) => (priorTouches(some, tile) ? [i] : []));
        expect(touched === undefined ? grid.map((_, i) => i) : [...touched]).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test('are all, named by nothing, when it touches all; and none when it is elsewhere', async () => {
    const region = regionOf(gridAt([10, 10]));
    expect(await tilesTouched(region, { type: 'circle', center: [10, 10], radiusM: 100_000 })).toBeUndefined();
    expect(await tilesTouched(region, { type: 'circle', center: [-10, 10], radiusM: 100_000 })).toHaveLength(0);
  });

  test('lets go of a long selection when the caller goes away', async () => {
    const ring = Array.from({ length: 2_000 }, (_, i): LonLat => {
      const angle = (2 * Math.PI * i) / 2_000;
      return [10.05 + 0.04 * Math.cos(angle), 10.05 + 0.04 * Math.sin(angle)];
    });
    const some: Prior = { type: 'Polygon', coordinates: [[...ring, ring[0] ?? [0, 0]]] };
    const selecting = tilesTouched(regionOf(gridAt([10, 10])), some, AbortSignal.abort(new Error('hung up')));
    await expect(selecting).rejects.toMatchObject({ code: 'CANCELED' });
  });
});

describe('the rectangle around a prior', () => {
  test('meets every tile that the prior touches', () => {
    fc.assert(
      fc.property(prior, bounds(1), (some, tile) => {
        if (priorTouches(some, tile)) expect(intersects(rectangleAround(some), tile)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['a circle round a pole', { type: 'circle', center: [30, 89.9], radiusM: 50_000 }],
    [
      'a polygon over the antimeridian',
      {
        type: 'Polygon',
        coordinates: [
          [
            [179, 0],
            [-179, 0],
            [-179, 1],
            [179, 0],
          ],
        ],
      },
    ],
    [
      'a polygon beyond 180',
      {
        type: 'Polygon',
        coordinates: [
          [
            [179, 0],
            [181, 0],
            [181, 1],
            [179, 0],
          ],
        ],
      },
    ],
  ] satisfies [string, Prior][])('goes round the world for %s', (_name, some) => {
    expect(rectangleAround(some)).toMatchObject({ west: -180, east: 180 });
  });
});

describe('the part of a tile inside a rectangle', () => {
  test('lies in both, for tiles that meet it', () => {
    fc.assert(
      fc.property(bounds(1), bounds(30), (tile, other) => {
        const part = partInside(tile, other);
        expect(containsPoint({ ...tile, west: tile.west - 1e-9, east: tile.east + 1e-9 }, centreOf(part))).toBe(true);
        if (intersects(tile, other)) {
          const [lon, lat] = centreOf(part);
          const wide = {
            west: other.west - 1e-9,
            south: other.south - 1e-9,
            east: other.east + 1e-9,
            north: other.north + 1e-9,
          };
          expect(containsPoint(wide, [lon, lat])).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  test('is cut across the antimeridian', () => {
    const part = partInside(
      { west: 179.9, south: 0, east: -179.9, north: 1 },
      { west: 179.95, south: 0.5, east: -170, north: 2 },
    );
    expect(part.west).toBeCloseTo(179.95, 9);
    expect(part.east).toBeCloseTo(-179.9, 9);
    expect([part.south, part.north]).toEqual([0.5, 1]);
  });
});
