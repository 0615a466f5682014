import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { angleBetweenDeg, toRad } from '#core/geo/units.ts';
import { estimateHeading, type TileBank } from '#core/retrieval/heading.ts';

const OPTIONS = { temperature: 0.05, sigmaDeg: 10 };

/** A tile whose similarities are those of evenly spread headings, from north on. */
function evenly(similarities: readonly number[], weight = 1): TileBank {
  return { weight, headingsDeg: similarities.map((_, i) => (360 / similarities.length) * i), similarities };
}

/** A tile whose similarity has one smooth peak towards a heading, and, if asked, a second one the other way. */
function bankOf(headingDeg: number, { rows = 8, weight = 1, opposite = 0 } = {}): TileBank {
  return evenly(
    Array.from({ length: rows }, (_, row) => similarityAt((360 / rows) * row - headingDeg, opposite)),
    weight,
  );
}

function similarityAt(awayDeg: number, opposite = 0): number {
  const angle = toRad(awayDeg);
  return 0.3 + 0.3 * Math.cos(angle) + opposite * Math.cos(2 * angle);
}

describe('the heading', () => {
  test('is that of row r, 360 r / R, when row r fits best', () => {
    for (let row = 0; row < 8; row++) {
      const similarities = Array.from({ length: 8 }, (_, r) => (r === row ? 0.8 : 0.3));
      expect(estimateHeading([evenly(similarities)], OPTIONS)?.deg).toBeCloseTo(45 * row, 6);
    }
  });

  test('is found between the rows, to a few degrees', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 360, noNaN: true }), fc.constantFrom(8, 12, 16), (headingDeg, rows) => {
        const found = estimateHeading([bankOf(headingDeg, { rows })], OPTIONS);
        expect(angleBetweenDeg(found?.deg ?? Number.NaN, headingDeg)).toBeLessThan(4);
        expect(found?.deg).toBeGreaterThanOrEqual(0);
        expect(found?.deg).toBeLessThan(360);
      }),
    );
  });

  test('is found between headings that are not evenly spread', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 360, noNaN: true }), (headingDeg) => {
        const headingsDeg = [0, 90, 180, 270].flatMap((row) => [row, row + 15, row + 75]);
        const similarities = headingsDeg.map((deg) => similarityAt(deg - headingDeg));
        const found = estimateHeading([{ weight: 1, headingsDeg, similarities }], OPTIONS);
        expect(angleBetweenDeg(found?.deg ?? Number.NaN, headingDeg)).toBeLessThan(8);
      }),
    );
  });

  test('is as accurate as calibration found, when there is one answer', () => {
    const found = estimateHeading([bankOf(100), bankOf(100, { weight: 0.3 })], OPTIONS);
    expect(found?.accuracyDeg).toBeCloseTo(9.9, 0); // 68 % of a Gaussian are within 0.994 sigma
  });

  test('is quite unsure when a street looks the same both ways', () => {
    const found = estimateHeading([evenly([0.6, 0.3, 0.2, 0.3, 0.59, 0.3, 0.2, 0.3])], OPTIONS);
    expect(found?.deg).toBe(0);
    expect(found?.accuracyDeg).toBeGreaterThan(170);
  });

  test('follows the tile that is most probable, and says so when tiles disagree', () => {
    const found = estimateHeading([bankOf(90, { weight: 0.6 }), bankOf(200, { weight: 0.4 })], OPTIONS);
    expect(angleBetweenDeg(found?.deg ?? 0, 90)).toBeLessThan(4);
    expect(found?.accuracyDeg).toBeGreaterThan(90);
  });

  test('averages across north', () => {
    const found = estimateHeading([bankOf(350), bankOf(10)], OPTIONS);
    expect(angleBetweenDeg(found?.deg ?? 180, 0)).toBeLessThan(3);
  });

  test('is not told by tiles that are known in one orientation, or by no tiles', () => {
    expect(estimateHeading([evenly([0.7])], OPTIONS)).toBeUndefined();
    expect(estimateHeading([], OPTIONS)).toBeUndefined();
  });

  test('is somewhere, and unsure, when all rows are equal', () => {
    const found = estimateHeading([evenly(new Array<number>(8).fill(0.4))], OPTIONS);
    expect(found?.accuracyDeg).toBeGreaterThan(100);
  });
});
