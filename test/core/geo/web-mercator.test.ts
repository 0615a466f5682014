import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bounds, containsPoint, intersects } from '#core/geo/bounds.ts';
import {
  isMapTile,
  MAX_LATITUDE_DEG,
  mapTileAt,
  mapTileBounds,
  mapTilesIn,
  metresPerPixel,
  toWorld,
} from '#core/geo/web-mercator.ts';
import { lonLat } from './geo.arbitraries.ts';

const zoom = fc.integer({ min: 0, max: 22 });

describe('a map tile', () => {
  test('exists for every point, also at longitude 180 and beyond the square map', () => {
    fc.assert(fc.property(lonLat(), zoom, (point, z) => isMapTile(mapTileAt(point, z))));
    expect(mapTileAt([180, 0], 3)).toEqual({ z: 3, x: 7, y: 4 });
    expect(mapTileAt([-180, 0], 3)).toEqual({ z: 3, x: 0, y: 4 });
    expect(mapTileAt([0, 90], 3).y).toBe(0);
    expect(mapTileAt([0, -90], 3).y).toBe(7);
  });

  test('holds the point that it was asked for', () => {
    fc.assert(
      fc.property(lonLat(5), fc.integer({ min: 0, max: 18 }), (point, z) => {
        const { west, south, east, north } = mapTileBounds(mapTileAt(point, z));
        const slack = 1e-9;
        expect(
          containsPoint({ west: west - slack, south: south - slack, east: east + slack, north: north + slack }, point),
        ).toBe(true);
      }),
    );
  });

  test.each([0, 1, 2, 3])(
    'exhaustively at zoom %i: the middle of a tile is in that tile, and the tiles fill the map',
    (z) => {
      const count = 2 ** z;
      for (let x = 0; x < count; x++) {
        for (let y = 0; y < count; y++) {
          const b = mapTileBounds({ z, x, y });
          expect(mapTileAt([(b.west + b.east) / 2, (b.south + b.north) / 2], z)).toEqual({ z, x, y });
          if (x + 1 < count) expect(mapTileBounds({ z, x: x + 1, y }).west).toBe(b.east);
          if (y + 1 < count) expect(mapTileBounds({ z, x, y: y + 1 }).north).toBe(b.south);
        }
      }
      expect(mapTileBounds({ z, x: 0, y: 0 }).north).toBeCloseTo(MAX_LATITUDE_DEG, 9);
    },
  );

  test.each([
    [0, 1, 0],
    [1, 2, 0],
    [1, 0, 2],
    [3, -1, 0],
    [-1, 0, 0],
    [2, 0.5, 0],
    [25, 0, 0],
    [Number.NaN, 0, 0],
  ])('%d/%d/%d does not exist', (z, x, y) => {
    expect(isMapTile({ z, x, y })).toBe(false);
  });

  test('a pixel of zoom 0 is 156543.034 m at the equator and half of that at 60 degrees', () => {
    expect(metresPerPixel(0, 0)).toBeCloseTo(156_543.03392, 4);
    expect(metresPerPixel(60, 0)).toBeCloseTo(156_543.03392 / 2, 4);
    expect(metresPerPixel(0, 18)).toBeCloseTo(0.59716, 4);
  });

  test('the known corner tile of the world square', () => {
    expect(toWorld([0, 0])).toEqual({ x: 0.5, y: 0.5 });
    expect(mapTileAt([24.9384, 60.1699], 12)).toEqual({ z: 12, x: 2331, y: 1185 });
  });
});

describe('the tiles in bounds', () => {
  test('are all tiles of the zoom for the world', () => {
    const world: Bounds = { west: -180, south: -90, east: 180, north: 90 };
    expect([...mapTilesIn(world, 2)]).toHaveLength(16);
  });

  test('of exactly one tile are that tile', () => {
    const tile = { z: 14, x: 8192, y: 8191 };
    expect([...mapTilesIn(mapTileBounds(tile), 14)]).toEqual([tile]);
  });

  test('across the antimeridian lie on both sides of it', () => {
    const tiles = [...mapTilesIn({ west: 170, south: 1, east: -170, north: 2 }, 5)];
    expect(tiles.map((tile) => tile.x)).toEqual([31, 0]);
  });

  test('each intersect the bounds, and together hold every corner', () => {
    const box = fc.tuple(lonLat(20), fc.double({ min: 0.001, max: 3, noNaN: true })).map(([[lon, lat], size]) => {
      const west = Math.min(lon, 176);
      return { west, south: lat, east: west + size, north: lat + size };
    });
    fc.assert(
      fc.property(box, fc.integer({ min: 0, max: 8 }), (b, z) => {
        const tiles = [...mapTilesIn(b, z)];
        for (const tile of tiles) expect(intersects(mapTileBounds(tile), b)).toBe(true);
        const inner: [number, number][] = [
          [b.west, b.north],
          [(b.west + b.east) / 2, (b.south + b.north) / 2],
        ];
        for (const point of inner) expect(tiles).toContainEqual(mapTileAt(point, z));
      }),
    );
  });
});
