import type { Database } from '../database/database.ts';
import type { NewId } from '../ids.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { NO_TRACER, type Tracer } from '../tracing/tracer.ts';
import { untraced } from '../tracing/untraced.ts';
import { reclaimLost } from './claims.ts';
import { createJobs } from './create-jobs.ts';
import type { RecordJobEvent } from './finish.ts';
import type { Jobs } from './jobs.ts';
import type { JobsObserver } from './observer.ts';
import { createJobQueue } from './queue.ts';
import { createJobSignals } from './signals.ts';
import { createSweeper, type Sweeper } from './sweeper.ts';
import { createJobWorker, type RunItem } from './worker.ts';

export interface JobServiceOptions {
  readonly database: Database;
  /** Images and results, under `jobs/`. */
  readonly store: ObjectStore;
  readonly recordEvent: RecordJobEvent;
  readonly newId: NewId;
  readonly now: () => Date;
  readonly tracer?: Tracer | undefined;
  readonly observer?: JobsObserver | undefined;
  /** Of work that nobody waits for. */
  readonly onError: (error: unknown, doing: string) => void;
  /** After which a job that is not final expires. */
  readonly ttlMs: number;
  /** How long an ended job and its results are kept. */
  readonly retentionMs: number;
  /** After which images without a job are taken for left behind. */
  readonly stagingMs: number;
  /** Jobs that may be unfinished at one time, of all tenants. */
  readonly maxUnfinished: number;
  /** Undefined in a process that only accepts jobs. */
  readonly worker?: JobWorkerOptions | undefined;
}

export interface JobWorkerOptions {
  readonly runItem: RunItem;
  /** Jobs at one time, without those of tenants that have no other here. */
  readonly maxJobs: number;
  /** Items at one time, over all jobs. */
  readonly maxItems: number;
  readonly maxImageBytes: number;
  /** How long a worker may be silent before its jobs go to the next. */
  readonly leaseMs?: number | undefined;
  readonly sweepMs?: number | undefined;
}

export interface JobService {
  readonly jobs: Jobs;
  /** Present where this process works. */
  readonly sweeper: Sweeper | undefined;
  /** Opens the queue, and begins to work where this process does. The first use of `jobs` starts, too. Errors: DATABASE_FAILED. */
  start(): Promise<void>;
  /** Lets items in flight end within `drainMs`; what is left goes back to the queue. The database stays open. */
  stop(drainMs: number): Promise<void>;
}

const LEASE_MS = 6_000;
const SWEEP_MS = 2_000;

export function createJobService(options: JobServiceOptions): JobService {
  const { database, onError, worker: working } = options;
  const queue = createJobQueue({
    database,
    supervise: working !== undefined,
    onError: (error) => onError(error, 'keeping the queue'),
  });
  const signals = createJobSignals(database);
  const { observer = {}, tracer = NO_TRACER } = options;
  const shared = { ...options, observer, tracer, queue, signals, leaseMs: working?.leaseMs ?? LEASE_MS };
  const jobs = createJobs({ ...shared, ready: start });
  const worker =
    working === undefined ? undefined : createJobWorker({ ...shared, ...working, leaseMs: shared.leaseMs });
  const sweeper =
    working === undefined ? undefined : createSweeper({ ...shared, intervalMs: working.sweepMs ?? SWEEP_MS });
  let starting: Promise<void> | undefined;

  const open = untraced(async (): Promise<void> => {
    await database.start();
    await queue.start();
    if (working === undefined) return;
    // PGlite is this process's alone: whoever had a job is dead
    if (database.kind === 'pglite') await reclaimLost(shared, { everything: true });
    worker?.start();
    sweeper?.start();
  });

  function start(): Promise<void> {
    starting ??= open().catch((error: unknown) => {
      starting = undefined;
      throw error;
    });
    return starting;
  }

  return {
    jobs,
    sweeper,
    start,
    async stop(drainMs) {
      await starting?.catch(() => {});
      await worker?.stop(drainMs);
      await sweeper?.stop();
      await signals.stop();
      await queue.stop();
    },
  };
}
