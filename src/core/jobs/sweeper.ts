import * as z from 'zod';
import { type ClaimDeps, reclaimLost } from './claims.ts';
import { createFinishJob, type FinishDeps, removeInputs } from './finish.ts';
import { jobFolder, storedJobIds } from './objects.ts';

export interface Sweeper {
  start(): void;
  /** One round, now: what is due is done when this resolves. Errors: DATABASE_FAILED, STORE_FAILED. */
  sweep(): Promise<void>;
  stop(): Promise<void>;
}

export interface SweeperDeps extends FinishDeps, ClaimDeps {
  /** After which inputs without a job are taken for left behind. */
  readonly stagingMs: number;
  readonly intervalMs: number;
  readonly onError: (error: unknown, doing: string) => void;
}

/** In one round; the next one is soon. */
const LIMIT = 100;
/** Looking through the whole store is dear, and finds only what should not be there. */
const FULL_LOOK_MS = 3_600_000;

/**
 * Does what is due by time, and what crashes left: jobs of silent workers go to the next, jobs without time left expire, inputs
 * of ended jobs and of requests that ended half-way go, results go when their time is over. Any number may run.
 */
export function createSweeper(deps: SweeperDeps): Sweeper {
  const { database, store, now, observer, stagingMs, intervalMs, onError } = deps;
  const finish = createFinishJob(deps);
  const stopping = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  let round: Promise<void> | undefined;
  let fullLookAtMs = Number.NEGATIVE_INFINITY;

  async function ids(statement: string, parameters: readonly unknown[]): Promise<string[]> {
    const rows = await database.query(`${statement} limit ${LIMIT}`, parameters);
    return z
      .array(z.object({ id: z.string() }))
      .parse(rows)
      .map(({ id }) => id);
  }

  async function all(): Promise<void> {
    const lost = await reclaimLost(deps);
    for (let i = 0; i < lost; i++) observer.onAbandoned?.();
    await expire();
    await removeLeftInputs();
    await removeStagings();
    await removeOld();
    if (performance.now() - fullLookAtMs >= FULL_LOOK_MS) {
      fullLookAtMs = performance.now();
      await removeUnknown();
    }
    await countQueued();
  }

  async function expire(): Promise<void> {
    const at = now();
    const error = { code: 'JOB_EXPIRED', message: 'The job was not done in time.' };
    for (const id of await ids('select id from geo2.jobs where finished_at is null and expires_at <= $1', [at])) {
      await finish({ id, status: 'expired', error, expiredBy: at });
    }
  }

  async function removeLeftInputs(): Promise<void> {
    const left = 'select id from geo2.jobs where inputs_left and finished_at is not null';
    for (const id of await ids(left, [])) await removeInputs(deps, id);
  }

  async function removeStagings(): Promise<void> {
    const due = new Date(now().getTime() - stagingMs);
    for (const id of await ids('select job_id as id from geo2.job_stagings where created_at <= $1', [due])) {
      await database.transaction(async (sql) => {
        // whoever submits meanwhile waits for this row, and then finds it gone
        const locked = await sql.query(
          'delete from geo2.job_stagings where job_id = $1 and created_at <= $2 returning job_id',
          [id, due],
        );
        if (locked.length > 0) await store.deleteFolder(jobFolder(id));
      });
    }
  }

  async function removeOld(): Promise<void> {
    const old = 'select id from geo2.jobs where finished_at is not null and expires_at <= $1';
    for (const id of await ids(old, [now()])) {
      await store.deleteFolder(jobFolder(id));
      await database.query('delete from geo2.jobs where id = $1 and finished_at is not null', [id]);
    }
  }

  /** Folders of no job, such as of a database that was restored from an older copy. */
  async function removeUnknown(): Promise<void> {
    const stored = [...(await storedJobIds(store, stopping.signal))];
    if (stored.length === 0) return;
    const rows = await database.query(
      'select id from geo2.jobs where id = any($1) union select job_id from geo2.job_stagings where job_id = any($1)',
      [stored],
    );
    const known = new Set(rows.map(({ id }) => id));
    for (const id of stored.filter((candidate) => !known.has(candidate))) await store.deleteFolder(jobFolder(id));
  }

  async function countQueued(): Promise<void> {
    const [row] = await database.query(
      "select count(*) as queued from geo2.jobs where finished_at is null and status = 'queued'",
    );
    observer.onQueued?.(z.object({ queued: z.int() }).parse(row).queued);
  }

  function sweep(): Promise<void> {
    round ??= all().finally(() => {
      round = undefined;
    });
    return round;
  }

  function next(): void {
    if (stopping.signal.aborted) return;
    timer = setTimeout(async () => {
      await sweep().catch((error: unknown) => {
        if (!stopping.signal.aborted) onError(error, 'sweeping');
      });
      next();
    }, intervalMs);
  }

  return {
    start: next,
    sweep,
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await round?.catch(() => {});
    },
  };
}
