import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import { parseTraceparent, type TraceContext } from '../tracing/trace-context.ts';
import type { Job, JobError, JobInput } from './jobs.ts';
import type { JobQueue } from './queue.ts';
import { JOB_COLUMNS, JobInputSchema, jobOf } from './rows.ts';
import { tellChanged, tellQueued } from './signals.ts';

/** A job that this worker has, until its lease is over or somebody ends it. */
export interface Claim {
  readonly job: Job;
  /** Of this taking-up: whatever an older one writes is refused. */
  readonly claim: number;
  /** How often it was taken up since an item was finished. */
  readonly stalls: number;
  readonly isFirst: boolean;
  /** Of the request that made the job, where that was traced. */
  readonly asked: TraceContext | undefined;
}

export interface ClaimDeps {
  readonly database: Database;
  readonly queue: JobQueue;
  readonly now: () => Date;
  /** How long a claim is valid without a word of its worker. */
  readonly leaseMs: number;
}

/** Its end or its giving back is being written: it is looked for again. */
class JobBusy extends Error {}

/**
 * The next job, of any tenant but those in `except`, in one transaction with its leaving the queue; undefined when none waits,
 * `busy` when to look again at once.
 */
export async function claimNext(
  deps: ClaimDeps,
  { except = [] }: { readonly except?: readonly string[] } = {},
): Promise<Claim | 'busy' | undefined> {
  try {
    return await deps.database.transaction((sql) => claimIn(sql, deps, except));
  } catch (error) {
    if (error instanceof Geo2Error && error.cause instanceof JobBusy) return 'busy';
    throw error;
  }
}

async function claimIn(
  sql: Sql,
  { queue, now, leaseMs }: ClaimDeps,
  except: readonly string[],
): Promise<Claim | undefined> {
  const entry = await queue.take(sql, { except });
  if (entry === undefined) return undefined;
  await lockJob(sql, entry.jobId);
  const at = now();
  const [row] = await sql.query(
    `update geo2.jobs
        set status = 'processing', started_at = coalesce(started_at, $2), claim = claim + 1, stalls = stalls + 1,
            leased_until = $3
      where id = $1 returning ${JOB_COLUMNS}, claim, stalls, traceparent`,
    [entry.jobId, at, new Date(at.getTime() + leaseMs)],
  );
  const job = jobOf(row);
  if (job === undefined) throw new Geo2Error('DATABASE_FAILED', `The job ${entry.jobId} is gone.`);
  await tellChanged(sql, job.id);
  const { claim, stalls, traceparent } = ClaimRowSchema.parse(row);
  return { job, claim, stalls, isFirst: claim === 1, asked: parseTraceparent(traceparent ?? undefined) };
}

/** Everybody else locks the job first and then its entry in the queue: we, who have the entry, must not wait for the job. */
async function lockJob(sql: Sql, id: string): Promise<void> {
  const locked = await sql.query(
    'select id from geo2.jobs where id = $1 and finished_at is null for update skip locked',
    [id],
  );
  if (locked.length === 0) throw new JobBusy();
}

const ClaimRowSchema = z.object({ claim: z.int(), stalls: z.int(), traceparent: z.string().nullable() });

export interface PendingItem {
  readonly index: number;
  readonly input: JobInput;
  readonly options: Readonly<Record<string, unknown>>;
}

const PendingSchema = z.array(
  z.object({ index: z.int(), input: JobInputSchema, options: z.record(z.string(), z.unknown()) }),
);

export async function pendingItems({ database }: Pick<ClaimDeps, 'database'>, job: Job): Promise<PendingItem[]> {
  const rows = await database.query(
    `select index, input, options from geo2.job_items
      where tenant = $1 and job_id = $2 and status = 'pending' order by index`,
    [job.tenant, job.id],
  );
  return PendingSchema.parse(rows);
}

/**
 * Writes down how an item ended; false when the claim holds no longer: then nothing is written. Once more is as once: where the
 * answer to a commit was lost, it is asked again.
 */
export async function recordItem(
  { database }: Pick<ClaimDeps, 'database'>,
  { job, claim }: Claim,
  outcome: { index: number; error?: JobError | undefined },
): Promise<boolean> {
  const { index, error } = outcome;
  return database.transaction(async (sql) => {
    const [row] = await sql.query(
      `update geo2.jobs set stalls = 0 where id = $1 and claim = $2 and finished_at is null
        returning completed + failed + 1 as ordinal`,
      [job.id, claim],
    );
    if (row === undefined) return false;
    const recorded = await sql.query(
      `update geo2.job_items set status = $3, ordinal = $4, error = $5::jsonb
        where job_id = $1 and index = $2 and status = 'pending' returning index`,
      [
        job.id,
        index,
        error === undefined ? 'succeeded' : 'failed',
        z.object({ ordinal: z.int() }).parse(row).ordinal,
        error === undefined ? null : JSON.stringify(error),
      ],
    );
    if (recorded.length === 0) return true;
    const counted = error === undefined ? 'completed = completed + 1' : 'failed = failed + 1';
    await sql.query(`update geo2.jobs set ${counted} where id = $1`, [job.id]);
    await tellChanged(sql, job.id);
    return true;
  });
}

/** Renews the leases of these claims; gives the ids of the jobs that are still this worker's. */
export async function renewClaims(
  { database, now, leaseMs }: Omit<ClaimDeps, 'queue'>,
  claims: readonly Claim[],
): Promise<ReadonlySet<string>> {
  const rows = await database.query(
    `update geo2.jobs set leased_until = $3 from unnest($1::text[], $2::int[]) as mine (id, claim)
      where jobs.id = mine.id and jobs.claim = mine.claim and finished_at is null returning jobs.id`,
    [claims.map(({ job }) => job.id), claims.map(({ claim }) => claim), new Date(now().getTime() + leaseMs)],
  );
  return new Set(rows.map(({ id }) => String(id)));
}

/** Gives a job back before it is done, so that the next worker goes on with it at once. */
export async function giveBack({ database, queue }: ClaimDeps, { job, claim }: Claim): Promise<void> {
  await database.transaction(async (sql) => {
    const [row] = await sql.query(
      `update geo2.jobs set leased_until = null, stalls = greatest(stalls - 1, 0)
        where id = $1 and claim = $2 and finished_at is null and leased_until is not null returning queue_id`,
      [job.id, claim],
    );
    if (row !== undefined) await requeue(sql, queue, row);
  });
}

/** Gives every job whose worker has been silent to the next; returns how many. `everything`: nobody else can have one. */
export async function reclaimLost(
  { database, queue, now }: ClaimDeps,
  { everything = false }: { everything?: boolean } = {},
): Promise<number> {
  return database.transaction(async (sql) => {
    const rows = await sql.query(
      `update geo2.jobs set leased_until = null
        where id in (
          select id from geo2.jobs
           where finished_at is null and leased_until is not null and ($2 or leased_until < $1)
             for update skip locked
        ) returning queue_id`,
      [now(), everything],
    );
    for (const row of rows) await requeue(sql, queue, row);
    return rows.length;
  });
}

async function requeue(sql: Sql, queue: JobQueue, row: Record<string, unknown>): Promise<void> {
  await queue.giveBack(sql, z.object({ queue_id: z.string() }).parse(row).queue_id);
  await tellQueued(sql);
}
