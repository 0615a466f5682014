import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Job, JobError } from './jobs.ts';
import { inputsFolder } from './objects.ts';
import type { JobsObserver } from './observer.ts';
import type { JobQueue } from './queue.ts';
import { JOB_COLUMNS, jobOf } from './rows.ts';
import { tellChanged } from './signals.ts';

/** Tells of an ended job, in the transaction that ends it. */
export type RecordJobEvent = (sql: Sql, job: Job) => Promise<void>;

export interface FinishDeps {
  readonly database: Database;
  readonly queue: JobQueue;
  readonly store: ObjectStore;
  readonly recordEvent: RecordJobEvent;
  readonly observer: JobsObserver;
  readonly now: () => Date;
  /** How long an ended job and its results are kept. */
  readonly retentionMs: number;
}

export interface Ending {
  readonly id: string;
  readonly status: 'succeeded' | 'failed' | 'canceled' | 'expired';
  readonly error?: JobError | undefined;
  /** Only when this claim still holds. */
  readonly claim?: number | undefined;
  /** Only for this tenant's job. */
  readonly tenant?: string | undefined;
  /** Only when it has run out of time. */
  readonly expiredBy?: Date | undefined;
}

/** Ends a job; undefined when it had ended already, or a condition does not hold. */
export type FinishJob = (ending: Ending) => Promise<Job | undefined>;

/**
 * The one way in which a job ends: its state, the end of its items, its leaving the queue and its event are one transaction,
 * which only the first that comes can make. Its inputs go right after; what a crash leaves of them, the sweeper finds.
 */
export function createFinishJob(deps: FinishDeps): FinishJob {
  const { database, queue, store, recordEvent, observer, now, retentionMs } = deps;

  async function finish(sql: Sql, ending: Ending): Promise<Job | undefined> {
    const { id, status, error = null, claim = null, tenant = null, expiredBy = null } = ending;
    const at = now();
    const [row] = await sql.query(
      `update geo2.jobs
          set status = $2, error = $3::jsonb, finished_at = $4, expires_at = $5, leased_until = null
        where id = $1 and finished_at is null and ($6::int is null or claim = $6) and ($7::text is null or tenant = $7)
          and ($8::timestamptz is null or expires_at <= $8)
        returning ${JOB_COLUMNS}, queue_id`,
      [
        id,
        status,
        error === null ? null : JSON.stringify(error),
        at,
        new Date(at.getTime() + retentionMs),
        claim,
        tenant,
        expiredBy,
      ],
    );
    const job = jobOf(row);
    if (row === undefined || job === undefined) return undefined;
    await sql.query(`update geo2.job_items set status = 'canceled' where job_id = $1 and status = 'pending'`, [id]);
    await queue.remove(sql, QueueIdSchema.parse(row).queue_id);
    await recordEvent(sql, job);
    await tellChanged(sql, id);
    return job;
  }

  return async (ending) => {
    const job = await database.transaction((sql) => finish(sql, ending));
    if (job === undefined) return undefined;
    observer.onFinished?.(job);
    await removeInputs({ database, store }, job.id).catch(() => {}); // the sweeper's, then
    return job;
  };
}

const QueueIdSchema = z.object({ queue_id: z.string() });

/** Deletes the images of a job that has ended, and writes down that they are gone. */
export async function removeInputs(
  { database, store }: Pick<FinishDeps, 'database' | 'store'>,
  jobId: string,
): Promise<void> {
  await store.deleteFolder(inputsFolder(jobId));
  await database.query('update geo2.jobs set inputs_left = false where id = $1', [jobId]);
}
