import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Database } from './core/database/database.ts';
import { newId } from './core/ids.ts';
import type { RecordJobEvent } from './core/jobs/finish.ts';
import { createJobService, type JobService } from './core/jobs/job-service.ts';
import type { Job } from './core/jobs/jobs.ts';
import type { JobsObserver } from './core/jobs/observer.ts';
import type { RunItem } from './core/jobs/worker.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import type { Tracer } from './core/tracing/tracer.ts';
import { type EventType, recordEvent } from './core/webhooks/events.ts';

export interface JobsDeps {
  readonly database: Database;
  /** Where images and results lie. */
  readonly store: ObjectStore;
  readonly runItem: RunItem;
  readonly tracer: Tracer;
  readonly observer: JobsObserver;
  readonly logger: Pick<Logger, 'warn'>;
}

/** Jobs put together; they are run here unless this process only answers requests. */
export function openJobs(config: Config, deps: JobsDeps): JobService {
  const { database, store, runItem, tracer, observer, logger } = deps;
  const now = (): Date => new Date();
  return createJobService({
    database,
    store,
    recordEvent: tellWebhooks(now),
    newId,
    now,
    tracer,
    observer,
    onError: (err, doing) => logger.warn({ err, doing }, 'jobs: something failed that is tried again'),
    ...config.jobs,
    worker: config.role === 'api' ? undefined : { runItem, ...config.jobs, maxImageBytes: config.maxImageBytes },
  });
}

/** An expired job has failed, as far as webhooks are concerned; its `status` tells. */
function tellWebhooks(now: () => Date): RecordJobEvent {
  return async (sql, job) => {
    await recordEvent(sql, { tenant: job.tenant, type: eventTypeOf(job), data: eventDataOf(job) }, { newId, now });
  };
}

function eventTypeOf({ status }: Job): EventType {
  if (status === 'succeeded') return 'job.succeeded';
  return status === 'canceled' ? 'job.canceled' : 'job.failed';
}

function eventDataOf(job: Job): Record<string, unknown> {
  const { id, kind, form, status, createdAt, finishedAt, expiresAt, progress, error } = job;
  return {
    id,
    kind,
    form,
    status,
    createdAt: createdAt.toISOString(),
    finishedAt: finishedAt?.toISOString(),
    expiresAt: expiresAt.toISOString(),
    progress,
    ...(error === undefined ? {} : { error }),
    links: { job: `/v1/jobs/${id}` },
  };
}
