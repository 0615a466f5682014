import { describe, expect, test } from 'vitest';
import { neighboursOf, smoothingOf, smoothOverNeighbours } from '#core/regions/neighbour-smoothing.ts';
import { squareAt } from './imagery.fixtures.ts';

/** Half-overlapping tiles, row by row, at a latitude where a degree of longitude is half as long. */
const grid = (columns: number, rows: number) =>
  Array.from({ length: columns * rows }, (_, i) => ({
    bounds: squareAt((i % columns) * 35, Math.floor(i / columns) * 35, 70, [179.9999, 60]),
  }));

describe('neighbours', () => {
  test('of half-overlapping tiles are the four beside, not those across the corner', () => {
    const near = neighboursOf(grid(3, 3), smoothingOf(70).neighbourReachM);
    expect(near[4]).toEqual([1, 3, 5, 7]);
    expect(near[0]).toEqual([1, 3]);
  });

  test('of a tile that stands alone are none', () => {
    expect(neighboursOf(grid(1, 1), 42)).toEqual([[]]);
    expect(neighboursOf([], 42)).toEqual([]);
  });
});

describe('smoothing', () => {
  const vectors = Float32Array.of(1, 0, 0, 1, 0, 1, 1, 0); // two tiles, two orientations, width 2

  test('adds the neighbours at the same orientation and keeps unit length', () => {
    const smoothed = smoothOverNeighbours(vectors, { neighbours: [[1], []], width: 2, headings: 2, weight: 0.5 });
    const length = Math.hypot(1, 0.5);
    expect([...smoothed]).toEqual([1 / length, 0.5 / length, 0.5 / length, 1 / length, 0, 1, 1, 0].map(Math.fround));
  });

  test('with weight 0 changes nothing', () => {
    const same = smoothOverNeighbours(vectors, { neighbours: [[1], [0]], width: 2, headings: 2, weight: 0 });
    expect(same).toEqual(vectors);
  });
});
