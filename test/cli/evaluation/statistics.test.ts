import { describe, expect, test } from 'vitest';
import { bootstrap, calibrationError, createRandom, quantile, wilson } from '../../../src/cli/evaluation/statistics.ts';

describe('wilson', () => {
  test('gives the published interval of 8 in 10', () => {
    const { low, high } = wilson(8, 10);
    expect(low).toBeCloseTo(0.4902, 3);
    expect(high).toBeCloseTo(0.9433, 3);
  });

  test('stays within 0 and 1 and never collapses', () => {
    expect(wilson(0, 20).low).toBe(0);
    expect(wilson(0, 20).high).toBeGreaterThan(0.1);
    expect(wilson(20, 20).high).toBeCloseTo(1, 12);
    expect(wilson(20, 20).low).toBeLessThan(0.9);
  });
});

describe('quantile', () => {
  test('interpolates between the two nearest values', () => {
    expect(quantile([4, 1, 3, 2], 0.5)).toBe(2.5);
    expect(quantile([10, 20, 30], 0.95)).toBeCloseTo(29, 9);
    expect(quantile([7], 0.68)).toBe(7);
    expect(quantile([100, 9], 0)).toBe(9); // by value, not by its digits
  });
});

describe('bootstrap', () => {
  const values = Array.from({ length: 200 }, (_, i) => i);
  const median = (sample: readonly number[]) => quantile(sample, 0.5);

  test('holds the statistic and repeats itself', () => {
    const interval = bootstrap(values, median);
    expect(interval).toEqual(bootstrap(values, median));
    expect(interval.low).toBeLessThan(99.5);
    expect(interval.high).toBeGreaterThan(99.5);
  });

  test('is as wide as theory says for a mean', () => {
    const mean = (sample: readonly number[]) => sample.reduce((sum, value) => sum + value, 0) / sample.length;
    const { low, high } = bootstrap(values, mean);
    const standardError = Math.sqrt((200 ** 2 - 1) / 12 / 200);
    expect(high - low).toBeGreaterThan(0.85 * 2 * 1.96 * standardError);
    expect(high - low).toBeLessThan(1.15 * 2 * 1.96 * standardError);
  });
});

test('random numbers fill the unit interval evenly', () => {
  const random = createRandom(5);
  const bins = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const bin = Math.floor(random() * 10);
    bins[bin] = (bins[bin] ?? Number.NaN) + 1;
  }
  for (const filled of bins) expect(Math.abs(filled - 1000)).toBeLessThan(120);
});

describe('calibrationError', () => {
  test('is nothing when 0.75 is right three times in four', () => {
    const answers = [true, true, true, false].map((right) => ({ probability: 0.75, right }));
    expect(calibrationError(answers)).toBeCloseTo(0, 12);
  });

  test('is the gap of a system that is too sure of itself', () => {
    const answers = [true, false].map((right) => ({ probability: 1, right }));
    expect(calibrationError(answers)).toBeCloseTo(0.5, 12);
  });

  test('does not let one bin make up for another', () => {
    const answers = [
      { probability: 0.95, right: false },
      { probability: 0.05, right: true },
    ];
    expect(calibrationError(answers)).toBeCloseTo(0.95, 12);
  });
});
