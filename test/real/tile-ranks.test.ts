import { describe, expect, test } from 'vitest';
import { createExactIndex } from '../../src/core/retrieval/vector-index.exact.ts';
import { chanceWithin, rankOf, rankRows, similaritiesOf, tilesCovering, tilesNearest } from './tile-ranks.ts';

describe('the rank of the true place', () => {
  test('is that of the first right tile, and other right tiles before or behind it do not count', () => {
    const similarities = Float64Array.of(0.9, 0.1, 0.7, 0.8, 0.6);
    expect(rankOf([3], similarities)).toBe(2);
    expect(rankOf([3, 2], similarities)).toBe(2);
    expect(rankOf([0, 3], similarities)).toBe(1);
    expect(rankOf([1], similarities)).toBe(5);
  });

  test('is the last one where all tiles are alike, or where none is right', () => {
    expect(rankOf([0, 1], new Float64Array(160).fill(0.5))).toBe(159);
    expect(rankOf([], Float64Array.of(0.3, 0.2))).toBe(3);
  });

  test('counts a tile at its best heading, and at north up alone where the heading is known', async () => {
    const vectors = Float32Array.of(1, 0, 0, 1, 0.6, 0.8, -1, 0); // two tiles at two headings
    const index = createExactIndex({ width: 2, vectors });
    const query = Float32Array.of(0, 1);
    const rounded = async (aligned: boolean) =>
      Array.from(await similaritiesOf([query], { index, headings: 2, aligned }), (value) => Number(value.toFixed(6)));
    expect(await rounded(false)).toEqual([1, 0.8]);
    expect(await rounded(true)).toEqual([0, 0.8]);
    await index.close();
  });
});

test('of overlapping tiles several show a place, and one is nearest unless it lies between them', () => {
  // squares of 0.002 degrees in steps of 0.001, west to east
  const bounds = Float64Array.from([0, 1, 2].flatMap((i) => [i / 1000, 0, (i + 2) / 1000, 0.002]));
  const region = { tiles: { count: 3, ids: ['a', 'b', 'c'], bounds } };
  expect(tilesCovering(region, [0.0021, 0.001])).toEqual([1, 2]);
  expect(tilesNearest(region, [0.0021, 0.001])).toEqual([1]);
  expect(tilesNearest(region, [0.0015, 0.001])).toEqual([0, 1]);
});

test('chance finds 1 of 4 right tiles among 160 first once in 40, and surely when all are looked at', () => {
  expect(chanceWithin(1, { right: 4, all: 160 })).toBeCloseTo(1 / 40, 12);
  expect(chanceWithin(2, { right: 1, all: 4 })).toBeCloseTo(1 / 2, 12);
  expect(chanceWithin(157, { right: 4, all: 160 })).toBe(1);
});

test('the report has recalls in percent and the median rank, with intervals that hold them', () => {
  const rows = rankRows([1, 4, 9, 30, 80], { system: 'any', condition: 'photo' });
  expect(rows.map(({ metric, value, n }) => [metric, value, n])).toEqual([
    ['r1', 20, 5],
    ['r10', 60, 5],
    ['median_rank', 9, 5],
  ]);
  for (const { value, ci95, task, split } of rows) {
    expect([task, split]).toEqual(['retrieval', 'helsinki']);
    expect(ci95[0]).toBeLessThan(value);
    expect(ci95[1]).toBeGreaterThan(value);
  }
});
