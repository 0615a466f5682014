import * as z from 'zod';
import type { Sql } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import { formatTraceparent, type TraceContext } from '../tracing/trace-context.ts';
import type { Tracer } from '../tracing/tracer.ts';
import { lastSeqOf, readEvents } from './events.ts';
import { createFinishJob, type FinishDeps } from './finish.ts';
import {
  isFinal,
  type Job,
  type JobEvent,
  type JobItem,
  type JobItemsPage,
  type Jobs,
  type JobsPage,
  MAX_JOB_ITEMS,
  type NewJob,
} from './jobs.ts';
import { inputsFolder, readResult } from './objects.ts';
import { ITEM_COLUMNS, type ItemRow, itemRowsOf, JOB_COLUMNS, jobOf } from './rows.ts';
import { type ItemStep, type JobSignals, tellChanged, tellQueued } from './signals.ts';
import { adoptStaged, type StagingDeps, stageInputs } from './staging.ts';

export interface JobsDeps extends FinishDeps, StagingDeps {
  readonly signals: JobSignals;
  readonly tracer: Tracer;
  /** Makes database and queue ready; called before anything else, and cheap when they are. */
  readonly ready: () => Promise<void>;
  /** After which a job that is not final expires. */
  readonly ttlMs: number;
  /** Jobs that may be unfinished at one time, of all tenants. */
  readonly maxUnfinished: number;
}

/** A change that nobody told of is seen after this time. */
const LOOK_MS = 1_000;
/** Result files that are read at one time. */
const READS = 16;

export function createJobs(deps: JobsDeps): Jobs {
  const { database, store, queue, signals, tracer, newId, now, observer, ready, ttlMs, maxUnfinished } = deps;
  const finish = createFinishJob(deps);

  async function find(tenant: string, id: string): Promise<Job | undefined> {
    await ready();
    const found = await database.query(`select ${JOB_COLUMNS} from geo2.jobs where tenant = $1 and id = $2`, [
      tenant,
      id,
    ]);
    return jobOf(found[0]);
  }

  async function insert(sql: Sql, newJob: NewJob, asked: TraceContext | undefined): Promise<Job> {
    const { tenant, kind, form, items, staged } = newJob;
    await refuseWhenFull(sql);
    if (staged !== undefined) await adoptStaged(sql, staged, tenant);
    const id = staged?.jobId ?? newId('job');
    const at = now();
    const queueId = await queue.add(sql, { id, tenant });
    const [row] = await sql.query(
      `insert into geo2.jobs (id, tenant, kind, form, status, queue_id, created_at, expires_at, total, inputs_left, traceparent)
       values ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9, $10) returning ${JOB_COLUMNS}`,
      [
        id,
        tenant,
        kind,
        form,
        queueId,
        at,
        new Date(at.getTime() + ttlMs),
        items.length,
        staged !== undefined,
        asked === undefined ? null : formatTraceparent(asked),
      ],
    );
    await sql.query(
      `insert into geo2.job_items (job_id, index, tenant, name, input, options)
       select $1, i.index - 1, $2, i.name, i.input::jsonb, i.options::jsonb
         from unnest($3::text[], $4::text[], $5::text[]) with ordinality as i (name, input, options, index)`,
      [
        id,
        tenant,
        items.map(({ name = null }) => name),
        items.map(({ input }) => JSON.stringify(input)),
        items.map(({ options }) => JSON.stringify(options)),
      ],
    );
    await tellQueued(sql);
    await tellChanged(sql, id);
    const job = jobOf(row);
    if (job === undefined) throw new Geo2Error('DATABASE_FAILED', 'The job was not inserted.');
    return job;
  }

  async function refuseWhenFull(sql: Sql): Promise<void> {
    const [row] = await sql.query('select count(*) as unfinished from geo2.jobs where finished_at is null');
    if (z.object({ unfinished: z.int() }).parse(row).unfinished < maxUnfinished) return;
    throw new Geo2Error('OVERLOADED', `${maxUnfinished} jobs wait already; try again later.`, {
      data: { retryAfterS: 30 },
    });
  }

  async function itemOf(jobId: string, row: ItemRow): Promise<JobItem> {
    const { index, name, status, error } = row;
    const result = status === 'succeeded' ? await readResult(store, { jobId, index }) : undefined;
    return { index, name: name ?? undefined, status, result, error: error ?? undefined };
  }

  async function* follow(job: Job, { afterSeq, signal }: { afterSeq: number; signal: AbortSignal }) {
    let seq = afterSeq;
    let current: Job | undefined = job;
    const changes = watch(signals, job.id, signal);
    try {
      while (current !== undefined && !signal.aborted) {
        const change = changes.next();
        const { events, more } = await readEvents(deps, current, { afterSeq: seq, signal });
        for (const event of events) {
          if (signal.aborted) return;
          yield event;
          seq = event.seq;
        }
        if (isFinal(current.status) && !more && seq >= lastSeqOf(current)) return;
        if (!more) yield* stepsUntil(change, { changes, seq, signal });
        current = await find(job.tenant, job.id);
      }
    } catch (error) {
      if (!(error instanceof Geo2Error && error.code === 'CANCELED')) throw error;
    } finally {
      changes.close();
    }
  }

  /** Until the job has changed, how far its items are: the newest of each time that the caller takes one. */
  async function* stepsUntil(
    change: Promise<void>,
    { changes, seq, signal }: { changes: ReturnType<typeof watch>; seq: number; signal: AbortSignal },
  ): AsyncGenerator<JobEvent> {
    const changed = change.then(() => undefined);
    changes.forgetStep(); // what was told before the last look may be of an item that has ended
    for (;;) {
      const found = await Promise.race([changed, changes.nextStep()]);
      if (found === undefined || signal.aborted) return;
      const { jobId: id, ...step } = found;
      yield { seq, type: 'step', data: { id, ...step } };
    }
  }

  return {
    async stage(tenant) {
      await ready();
      return stageInputs(deps, tenant);
    },

    async submit(newJob) {
      checkItems(newJob);
      await ready();
      const asked = tracer.current(); // the request's own span: in the transaction it may be a statement's
      const job = await database.transaction((sql) => insert(sql, newJob, asked));
      observer.onSubmitted?.(job);
      return job;
    },

    get: find,

    async list(tenant, { limit, cursor }): Promise<JobsPage> {
      const from = cursor === undefined ? undefined : parseCursor(cursor);
      await ready();
      const rows = await database.query(
        `select ${JOB_COLUMNS} from geo2.jobs
          where tenant = $1 and ($2::timestamptz is null or (created_at, id) < ($2, $3))
          order by created_at desc, id desc limit $4`,
        [tenant, from?.createdAt ?? null, from?.id ?? '', limit + 1],
      );
      const jobs = rows.slice(0, limit).flatMap((row) => jobOf(row) ?? []);
      const last = jobs.at(-1);
      return { jobs, next: rows.length > limit && last !== undefined ? cursorOf(last) : undefined };
    },

    async items(tenant, id, { from, limit }): Promise<JobItemsPage | undefined> {
      const job = await find(tenant, id);
      if (job === undefined) return undefined;
      const rows = itemRowsOf(
        await database.query(
          `select ${ITEM_COLUMNS} from geo2.job_items
            where tenant = $1 and job_id = $2 and index >= $3 order by index limit $4`,
          [tenant, id, from, limit],
        ),
      );
      const items: JobItem[] = [];
      for (let start = 0; start < rows.length; start += READS) {
        items.push(...(await Promise.all(rows.slice(start, start + READS).map((row) => itemOf(id, row)))));
      }
      const next = from + rows.length;
      return { items, next: rows.length > 0 && next < job.progress.total ? next : undefined };
    },

    async cancel(tenant, id) {
      await ready();
      return (await finish({ id, tenant, status: 'canceled' })) ?? find(tenant, id);
    },

    async events(tenant, id, options): Promise<AsyncIterable<JobEvent> | undefined> {
      const job = await find(tenant, id);
      return job === undefined ? undefined : follow(job, options);
    },

    async wait(tenant, id, { ms, signal }) {
      const over = AbortSignal.any([
        AbortSignal.timeout(Math.max(0, Math.round(ms))),
        ...(signal === undefined ? [] : [signal]),
      ]);
      const changes = watch(signals, id, over);
      try {
        for (;;) {
          const change = changes.next();
          const job = await find(tenant, id);
          if (job === undefined || isFinal(job.status) || over.aborted) return job;
          await change;
        }
      } finally {
        changes.close();
      }
    },
  };
}

function checkItems({ items, staged }: NewJob): void {
  if (items.length === 0) throw new Geo2Error('INVALID_REQUEST', 'A job needs an image.');
  if (items.length > MAX_JOB_ITEMS) {
    throw new Geo2Error('BATCH_TOO_LARGE', `A job takes ${MAX_JOB_ITEMS} images, not ${items.length}.`);
  }
  const own = staged === undefined ? undefined : `${inputsFolder(staged.jobId)}/`;
  for (const { input } of items) {
    if (input.type !== 'object' || (own !== undefined && input.key.startsWith(own))) continue;
    throw new Geo2Error('INVALID_REQUEST', `${input.key} was not staged for this job.`);
  }
}

/** Hears of one job. A promise of `next` is kept from the moment it is asked for, so that no change is missed. */
function watch(signals: JobSignals, id: string, signal: AbortSignal) {
  const waiting = new Set<() => void>();
  let latest: ItemStep | undefined;
  let heard = Promise.withResolvers<void>();
  const closeSteps = signals.onStep((step) => {
    if (step.jobId !== id) return;
    latest = step;
    heard.resolve();
  });
  const wake = (): void => {
    for (const each of waiting) each();
    waiting.clear();
  };
  const close = signals.onChange((changed) => {
    if (changed === undefined || changed === id) wake();
  });
  signal.addEventListener('abort', wake);
  const look = setInterval(wake, LOOK_MS);
  return {
    next: () =>
      new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        else waiting.add(resolve);
      }),
    /** The newest that was told since the last call or `forgetStep`. */
    async nextStep(): Promise<ItemStep | undefined> {
      await heard.promise;
      this.forgetStep();
      return latest;
    },
    forgetStep(): void {
      heard = Promise.withResolvers();
    },
    close(): void {
      clearInterval(look);
      close();
      closeSteps();
      signal.removeEventListener('abort', wake);
      wake();
    },
  };
}

function cursorOf({ createdAt, id }: Job): string {
  return Buffer.from(`${createdAt.toISOString()} ${id}`).toString('base64url');
}

const CursorSchema = z.tuple([z.iso.datetime(), z.string().regex(/^job_[a-z2-7]{26}$/)]);

function parseCursor(cursor: string): { createdAt: Date; id: string } {
  const parsed = CursorSchema.safeParse(Buffer.from(cursor, 'base64url').toString('utf8').split(' '));
  if (!parsed.success) {
    throw new Geo2Error('INVALID_REQUEST', 'The cursor is none that a page gave; leave it out to begin at the newest.');
  }
  const [createdAt, id] = parsed.data;
  return { createdAt: new Date(createdAt), id };
}
