import { randomBytes } from 'node:crypto';
import { stat } from 'node:fs/promises';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { type Accounts, createAccounts } from './core/accounts/accounts.ts';
import { createSweeper } from './core/accounts/sweeper.ts';
import { pgliteFolder } from './core/database/database.pglite.ts';
import type { Database } from './core/database/database.ts';
import { traceDatabase } from './core/database/traced-database.ts';
import { whenStarted } from './core/database/when-started.ts';
import { newId } from './core/ids.ts';
import type { Jobs } from './core/jobs/jobs.ts';
import type { RunItem } from './core/jobs/worker.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import type { Tracer } from './core/tracing/tracer.ts';
import { untraced } from './core/tracing/untraced.ts';
import { createDatabase } from './database.ts';
import type { Metrics } from './handlers/metrics.ts';
import { openJobs } from './jobs.ts';
import { createWebhooks, type Webhooks, type WebhooksDeps } from './webhooks.ts';

/** What is kept between requests, and the work that runs by itself. */
export interface State {
  readonly database: Database;
  readonly accounts: Accounts;
  readonly jobs: Jobs;
  readonly webhooks: Webhooks;
  /**
   * With a PostgreSQL server: connects, and begins to work. An embedded database is opened here in the background where it has
   * been used before, else at its first use: it takes seconds to make, and memory. Errors: DATABASE_FAILED, also where another
   * process has the data folder.
   */
  start(): Promise<void>;
  /** Ends the work; what cannot end within `drainMs` is left for later. Nothing is lost. */
  stop(drainMs: number): Promise<void>;
  /** Disconnects: after everything that may still ask. */
  close(): Promise<void>;
}

export interface StateDeps extends Pick<WebhooksDeps, 'fetcher' | 'store' | 'listRegions'> {
  /** Where images and results of jobs lie. */
  readonly jobStore: ObjectStore;
  readonly tracer: Tracer;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly metrics: Pick<Metrics, 'jobs' | 'onWebhookAttempt'>;
  readonly runItem: RunItem;
}

/** What has run out is deleted so often. */
const SWEEP_MS = 10 * 60_000;

export function openState(config: Config, deps: StateDeps): State {
  const { tracer, logger, metrics, runItem } = deps;
  const own = createDatabase(config);
  const database = whenStarted(traceDatabase(own, tracer), untraced(begin));
  const accounts = createAccounts({ database, now: () => new Date(), newId, randomBytes });
  const sweeper = createSweeper({
    sweep: accounts.sweep,
    everyMs: SWEEP_MS,
    onError: (err) => logger.warn({ err }, 'what has run out could not be deleted'),
  });
  const store = deps.jobStore;
  const service = openJobs(config, { database, store, runItem, tracer, observer: metrics.jobs, logger });
  const webhooks = createWebhooks(config, { ...deps, database, onAttempt: metrics.onWebhookAttempt });

  function begin(): void {
    sweeper.start();
    if (config.role !== 'api') webhooks.start();
    service.start().catch((err: unknown) => logger.error({ err }, 'jobs cannot be run; the next request tries again'));
  }

  return {
    database,
    accounts,
    jobs: service.jobs,
    webhooks,

    async start() {
      if (own.kind === 'postgres') return database.start();
      await own.reserve();
      if (!(await exists(pgliteFolder(config.dataDir)))) return;
      database.start().catch((err: unknown) => logger.error({ err }, 'the database cannot be opened'));
    },

    async stop(drainMs) {
      await Promise.all([sweeper.stop(), webhooks.stop({ drainMs }), service.stop(drainMs)]);
    },

    close: () => database.stop(),
  };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
