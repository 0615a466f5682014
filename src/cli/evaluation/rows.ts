import { formatTable } from '../table.ts';
import type { Outcome } from './outcome.ts';
import { bootstrap, calibrationError, type Interval, quantile, wilson } from './statistics.ts';

/** A line of a report, as every tool of this project writes it. Shares are in percent. */
export interface ReportRow {
  readonly system: string;
  readonly task: string;
  readonly split: string;
  readonly condition: string;
  readonly metric: string;
  readonly value: number;
  /** What the value was computed over. */
  readonly n: number;
  readonly ci95: readonly [number, number];
}

const STATUSES = ['matched', 'ambiguous', 'no_match', 'out_of_coverage'] as const;

/** Everything that is measured of the answers of one split under one condition. A metric over nothing has no row. */
export function rowsOf(
  outcomes: readonly Outcome[],
  about: { readonly system: string; readonly split: string; readonly condition: string },
): ReportRow[] {
  const rows: ReportRow[] = [];
  const add = (metric: string, value: number, n: number, { low, high }: Interval): void => {
    rows.push({ ...about, task: 'geolocate', metric, value: rounded(value), n, ci95: [rounded(low), rounded(high)] });
  };
  const share = <T>(metric: string, among: readonly T[], holds: (one: T) => boolean): void => {
    if (among.length === 0) return;
    const successes = among.filter(holds).length;
    const { low, high } = wilson(successes, among.length);
    add(metric, (100 * successes) / among.length, among.length, { low: 100 * low, high: 100 * high });
  };
  const percentile = (metric: string, values: readonly number[], at: number): void => {
    if (values.length === 0) return;
    add(
      metric,
      quantile(values, at),
      values.length,
      bootstrap(values, (sample) => quantile(sample, at)),
    );
  };

  for (const status of STATUSES) share(status, outcomes, (outcome) => outcome.status === status);

  const inside = outcomes.filter(({ truth }) => truth === 'inside');
  const matched = inside.filter(({ status }) => status === 'matched');
  share('top1_right', inside, ({ right }) => right);
  share('matched_right', matched, ({ right }) => right);
  share(
    'right_matched',
    inside.filter(({ right }) => right),
    ({ status }) => status === 'matched',
  );
  const errorsM = defined(matched.map(({ errorM }) => errorM));
  for (const [name, at] of PERCENTILES) percentile(`error_m_${name}`, errorsM, at);
  share('radius68_coverage', matched, ({ withinRadius }) => withinRadius === true);
  const headings = defined(matched.filter(({ right }) => right).map(({ headingErrorDeg }) => headingErrorDeg));
  percentile('heading_error_deg_p50', headings, 0.5);
  share('heading_within10', headings, (errorDeg) => errorDeg <= 10);

  share(
    'false_match',
    outcomes.filter(({ truth }) => truth === 'outside'),
    ({ status }) => status === 'matched',
  );

  const stated = statedOf(outcomes);
  if (stated.length > 0) add('ece', calibrationError(stated), stated.length, bootstrap(stated, calibrationError));

  const latencies = outcomes.map(({ latencyMs }) => latencyMs);
  percentile('latency_ms_p50', latencies, 0.5);
  percentile('latency_ms_p95', latencies, 0.95);
  return rows;
}

/** The outcomes whose stated probability can be held against a truth. */
export function statedOf(outcomes: readonly Outcome[]): Outcome[] {
  return outcomes.filter(({ truth, status }) => truth !== 'unknown' && status !== 'out_of_coverage');
}

const PERCENTILES = [
  ['p50', 0.5],
  ['p68', 0.68],
  ['p95', 0.95],
] as const;

/** A row a line, so that two reports can be compared by a text tool too. */
export function reportText(rows: readonly ReportRow[]): string {
  return `[\n${rows.map((row) => JSON.stringify(row)).join(',\n')}\n]\n`;
}

/** A line a split and condition. */
export function reportTable(rows: readonly ReportRow[]): string {
  const groups = [...Map.groupBy(rows, ({ split, condition }) => `${split}\n${condition}`).values()];
  const metric = (title: string, name: string, digits: number) => ({
    title,
    align: 'right' as const,
    cell: (group: readonly ReportRow[]) => group.find((row) => row.metric === name)?.value.toFixed(digits) ?? '-',
  });
  return formatTable(groups, [
    { title: 'split', cell: ([row]) => row?.split ?? '' },
    { title: 'condition', cell: ([row]) => row?.condition ?? '' },
    { title: 'n', align: 'right', cell: (group) => String(Math.max(...group.map(({ n }) => n))) },
    metric('matched %', 'matched', 1),
    metric('ambiguous %', 'ambiguous', 1),
    metric('no match %', 'no_match', 1),
    metric('top-1 right %', 'top1_right', 1),
    metric('matched right %', 'matched_right', 1),
    metric('error m p50', 'error_m_p50', 1),
    metric('p68', 'error_m_p68', 1),
    metric('p95', 'error_m_p95', 1),
    metric('in radius %', 'radius68_coverage', 1),
    metric('false match %', 'false_match', 1),
    metric('ece', 'ece', 3),
    metric('ms p50', 'latency_ms_p50', 0),
  ]);
}

function defined(values: readonly (number | undefined)[]): number[] {
  return values.filter((value) => value !== undefined);
}

function rounded(value: number): number {
  return Number(value.toFixed(3));
}
