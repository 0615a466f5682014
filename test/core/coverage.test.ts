import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { coveredRectangles, type Rectangle } from '#core/coverage.ts';

const rectangle = fc
  .tuple(
    fc.integer({ min: -8, max: 8 }),
    fc.integer({ min: -8, max: 8 }),
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 1, max: 6 }),
  )
  .map(([west, south, width, height]): Rectangle => [west, south, west + width, south + height]);

const holds = ([west, south, east, north]: Rectangle, lon: number, lat: number): boolean =>
  lon > west && lon < east && lat > south && lat < north;

describe('the ground that tiles cover', () => {
  test('is covered once, wherever a tile lies, and nowhere else', () => {
    fc.assert(
      fc.property(fc.array(rectangle, { maxLength: 12 }), (tiles) => {
        const covered = coveredRectangles(Float64Array.from(tiles.flat()));
        for (let lon = -8.5; lon < 15; lon++) {
          for (let lat = -8.5; lat < 15; lat++) {
            const expected = tiles.some((tile) => holds(tile, lon, lat)) ? 1 : 0;
            expect(covered.filter((found) => holds(found, lon, lat))).toHaveLength(expected);
          }
        }
      }),
    );
  });

  test('is one rectangle for a grid of tiles that overlap by half', () => {
    const bounds = [];
    for (let row = 0; row < 20; row++) {
      for (let column = 0; column < 20; column++) {
        bounds.push(column * 0.0003, row * 0.0003, column * 0.0003 + 0.0006, row * 0.0003 + 0.0006);
      }
    }
    expect(coveredRectangles(Float64Array.from(bounds))).toEqual([[0, 0, 0.0063, 0.0063]]);
  });

  test('is cut at the antimeridian', () => {
    expect(coveredRectangles(Float64Array.from([179.5, 0, -179, 1])).sort()).toEqual([
      [-180, 0, -179, 1],
      [179.5, 0, 180, 1],
    ]);
  });

  test('is nothing for no tile', () => {
    expect(coveredRectangles(new Float64Array(0))).toEqual([]);
  });
});
