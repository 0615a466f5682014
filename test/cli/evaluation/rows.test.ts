import { describe, expect, test } from 'vitest';
import type { Outcome } from '../../../src/cli/evaluation/outcome.ts';
import { reportTable, reportText, rowsOf } from '../../../src/cli/evaluation/rows.ts';

const ABOUT = { system: 'geo2-mini', split: 'cross_area', condition: 'aligned' };

function matched(errorM: number, radiusM: number, right = true): Outcome {
  const withinRadius = errorM <= radiusM;
  return { status: 'matched', truth: 'inside', right, probability: 0.9, errorM, withinRadius, latencyMs: 40 };
}

function unmatched(status: Outcome['status'], truth: Outcome['truth'], right = false): Outcome {
  return { status, truth, right, probability: 0.2, latencyMs: 20 };
}

function valuesOf(outcomes: readonly Outcome[]): Record<string, [value: number, n: number]> {
  return Object.fromEntries(rowsOf(outcomes, ABOUT).map(({ metric, value, n }) => [metric, [value, n]]));
}

describe('the rows of a report', () => {
  test('count a query that has a right answer apart from one that has none', () => {
    const values = valuesOf([
      matched(10, 20),
      matched(30, 20),
      matched(500, 20, false),
      unmatched('no_match', 'inside', true),
      { ...matched(90_000, 20, false), truth: 'outside' },
      unmatched('no_match', 'outside'),
      unmatched('no_match', 'outside'),
      unmatched('ambiguous', 'outside'),
    ]);
    expect(values).toMatchObject({
      matched: [50, 8],
      ambiguous: [12.5, 8],
      no_match: [37.5, 8],
      out_of_coverage: [0, 8],
      top1_right: [75, 4],
      matched_right: [66.667, 3],
      right_matched: [66.667, 3],
      error_m_p50: [30, 3],
      radius68_coverage: [33.333, 3],
      false_match: [25, 4],
      latency_ms_p50: [30, 8],
    });
  });

  test('judge a heading only where the place is right', () => {
    const values = valuesOf([
      { ...matched(5, 20), headingErrorDeg: 4 },
      { ...matched(5, 20), headingErrorDeg: 10 },
      { ...matched(5, 20), headingErrorDeg: 30 },
      { ...matched(500, 20, false), headingErrorDeg: 1 },
    ]);
    expect(values).toMatchObject({ heading_error_deg_p50: [10, 3], heading_within10: [66.667, 3] });
  });

  test('leave out what was measured on nothing', () => {
    const metrics = Object.keys(valuesOf([unmatched('no_match', 'outside'), unmatched('out_of_coverage', 'unknown')]));
    expect(metrics).toEqual([
      'matched',
      'ambiguous',
      'no_match',
      'out_of_coverage',
      'false_match',
      'ece',
      'latency_ms_p50',
      'latency_ms_p95',
    ]);
  });

  test('have exactly the columns that reports share, and an interval around each value', () => {
    const rows = rowsOf([matched(10, 20), matched(14, 20), matched(30, 20), unmatched('ambiguous', 'inside')], ABOUT);
    for (const row of rows) {
      expect(Object.keys(row).sort()).toEqual(['ci95', 'condition', 'metric', 'n', 'split', 'system', 'task', 'value']);
      expect(row).toMatchObject({ ...ABOUT, task: 'geolocate' });
      expect(row.ci95[0], row.metric).toBeLessThanOrEqual(row.value);
      expect(row.ci95[1], row.metric).toBeGreaterThanOrEqual(row.value);
    }
    expect(JSON.parse(reportText(rows))).toEqual(rows);
    expect(reportText(rows).split('\n')).toHaveLength(rows.length + 3);
  });

  test('measure a found heading only where the place is right', () => {
    const turned = (headingErrorDeg: number, right: boolean): Outcome => ({
      ...matched(5, 20, right),
      headingErrorDeg,
    });
    expect(valuesOf([turned(4, true), turned(6, true), turned(170, false)]).heading_error_deg_p50).toEqual([5, 2]);
  });

  test('become one line a split and condition in the table', () => {
    const rows = [
      ...rowsOf([matched(10, 20)], ABOUT),
      ...rowsOf([unmatched('no_match', 'outside')], { ...ABOUT, split: 'out_of_area' }),
    ];
    const [title = '', first = '', second = '', ...rest] = reportTable(rows).trimEnd().split('\n');
    expect(rest).toEqual([]);
    expect(title).toMatch(/^split +condition +n +matched %/);
    expect(first).toMatch(/^cross_area +aligned +1 +100\.0 +0\.0 +0\.0 +100\.0 +100\.0 +10\.0/);
    expect(second).toMatch(/^out_of_area +aligned +1 +0\.0 +0\.0 +100\.0 +- +-/);
  });
});
