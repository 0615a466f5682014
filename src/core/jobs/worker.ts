import { canceled, Geo2Error } from '../errors.ts';
import { readBytes } from '../storage/object-store.ts';
import type { Tracer } from '../tracing/tracer.ts';
import { untraced } from '../tracing/untraced.ts';
import {
  type Claim,
  type ClaimDeps,
  claimNext,
  giveBack,
  type PendingItem,
  pendingItems,
  recordItem,
  renewClaims,
} from './claims.ts';
import { createFinishJob, type FinishDeps } from './finish.ts';
import type { Job, JobError, JobKind } from './jobs.ts';
import { type ItemResult, writeResult } from './objects.ts';
import { itemErrorOf, retryAfterMs } from './retry.ts';
import { type ItemProgress, type JobSignals, tellStep } from './signals.ts';
import { createSlots } from './slots.ts';

/** Answers one item as its verb would. Errors: those of the verb; CANCELED when the signal aborts. */
export type RunItem = (item: {
  readonly kind: JobKind;
  readonly options: Readonly<Record<string, unknown>>;
  readonly image:
    | { readonly type: 'bytes'; readonly bytes: Uint8Array }
    | { readonly type: 'url'; readonly url: string }
    | { readonly type: 'none' };
  readonly signal: AbortSignal;
  /** To be told how far it is; it returns at once. */
  readonly onStep: (done: ItemProgress) => void;
}) => Promise<ItemResult>;

export interface JobWorker {
  /** Begins to take jobs. */
  start(): void;
  /** Takes no more; items in flight may end within `drainMs`, and what is left of their jobs goes back to the queue. */
  stop(drainMs: number): Promise<void>;
}

export interface JobWorkerDeps extends FinishDeps, ClaimDeps {
  readonly signals: JobSignals;
  readonly runItem: RunItem;
  readonly tracer: Tracer;
  /** Jobs at one time, without those of tenants that have no other here. */
  readonly maxJobs: number;
  /** Items at one time, over all jobs. */
  readonly maxItems: number;
  readonly maxImageBytes: number;
  readonly onError: (error: unknown, doing: string) => void;
}

interface Run {
  readonly claim: Claim;
  readonly controller: AbortController;
}

/** Where nobody tells of new jobs, they are found after this time. */
const LOOK_MS = 1_000;
/** How often leases are renewed; a job that somebody ended is let go at the latest then. */
const BEAT_MS = 500;
const PAUSE_AFTER_ERROR_MS = 500;
const BUSY_MS = 20;
/** How often it is told how far an item is. */
const STEP_MS = 100;
/** Jobs beyond `maxJobs`, each the only one of its tenant here: they hold little memory, and share the places of items. */
const MAX_GUESTS = 64;
/** A job that was taken up so often without finishing an item ends its workers, and is given up. */
const MAX_STALLS = 5;

/**
 * Runs jobs: takes one from the queue, runs its items that have no outcome yet, ends it. Everything that it writes is bound to
 * its claim. A job that is canceled or expires is let go at once; a worker that dies loses nothing but the items in flight.
 */
export function createJobWorker(deps: JobWorkerDeps): JobWorker {
  const { database, store, signals, runItem, tracer, observer, onError, maxJobs, maxImageBytes } = deps;
  const finish = createFinishJob(deps);
  const slots = createSlots(deps.maxItems);
  const running = new Map<string, Run>();
  const draining = new AbortController();
  let wake: () => void = () => {};
  let taking: Promise<void> | undefined;
  let beat: NodeJS.Timeout | undefined;
  let beating: Promise<void> | undefined;
  const ends: (() => void)[] = [];

  /** One at a time, so that a woken worker does not fetch as many jobs as it was called. */
  async function take(): Promise<void> {
    const jobs = new Set<Promise<void>>();
    while (!draining.signal.aborted) {
      wake(); // ends the timer of the last round
      const woken = new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, LOOK_MS);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      const claim = await takeNext().catch(failed('taking a job'));
      if (claim === 'failed') await pause(PAUSE_AFTER_ERROR_MS, draining.signal);
      else if (claim === 'busy') await pause(BUSY_MS, draining.signal);
      else if (claim === undefined) await woken;
      else {
        const run = runJob(claim).finally(() => {
          jobs.delete(run);
          wake();
        });
        jobs.add(run);
      }
    }
    wake();
    await Promise.all(jobs);
  }

  /** No tenant waits behind the jobs of another: one that has none here is served first, also where there is no room for more. */
  async function takeNext(): Promise<Claim | 'busy' | undefined> {
    const here = [...new Set([...running.values()].map(({ claim }) => claim.job.tenant))];
    const hasRoom = running.size < maxJobs;
    if (here.length > 0 && running.size < maxJobs + MAX_GUESTS) {
      const guest = await claimNext(deps, { except: here });
      if (guest !== undefined) return guest;
    }
    return hasRoom ? claimNext(deps) : undefined;
  }

  async function runJob(claim: Claim): Promise<void> {
    const { job } = claim;
    const controller = new AbortController();
    const run = { claim, controller };
    running.get(job.id)?.controller.abort(); // we lost it, and got it again
    running.set(job.id, run);
    observer.onRunning?.(running.size);
    if (claim.isFirst) observer.onStarted?.(job);
    try {
      if (claim.stalls > MAX_STALLS) await end(claim, { error: ABANDONED, signal: controller.signal });
      else if (await runItems(run)) await end(claim, { signal: controller.signal });
      else await untilDone(() => giveBack(deps, claim), 'giving a job back', controller.signal);
    } catch (error) {
      // it is not ours any more, or the database is away: then its lease runs out
      if (!controller.signal.aborted) onError(error, `running ${job.id}`);
    } finally {
      if (running.get(job.id) === run) running.delete(job.id);
      observer.onRunning?.(running.size);
    }
  }

  /** Whether all items have an outcome. Throws when the claim is lost. */
  async function runItems(run: Run): Promise<boolean> {
    const { claim } = run;
    const { signal } = run.controller;
    const items = await untilDone(() => pendingItems(deps, claim.job), 'reading items', signal);
    let begun = 0;
    const lanes = Array.from({ length: Math.min(deps.maxItems, items.length) }, async () => {
      // a lane with nothing left to do must not wait for a place to see that: its job could not end
      while (begun < items.length && !draining.signal.aborted) {
        const release = await slots.take(claim.job.tenant, signal);
        try {
          const item = items[begun];
          if (item === undefined || draining.signal.aborted) return;
          begun += 1;
          await runOne(run, item);
        } finally {
          release();
        }
      }
    });
    const outcomes = await Promise.allSettled(lanes);
    const rejected = outcomes.find((outcome) => outcome.status === 'rejected');
    if (rejected !== undefined) throw rejected.reason;
    return begun === items.length;
  }

  async function runOne({ claim, controller }: Run, item: PendingItem): Promise<void> {
    const { id, kind } = claim.job;
    const { signal } = controller;
    let error: JobError | undefined;
    try {
      const result = await attempt(claim, item, signal);
      await untilDone(() => writeResult(store, { jobId: id, index: item.index }, result), 'writing a result', signal);
    } catch (cause) {
      if (signal.aborted) throw canceled(signal);
      error = itemErrorOf(cause);
      if (error.code === 'INTERNAL' || !(cause instanceof Geo2Error)) onError(cause, `running an item of ${id}`);
    }
    const kept = await untilDone(
      () => recordItem(deps, claim, { index: item.index, error }),
      'recording an item',
      signal,
    );
    if (!kept) {
      controller.abort();
      throw canceled(signal);
    }
    observer.onItem?.({ kind, outcome: error === undefined ? 'succeeded' : 'failed' });
  }

  /** Runs an item until it has a result or its failure is final. */
  async function attempt({ job, asked }: Claim, item: PendingItem, signal: AbortSignal): Promise<ItemResult> {
    const { id, kind } = job;
    for (let tries = 1; ; tries++) {
      try {
        const image = await imageOf(item, signal);
        const { options, index } = item;
        const onStep = stepTeller({ jobId: id, index });
        return await tracer.span(`job ${kind}`, () => runItem({ kind, options, image, signal, onStep }), {
          kind: 'consumer',
          parent: asked,
          attributes: { 'geo2.job_id': id, 'geo2.item': item.index },
        });
      } catch (error) {
        if (signal.aborted) throw error;
        const waitMs = retryAfterMs(error, tries);
        if (waitMs === undefined) throw error;
        observer.onItem?.({ kind, outcome: 'retried' });
        await pause(waitMs, signal);
        if (signal.aborted) throw canceled(signal);
      }
    }
  }

  /** Tells of one step at a time, and no more often than is of use: the item does not wait for it. */
  function stepTeller(item: { jobId: string; index: number }): (done: ItemProgress) => void {
    let toldAtMs = Number.NEGATIVE_INFINITY;
    let isTelling = false;
    return untraced((done: ItemProgress) => {
      const nowMs = performance.now();
      if (isTelling || nowMs - toldAtMs < STEP_MS) return;
      isTelling = true;
      toldAtMs = nowMs;
      tellStep(database, { ...item, ...done })
        .catch((error: unknown) => onError(error, 'telling of a step'))
        .finally(() => {
          isTelling = false;
        });
    });
  }

  async function imageOf({ input }: PendingItem, signal: AbortSignal): Promise<Parameters<RunItem>[0]['image']> {
    if (input.type !== 'object') return input;
    const found = await readBytes(store, input.key, { maxBytes: maxImageBytes, signal });
    if (found !== undefined) return { type: 'bytes', bytes: found.bytes };
    throw new Geo2Error('FILE_MISSING', `The image ${input.key} is missing.`, { data: { file: input.key } });
  }

  async function end(claim: Claim, how: { error?: JobError; signal: AbortSignal }): Promise<void> {
    const { id } = claim.job;
    const { signal } = how;
    const error = how.error ?? (await untilDone(() => whyFailed(claim.job), 'reading a job', signal));
    const status = error === undefined ? 'succeeded' : 'failed';
    await untilDone(() => finish({ id, claim: claim.claim, status, error }), 'ending a job', signal);
  }

  /** A job in which no item has a result has failed, for the reason of its first. */
  async function whyFailed({ tenant, id, progress: { total } }: Job): Promise<JobError | undefined> {
    const [row] = await database.query(
      `select error ->> 'code' as code, error ->> 'message' as message from geo2.job_items
        where tenant = $1 and job_id = $2
          and not exists (select from geo2.job_items where tenant = $1 and job_id = $2 and status = 'succeeded')
        order by index limit 1`,
      [tenant, id],
    );
    if (row === undefined) return undefined;
    const first = { code: String(row.code), message: String(row.message) };
    if (total === 1) return first;
    return { code: first.code, message: `None of the ${total} images has a result; the first: ${first.message}` };
  }

  /** The database or the store may be away for a while: what must be written is tried until the job is no longer ours. */
  async function untilDone<T>(work: () => Promise<T>, doing: string, signal: AbortSignal): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        const waitMs = retryAfterMs(error, tries);
        if (waitMs === undefined || signal.aborted) throw error;
        onError(error, doing);
        await pause(waitMs, signal);
        if (signal.aborted) throw canceled(signal);
      }
    }
  }

  /** Renews what we have, and lets go what somebody else ended. */
  async function renew(): Promise<void> {
    const mine = [...running.values()];
    if (mine.length === 0) return;
    const kept = await renewClaims(
      deps,
      mine.map(({ claim }) => claim),
    );
    for (const { claim, controller } of mine) if (!kept.has(claim.job.id)) controller.abort();
  }

  /** Also called by whoever tells of a change, whose trace this is no part of. */
  const tick = untraced((): void => {
    beating ??= renew()
      .catch((error: unknown) => onError(error, 'renewing leases'))
      .finally(() => {
        beating = undefined;
      });
  });

  /** Told of a change of one of ours, looks at once whether it is still ours. */
  function heard(jobId: string | undefined): void {
    if (jobId === undefined || running.has(jobId)) looked();
  }

  let lookedAt = 0;
  /** Progress of our own jobs is news, too: looking at each would be work for nothing. */
  function looked(): void {
    const nowMs = performance.now();
    if (nowMs - lookedAt < 50) return;
    lookedAt = nowMs;
    tick();
  }

  function failed(doing: string): (error: unknown) => 'failed' {
    return (error) => {
      onError(error, doing);
      return 'failed';
    };
  }

  return {
    start() {
      ends.push(
        signals.onQueued(() => wake()),
        signals.onChange(heard),
      );
      beat = setInterval(tick, BEAT_MS);
      taking ??= take();
    },

    async stop(drainMs) {
      draining.abort();
      wake();
      for (const each of ends.splice(0)) each();
      const cut = setTimeout(() => {
        for (const { controller } of running.values()) controller.abort();
      }, drainMs);
      await taking;
      clearTimeout(cut);
      clearInterval(beat);
      await beating;
    },
  };
}

const ABANDONED: JobError = {
  code: 'JOB_ABANDONED',
  message: `The service ended ${MAX_STALLS} times while it ran this job; it is not tried again.`,
};

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
