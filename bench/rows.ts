import { bootstrap, type Interval, quantile } from '../src/cli/evaluation/statistics.ts';
import { formatTable } from '../src/cli/table.ts';

/** A line of a report; the columns are those that every report of this project has. */
export interface BenchRow {
  readonly system: string;
  readonly task: 'bench';
  readonly split: string;
  readonly condition: string;
  readonly metric: string;
  readonly value: number;
  readonly n: number;
  readonly ci95: readonly [number, number];
}

type About = Pick<BenchRow, 'system' | 'split' | 'condition'>;

/** A value that was measured once, or counted: its interval is itself. */
export function single(about: About, metric: string, value: number, n = 1): BenchRow {
  return row(about, metric, { value, n, interval: { low: value, high: value } });
}

/** A statistic of repeated measurements with its bootstrapped interval. */
export function measured<T>(
  about: About,
  metric: string,
  values: readonly T[],
  statistic: (sample: readonly T[]) => number,
): BenchRow {
  return row(about, metric, { value: statistic(values), n: values.length, interval: bootstrap(values, statistic) });
}

export function percentileRow(about: About, metric: string, values: readonly number[], share: number): BenchRow {
  return measured(about, metric, values, (sample) => quantile(sample, share));
}

function row(
  { system, split, condition }: About,
  metric: string,
  { value, n, interval }: { value: number; n: number; interval: Interval },
): BenchRow {
  const ci95 = [rounded(interval.low), rounded(interval.high)] as const;
  return { system, task: 'bench', split, condition, metric, value: rounded(value), n, ci95 };
}

export function benchTable(rows: readonly BenchRow[]): string {
  return formatTable(rows, [
    { title: 'system', cell: ({ system }) => system },
    { title: 'split', cell: ({ split }) => split },
    { title: 'condition', cell: ({ condition }) => condition },
    { title: 'metric', cell: ({ metric }) => metric },
    { title: 'value', align: 'right', cell: ({ value }) => String(value) },
    { title: 'n', align: 'right', cell: ({ n }) => String(n) },
    { title: '95 %', align: 'right', cell: ({ ci95 }) => `${ci95[0]} .. ${ci95[1]}` },
  ]);
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
