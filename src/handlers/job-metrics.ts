import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { JobsObserver } from '../core/jobs/observer.ts';

/** From a worker that is free to a day of waiting. */
const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400];

/** Counts what happens to jobs under `jobs_…`. */
export function createJobMetrics(registry: Registry): JobsObserver {
  const registers = [registry];
  const submitted = new Counter({
    name: 'jobs_submitted_total',
    help: 'Jobs that this process accepted',
    labelNames: ['kind', 'form'],
    registers,
  });
  const finished = new Counter({
    name: 'jobs_finished_total',
    help: 'Jobs that this process ended, by the state that they ended in',
    labelNames: ['kind', 'status'],
    registers,
  });
  const items = new Counter({
    name: 'jobs_items_total',
    help: 'Images of jobs by their outcome; retried: a failure that may pass, and is tried again',
    labelNames: ['kind', 'outcome'],
    registers,
  });
  const waited = new Histogram({
    name: 'jobs_queue_duration_seconds',
    help: 'From accepting a job to its start',
    labelNames: ['kind'],
    buckets: SECONDS,
    registers,
  });
  const took = new Histogram({
    name: 'jobs_duration_seconds',
    help: 'From accepting a job to its end',
    labelNames: ['kind', 'status'],
    buckets: SECONDS,
    registers,
  });
  const running = new Gauge({ name: 'jobs_running', help: 'Jobs that this process runs', registers });
  const queued = new Gauge({ name: 'jobs_queued', help: 'Jobs that nobody has begun, over all processes', registers });
  const abandoned = new Counter({
    name: 'jobs_abandoned_total',
    help: 'Jobs whose worker was silent, which were given to the next',
    registers,
  });
  const seconds = (from: Date, to: Date): number => Math.max(0, (to.getTime() - from.getTime()) / 1000);

  return {
    onSubmitted: ({ kind, form }) => submitted.inc({ kind, form }),
    onStarted: ({ kind, createdAt, startedAt = createdAt }) => waited.observe({ kind }, seconds(createdAt, startedAt)),
    onItem: ({ kind, outcome }) => items.inc({ kind, outcome }),
    onFinished({ kind, status, createdAt, finishedAt = createdAt }) {
      finished.inc({ kind, status });
      took.observe({ kind, status }, seconds(createdAt, finishedAt));
    },
    onRunning: (count) => running.set(count),
    onQueued: (count) => queued.set(count),
    onAbandoned: () => abandoned.inc(),
  };
}
