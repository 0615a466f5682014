import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LonLat } from '#core/geo/units.ts';
import type { Region } from '#core/retrieval/region.ts';
import { countTiles, withoutTwins } from '#core/retrieval/shared-ground.ts';
import { at, memoryRegion } from './memory-region.ts';

const QUERY = Float32Array.of(1, 0, 0, 0);
const STEP_M = 35;
const SIDE = 6;

/** 6 x 6 tiles that overlap by half, the south-western one so many metres east and north of a place. */
function grid(id: string, { eastM = 0, northM = 0, origin = [24, 60] as LonLat } = {}): Region {
  const tiles = Array.from({ length: SIDE * SIDE }, (_, i) => ({
    id: `${id}-${i}`,
    centre: at(eastM + (i % SIDE) * STEP_M, northM + Math.floor(i / SIDE) * STEP_M, origin),
    similarities: [0.5],
  }));
  return memoryRegion(QUERY, { id, tiles });
}

const scopesOf = (...regions: Region[]) => regions.map((region) => ({ region }));
const hitsOf = (...regions: Region[]) =>
  regions.flatMap((region) => Array.from({ length: region.tiles.count }, (_, tile) => ({ region, tile })));

describe('regions over the same ground', () => {
  test('count once, wherever the second one’s grid begins, on any side of any meridian', async () => {
    const offset = fc.double({ min: -STEP_M / 2, max: STEP_M / 2, noNaN: true });
    const origin = fc.constantFrom<LonLat>([24, 60], [179.9999, 0], [-180, -45], [0, 75]);
    await fc.assert(
      fc.asyncProperty(offset, offset, origin, async (eastM, northM, place) => {
        const [first, second] = [grid('first', { origin: place }), grid('second', { eastM, northM, origin: place })];
        expect(await countTiles(scopesOf(first, second))).toBe(SIDE * SIDE);
        expect(await countTiles(scopesOf(second, first, second))).toBe(SIDE * SIDE);
        const kept = withoutTwins(hitsOf(first, second));
        expect(kept).toEqual(hitsOf(first));
      }),
      { numRuns: 60 },
    );
  });

  test('count what they do not share: a part of the other, of the prior, and none of one that lies elsewhere', async () => {
    const first = grid('first');
    const beside = grid('beside', { eastM: 4 * STEP_M }); // shares two columns
    expect(await countTiles(scopesOf(first, beside))).toBe(2 * SIDE * SIDE - 2 * SIDE);
    expect(withoutTwins(hitsOf(first, beside))).toHaveLength(2 * SIDE * SIDE - 2 * SIDE);
    // of the second one its first row alone
    const row = Int32Array.from({ length: SIDE }, (_, i) => i);
    expect(await countTiles([{ region: first }, { region: beside, tiles: row }])).toBe(SIDE * SIDE + SIDE - 2);
    expect(await countTiles(scopesOf(first, grid('far', { northM: 5_000 })))).toBe(2 * SIDE * SIDE);
  });

  test('keep the better of two tiles, and every tile of one region', () => {
    const [first, second] = [grid('first'), grid('second', { eastM: 10 })];
    const better = [
      { region: second, tile: 3 },
      { region: first, tile: 3 },
      { region: first, tile: 4 },
      { region: second, tile: 4 },
    ];
    expect(withoutTwins(better)).toEqual([better[0], better[2]]);
    expect(withoutTwins(hitsOf(first))).toHaveLength(SIDE * SIDE);
  });
});
