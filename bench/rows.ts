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

/** What the product promises of a row, on two quiet cores; other rows are there to explain these. */
const TARGETS: Readonly<Record<string, string>> = {
  'start first_answer_ms_p50': '<= 3000',
  'panorama_concurrency_1 latency_ms_p50': '<= 60',
  'panorama_concurrency_1 graph_share_of_geolocate': '>= 80',
  'panorama_concurrency_8 event_loop_delay_ms_p99': '<= 20',
  'after_load memory_mb': '<= 700',
  'unknown_heading_48_hypotheses search_ms_p50': '<= 8',
  'prior_5_km_unknown_heading_48_hypotheses search_ms_p50': '<= 3',
  'prior_5_km_known_heading_16_hypotheses search_ms_p50': '<= 3',
  'open open_mmap_ms': '<= 200',
  'build recallAt10': '>= 0.99',
  'overload_10x other_5xx': '0',
  'overload_10x other_answers_or_none': '0',
  'overload_10x refused_without_retry_after': '0',
  'overload_10x goodput_share_of_capacity': '>= 90',
  'overload_10x health_failures': '0',
  'overload_10x memory_share_of_start': '<= 110',
  'healthy_beside_50_sick delivery_ms_p95': '<= 1000',
  'healthy_beside_50_sick_still delivery_ms_p95': '<= 1000',
};

export function benchTable(rows: readonly BenchRow[]): string {
  return formatTable(rows, [
    { title: 'system', cell: ({ system }) => system },
    { title: 'split', cell: ({ split }) => split },
    { title: 'condition', cell: ({ condition }) => condition },
    { title: 'metric', cell: ({ metric }) => metric },
    { title: 'value', align: 'right', cell: ({ value }) => String(value) },
    { title: 'target', align: 'right', cell: ({ condition, metric }) => TARGETS[`${condition} ${metric}`] ?? '' },
    { title: 'n', align: 'right', cell: ({ n }) => String(n) },
    { title: '95 %', align: 'right', cell: ({ ci95 }) => `${ci95[0]} .. ${ci95[1]}` },
  ]);
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
