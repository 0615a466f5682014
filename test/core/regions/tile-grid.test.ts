import { describe, expect, test } from 'vitest';
import { centreOf } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import { heightM, widthM } from '#core/regions/imagery-source.ts';
import { planTiles } from '#core/regions/tile-grid.ts';
import { imageOf, painted, squareAt } from './imagery.fixtures.ts';

const pixels = painted(4, () => [0, 0, 0]);
const options = { tileM: 70, overlap: 0.5, recut: false } as const;

test('images of a tile’s size are the tiles', () => {
  const images = [imageOf('a', squareAt(0, 0, 70), pixels), imageOf('b', squareAt(35, 0, 70.5), pixels)];
  expect(planTiles(images, options).map(({ id, image }) => [id, image?.id])).toEqual([
    ['a', 'a'],
    ['b', 'b'],
  ]);
});

describe('a larger image is cut', () => {
  const [image] = [imageOf('city', squareAt(-100, -100, 200, [24.9, 60.2]), pixels)];

  test('into half-overlapping squares about its middle', () => {
    const tiles = planTiles([image], options);
    const frame = createLocalFrame([24.9, 60.2]);
    expect(tiles).toHaveLength(16);
    expect(new Set(tiles.map(({ id }) => id)).size).toBe(16);
    const eastings = new Set(tiles.map(({ bounds }) => Math.round(frame.toLocal(centreOf(bounds)).eastM * 10) / 10));
    expect([...eastings].sort((a, b) => a - b)).toEqual([-52.5, -17.5, 17.5, 52.5]);
    for (const { bounds } of tiles) {
      expect(heightM(bounds)).toBeCloseTo(70, 3);
      expect(widthM(bounds) / 70).toBeCloseTo(1, 3);
    }
  });

  test('without overlap when that is asked', () => {
    expect(planTiles([image], { ...options, overlap: 0 })).toHaveLength(4);
  });

  test('only where the area wants tiles', () => {
    const { west, south, north } = image.bounds;
    const area = { type: 'bbox', bbox: [west, south, 24.9, north] } as const;
    expect(planTiles([image], { ...options, area })).toHaveLength(8);
    const elsewhere = { type: 'bbox', bbox: [1, 1, 2, 2] } as const;
    expect(() => planTiles([image], { ...options, area: elsewhere })).toThrow(/area/);
  });
});

test('an image smaller than a tile makes one tile', () => {
  expect(planTiles([imageOf('a', squareAt(0, 0, 50), pixels)], options)).toHaveLength(1);
});

test('images that overlap do not make the same tile twice', () => {
  const twice = [imageOf('a', squareAt(0, 0, 200), pixels), imageOf('b', squareAt(1, 1, 200), pixels)];
  expect(planTiles(twice, options)).toHaveLength(16);
});
