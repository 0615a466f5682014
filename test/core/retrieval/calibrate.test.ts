import { beforeAll, describe, expect, test } from 'vitest';
import { containsPoint } from '#core/geo/bounds.ts';
import { distanceM } from '#core/geo/great-circle.ts';
import { wrap360 } from '#core/geo/units.ts';
import type { Calibration } from '#core/inference/manifest.ts';
import { CalibrationSchema } from '#core/inference/manifest.ts';
import { calibrationFor, judge } from '#core/retrieval/answer.ts';
import { type CalibrationSample, type FittedCalibration, fitCalibration } from '#core/retrieval/calibrate.ts';
import { galleryOf, MODEL, randomOf, type SimulatedTile, simulateQuery, TILE_M } from './simulated-search.ts';

const BASE: Calibration = {
  source: 'none',
  temperature: 0.05,
  notHereSimilarity: 0.5,
  matchedMinProbability: 0.6,
  ambiguousMinProbability: 0.3,
  tileSigmaM: 14,
  radiusScale: 1,
  profiles: {},
  headingSigmaDeg: 12,
};

const GALLERY = galleryOf(30);
const OPTIONS = { base: BASE, metresPerTile: TILE_M, source: 'a simulation' };

interface Draw {
  readonly count: number;
  readonly seed: number;
  readonly outside?: boolean;
  readonly priorM?: number;
  readonly gallery?: readonly SimulatedTile[];
  readonly model?: typeof MODEL;
}

function draw({ count, seed, gallery = GALLERY, ...options }: Draw): CalibrationSample[] {
  const random = randomOf(seed);
  return Array.from({ length: count }, () => simulateQuery(random, { gallery, ...options }));
}

interface Measured {
  readonly matched: number;
  readonly right: number;
  readonly covered: number;
  readonly medianErrorM: number;
  /** Mean of the probabilities that the matched answers state. */
  readonly stated: number;
}

/** Shares: matched of all, the others of the matched. */
function measure(samples: readonly CalibrationSample[], calibration: Calibration): Measured {
  let [matched, right, covered, stated] = [0, 0, 0, 0];
  const errors: number[] = [];
  for (const sample of samples) {
    const { status, place, radiusM } = judge(sample, {
      calibration: calibrationFor(calibration, 'panorama'),
      metresPerTile: TILE_M,
      confidence: 0.68,
      headingSigmaDeg: calibration.headingSigmaDeg,
    });
    if (status !== 'matched' || place === undefined) continue;
    matched += 1;
    stated += place.probability;
    if (sample.truth === 'outside') continue;
    const error = distanceM(place.location, sample.truth);
    errors.push(error);
    const strongest = sample.hits[place.members[0] ?? -1];
    if (strongest !== undefined && containsPoint(strongest.bounds, sample.truth)) right += 1;
    if (error <= radiusM) covered += 1;
  }
  return {
    matched: matched / samples.length,
    right: right / matched,
    covered: covered / matched,
    stated: stated / matched,
    medianErrorM: errors.sort((a, b) => a - b)[Math.floor(errors.length / 2)] ?? Number.NaN,
  };
}

describe('a calibration that is fitted to simulated searches', () => {
  let fitted: FittedCalibration;
  beforeAll(() => {
    fitted = fitCalibration(
      [...draw({ count: 400, seed: 1 }), ...draw({ count: 250, seed: 2, outside: true })],
      OPTIONS,
    );
  });

  test('keeps on fresh queries what it promises: right answers, metres, radius, and few matches from outside', () => {
    const inside = measure(draw({ count: 800, seed: 3 }), fitted.calibration);
    expect(inside.matched).toBeGreaterThan(0.25);
    expect(inside.right).toBeGreaterThanOrEqual(0.8);
    expect(inside.medianErrorM).toBeLessThanOrEqual(25);
    expect(inside.covered).toBeGreaterThanOrEqual(0.6);
    expect(inside.covered).toBeLessThanOrEqual(0.76);
    const outside = measure(draw({ count: 500, seed: 4, outside: true }), fitted.calibration);
    expect(outside.matched).toBeLessThanOrEqual(0.1);
  });

  test('states probabilities that come true', () => {
    const { stated, right } = measure(draw({ count: 800, seed: 5 }), fitted.calibration);
    expect(Math.abs(stated - right)).toBeLessThan(0.1);
  });

  test.each([
    ['a prior of 300 m', { priorM: 300 }, GALLERY],
    ['a prior of 100 m', { priorM: 100 }, GALLERY],
    ['a gallery four times as large', {}, galleryOf(60)],
  ])('stays honest under %s, which it was not fitted to', (_name, prior, gallery) => {
    const inside = measure(draw({ count: 400, seed: 6, gallery, ...prior }), fitted.calibration);
    const outside = measure(draw({ count: 400, seed: 7, gallery, outside: true, ...prior }), fitted.calibration);
    expect(inside.right).toBeGreaterThanOrEqual(0.8);
    expect(outside.matched).toBeLessThanOrEqual(0.1);
  });

  test('matches more with a prior than without', () => {
    const free = measure(draw({ count: 400, seed: 8 }), fitted.calibration);
    const near = measure(draw({ count: 400, seed: 8, priorM: 100 }), fitted.calibration);
    expect(near.matched).toBeGreaterThan(free.matched + 0.1);
  });

  test('reports what it reached, and can be stored', () => {
    expect(fitted.reports).toHaveLength(1);
    const [report] = fitted.reports;
    expect(report).toMatchObject({ profile: 'panorama', inside: 400, outside: 250, reachesTargets: true });
    expect((report?.right ?? 0) / (report?.matched ?? 1)).toBeGreaterThanOrEqual(0.84);
    expect((report?.falseMatched ?? 250) / 250).toBeLessThanOrEqual(0.08);
    expect(report?.coverage).toBeCloseTo(0.68, 1);
    expect(CalibrationSchema.parse(JSON.parse(JSON.stringify(fitted.calibration)))).toEqual(fitted.calibration);
    expect(fitted.calibration.source).toBe('a simulation');
  });

  test('gives kinds of queries without samples the numbers of the one that was fitted', () => {
    const { profiles, temperature } = fitted.calibration;
    expect(Object.keys(profiles)).toEqual(['panorama']);
    expect(temperature).toBe(profiles.panorama?.temperature);
    expect(calibrationFor(fitted.calibration, 'photo')).toEqual(calibrationFor(fitted.calibration, 'panorama'));
  });
});

describe('a calibration', () => {
  test('does not depend on how many of the samples are from outside', () => {
    const inside = draw({ count: 200, seed: 11 });
    const few = fitCalibration([...inside, ...draw({ count: 60, seed: 12, outside: true })], OPTIONS).calibration;
    const many = fitCalibration([...inside, ...draw({ count: 400, seed: 12, outside: true })], OPTIONS).calibration;
    expect(Math.abs(few.notHereSimilarity - many.notHereSimilarity)).toBeLessThan(0.03);
  });

  test('matches next to nothing with a model that cannot tell places apart', () => {
    const model = { ...MODEL, signal: [0.3, 0.32] as const };
    const samples = [...draw({ count: 150, seed: 13, model }), ...draw({ count: 150, seed: 14, model, outside: true })];
    const { calibration, reports } = fitCalibration(samples, OPTIONS);
    expect(reports[0]).toMatchObject({ reachesTargets: false, targets: undefined });
    expect(measure(draw({ count: 200, seed: 15, model }), calibration).matched).toBeLessThan(0.02);
  });

  test('leaves the defaults where there are too few samples, from inside or from outside', () => {
    const few = fitCalibration(
      [...draw({ count: 100, seed: 16 }), ...draw({ count: 10, seed: 17, outside: true })],
      OPTIONS,
    );
    expect(few.reports).toEqual([]);
    expect(few.calibration).toEqual({ ...BASE, source: 'a simulation' });
    expect(fitCalibration([], OPTIONS).reports).toEqual([]);
  });

  test('learns how far headings are off from right answers, whatever the half that is turned round', () => {
    const random = randomOf(21);
    const found = [...draw({ count: 300, seed: 18 }), ...draw({ count: 60, seed: 19, outside: true })];
    const samples = found.map((sample, i): CalibrationSample => {
      const trueDeg = 360 * random();
      const wrongBy = i % 5 === 0 ? 180 : 16 * (random() + random() + random() - 1.5); // a spread of 8 degrees
      const bank = bankTowards(wrap360(trueDeg + wrongBy));
      return { ...sample, hits: sample.hits.map((hit) => ({ ...hit, bank })), headingDeg: trueDeg };
    });
    const { headingSigmaDeg } = fitCalibration(samples, OPTIONS).calibration;
    expect(headingSigmaDeg).toBeGreaterThan(5);
    expect(headingSigmaDeg).toBeLessThan(16);
  });
});

function bankTowards(headingDeg: number): Float32Array {
  return Float32Array.from({ length: 8 }, (_, row) => Math.cos(((45 * row - headingDeg) * Math.PI) / 180));
}
