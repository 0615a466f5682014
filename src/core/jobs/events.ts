import * as z from 'zod';
import type { Database } from '../database/database.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { isFinal, type Job, type JobEvent } from './jobs.ts';
import { readResult } from './objects.ts';
import { ITEM_COLUMNS, type ItemRow, itemRowsOf } from './rows.ts';

/** Items whose events are read together. */
const PAGE = 50;

/**
 * A job's events are not stored: they follow from the job and the order in which its items were finished. `start` is 1; the
 * n-th item to be finished gives `output` 2n and `progress` 2n + 1; `completed` comes after the last of them. So every replay
 * gives the same numbers, in any process.
 */
export async function readEvents(
  { database, store }: { database: Database; store: ObjectStore },
  job: Job,
  { afterSeq, signal }: { afterSeq: number; signal: AbortSignal },
): Promise<{ events: JobEvent[]; more: boolean }> {
  const { id, progress } = job;
  const finished = progress.completed + progress.failed;
  const after = Math.max(0, Math.floor(afterSeq / 2) - 1); // items of which both events are known
  const items = itemRowsOf(
    await database.query(
      `select ${ITEM_COLUMNS} from geo2.job_items
        where tenant = $1 and job_id = $2 and ordinal > $3 and ordinal <= $4 order by ordinal limit ${PAGE}`,
      [job.tenant, id, after, finished],
    ),
  );
  let failed = items.length === 0 ? 0 : await failedUpTo(database, job, after);

  const events: JobEvent[] = [];
  const tell = (seq: number, type: JobEvent['type'], data: Record<string, unknown>): void => {
    if (seq > afterSeq) events.push({ seq, type, data: { id, ...data } });
  };
  if (job.startedAt !== undefined) tell(1, 'start', { status: 'processing', total: progress.total });
  for (const item of items) {
    const step = item.ordinal ?? 0;
    if (item.status === 'failed') failed += 1;
    if (2 * step > afterSeq) tell(2 * step, 'output', await outputOf(store, id, item, signal));
    tell(2 * step + 1, 'progress', { step, of: progress.total, failed });
  }
  const more = after + items.length < finished;
  if (!more && isFinal(job.status)) {
    const { status, error } = job;
    tell(2 * finished + 2, 'completed', { status, progress, ...(error === undefined ? {} : { error }) });
  }
  return { events, more };
}

/** The number of a final job's last event. */
export function lastSeqOf({ progress }: Job): number {
  return 2 * (progress.completed + progress.failed) + 2;
}

async function failedUpTo(database: Database, job: Job, ordinal: number): Promise<number> {
  const [row] = await database.query(
    `select count(*) as failed from geo2.job_items
      where tenant = $1 and job_id = $2 and ordinal <= $3 and status = 'failed'`,
    [job.tenant, job.id, ordinal],
  );
  return z.object({ failed: z.int() }).parse(row).failed;
}

async function outputOf(
  store: ObjectStore,
  jobId: string,
  { index, name, status, error }: ItemRow,
  signal: AbortSignal,
): Promise<Record<string, unknown>> {
  return {
    index,
    ...(name === null ? {} : { name }),
    status,
    ...(status === 'succeeded' ? { result: await readResult(store, { jobId, index }, signal) } : {}),
    ...(error === null ? {} : { error }),
  };
}
