import { describe, expect, test } from 'vitest';
import { centreOf } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import { heightM, widthM } from '#core/regions/raster.ts';
import { planTiles } from '#core/regions/tile-grid.ts';
import { imageOf, painted, squareAt } from './imagery.fixtures.ts';

const pixels = painted(4, () => [0, 0, 0]);
const options = { tileM: 70, overlap: 0.5, recut: false } as const;

test('images of a tile’s size are the tiles', () => {
  const images = [imageOf('a', squareAt(0, 0, 70), pixels), imageOf('b', squareAt(35, 0, 70.5), pixels)];
  expect(planTiles(images, options).tiles.map(({ id, image }) => [id, image?.id])).toEqual([
    ['a', 'a'],
    ['b', 'b'],
  ]);
});

test('the overlap of tiles that come as they are is measured, not assumed', () => {
  const grid = (stepM: number) =>
    Array.from({ length: 9 }, (_, i) =>
      imageOf(`t${i}`, squareAt((i % 3) * stepM, Math.floor(i / 3) * stepM, 70), pixels),
    );
  expect(planTiles(grid(35), options).overlap).toBe(0.5);
  expect(planTiles(grid(70), options).overlap).toBe(0);
  expect(planTiles(grid(500), options).overlap).toBe(0);
});

test('images of a tile’s size are cut all the same when that is asked', () => {
  const images = [imageOf('a', squareAt(0, 0, 70), pixels)];
  const [tile] = planTiles(images, { ...options, tileM: 35, overlap: 0, recut: true }).tiles;
  expect(tile).toMatchObject({ id: 'a_r000_c000' });
  expect(tile?.image).toBeUndefined();
});

test('a polygon keeps the tiles whose centre lies in it', () => {
  const images = Array.from({ length: 9 }, (_, i) =>
    imageOf(`t${i}`, squareAt((i % 3) * 35 - 70, Math.floor(i / 3) * 35 - 70, 70), pixels),
  );
  const corners = [squareAt(-40, -40, 1), squareAt(10, -40, 1), squareAt(-40, 10, 1), squareAt(-40, -40, 1)];
  const area = { type: 'Polygon', coordinates: [corners.map(({ west, south }) => [west, south] as const)] } as const;
  // the triangle holds the middles at (-35, -35), (0, -35) and (-35, 0)
  expect(planTiles(images, { ...options, area }).tiles.map(({ id }) => id)).toEqual(['t0', 't1', 't3']);
});

describe('a larger image is cut', () => {
  const [image] = [imageOf('city', squareAt(-100, -100, 200, [24.9, 60.2]), pixels)];

  test('into squares that overlap by half or more and reach its edges', () => {
    const { tiles, overlap } = planTiles([image], options);
    expect(overlap).toBe(0.5);
    const frame = createLocalFrame([24.9, 60.2]);
    expect(tiles).toHaveLength(25);
    expect(new Set(tiles.map(({ id }) => id)).size).toBe(25);
    const eastings = new Set(tiles.map(({ bounds }) => Math.round(frame.toLocal(centreOf(bounds)).eastM * 10) / 10));
    expect([...eastings].sort((a, b) => a - b)).toEqual([-65, -32.5, 0, 32.5, 65]);
    for (const { bounds } of tiles) {
      expect(heightM(bounds)).toBeCloseTo(70, 3);
      expect(widthM(bounds) / 70).toBeCloseTo(1, 3);
    }
  });

  test('without overlap when that is asked', () => {
    expect(planTiles([image], { ...options, overlap: 0 }).tiles).toHaveLength(9);
  });

  test('only where the area wants tiles', () => {
    const { west, south, north } = image.bounds;
    const area = { type: 'bbox', bbox: [west, south, 24.90001, north] } as const;
    expect(planTiles([image], { ...options, area }).tiles).toHaveLength(15);
    const elsewhere = { type: 'bbox', bbox: [1, 1, 2, 2] } as const;
    expect(() => planTiles([image], { ...options, area: elsewhere })).toThrow(/area/);
  });
});

test('an image smaller than a tile makes one tile', () => {
  expect(planTiles([imageOf('a', squareAt(0, 0, 50), pixels)], options).tiles).toHaveLength(1);
});

test('images that overlap do not make the same tile twice', () => {
  const twice = [imageOf('a', squareAt(0, 0, 200), pixels), imageOf('b', squareAt(1, 1, 200), pixels)];
  expect(planTiles(twice, options).tiles).toHaveLength(25);
});
