import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import type { EmbedOptions, ModelRun } from './model.ts';
import type { InferenceObserver } from './observer.ts';

/**
 * Gathers the items of many calls into batches for one graph. A batch starts as soon as none runs (after `maxWaitMs` when
 * asked to wait for company), so that one caller never waits and many share.
 */
export interface Batcher<I, O> {
  /** All items or an error; see EmbedOptions for the errors. */
  submit(items: readonly I[], options: EmbedOptions): Promise<O[]>;
  /** Items queued or running. */
  readonly pending: number;
  /** Resolves when nothing is pending. */
  idle(): Promise<void>;
  /** Rejects every call that still waits for an answer. */
  rejectAll(error: Geo2Error): void;
}

export interface BatcherOptions<I, O> {
  /** For the observer. */
  readonly graph: string;
  readonly maxBatch: number;
  readonly maxWaitMs: number;
  /** Items that may wait, beside those that run. */
  readonly maxQueue: number;
  readonly nowMs: () => number;
  readonly observer: InferenceObserver;
  /** Runs a batch; an item's own failure takes the place of its output. */
  readonly execute: (items: readonly I[]) => Promise<Executed<O>>;
}

export interface Executed<O> {
  readonly outputs: readonly (O | Geo2Error)[];
  readonly computeMs: number;
  /** Where and when it ran, where that is known. */
  readonly run?: Pick<ModelRun, 'pid' | 'startedAtMs'>;
}

interface Call<O> {
  readonly outputs: (O | undefined)[];
  missing: number;
  readonly enqueuedAtMs: number;
  queueMs: number | undefined;
  computeMs: number;
  settled: boolean;
  readonly onRun: EmbedOptions['onRun'];
  readonly resolve: () => void;
  readonly reject: (error: Geo2Error) => void;
}

interface Entry<I, O> {
  readonly item: I;
  readonly index: number;
  readonly call: Call<O>;
}

export function createBatcher<I, O extends object>(options: BatcherOptions<I, O>): Batcher<I, O> {
  const { graph, maxBatch, maxWaitMs, maxQueue, nowMs, observer, execute } = options;
  const calls = new Set<Call<O>>();
  const idleWaiters: (() => void)[] = [];
  let queue: Entry<I, O>[] = [];
  let running: Entry<I, O>[] = [];
  let gathering: NodeJS.Timeout | undefined;
  let itemMs = 50; // running mean, for Retry-After

  async function submit(items: readonly I[], call: EmbedOptions): Promise<O[]> {
    try {
      const outputs = await enqueue(items, call);
      observer.onRequest?.({ graph, items: items.length, outcome: 'success' });
      return outputs;
    } catch (error) {
      const failure = asGeo2Error(error);
      observer.onRequest?.({ graph, items: items.length, outcome: 'failure', reason: failure.code });
      throw failure;
    }
  }

  function enqueue(items: readonly I[], { signal, deadlineMs, onTiming, onRun }: EmbedOptions): Promise<O[]> {
    throwIfCanceled(signal);
    if (deadlineMs !== undefined && deadlineMs <= 0) throw tooLate(deadlineMs);
    if (items.length === 0) return Promise.resolve([]);
    if (queue.length + items.length > maxQueue) throw overloaded();

    return new Promise((resolve, reject) => {
      const onAbort = (): void => abandon(canceled(signal));
      const timer =
        deadlineMs === undefined ? undefined : setTimeout(() => abandon(tooLate(deadlineMs)), Math.ceil(deadlineMs));
      signal?.addEventListener('abort', onAbort, { once: true });

      const settle = (): void => {
        call.settled = true;
        calls.delete(call);
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
      };
      const call: Call<O> = {
        outputs: items.map(() => undefined),
        missing: items.length,
        enqueuedAtMs: nowMs(),
        queueMs: undefined,
        computeMs: 0,
        settled: false,
        onRun,
        resolve: () => {
          settle();
          onTiming?.({ queueMs: call.queueMs ?? 0, computeMs: call.computeMs });
          resolve(call.outputs.filter((output) => output !== undefined));
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      };
      const abandon = (error: Geo2Error): void => {
        if (call.settled) return;
        removeQueued(call);
        call.reject(error);
      };
      calls.add(call);
      items.forEach((item, index) => {
        queue.push({ item, index, call });
      });
      tellPending();
      startSoon();
    });
  }

  /** Takes what is not running yet out of the queue; what runs is finished and its answer dropped. */
  function removeQueued(call: Call<O>): void {
    queue = queue.filter((entry) => entry.call !== call);
    tellPending();
  }

  function startSoon(): void {
    if (running.length > 0 || queue.length === 0) return;
    if (maxWaitMs === 0 || queue.length >= maxBatch) {
      clearTimeout(gathering);
      gathering = undefined;
      void runBatch();
      return;
    }
    gathering ??= setTimeout(() => {
      gathering = undefined;
      if (running.length === 0 && queue.length > 0) void runBatch();
    }, maxWaitMs);
  }

  async function runBatch(): Promise<void> {
    const batch = queue.slice(0, maxBatch);
    queue = queue.slice(batch.length);
    running = batch;
    const startedAtMs = nowMs();
    for (const { call } of batch) call.queueMs ??= startedAtMs - call.enqueuedAtMs;
    try {
      const { outputs, computeMs, run } = await execute(batch.map((entry) => entry.item));
      observer.onBatch?.({
        graph,
        size: batch.length,
        queueMs: batch.map(({ call }) => startedAtMs - call.enqueuedAtMs),
        computeMs,
      });
      itemMs = 0.8 * itemMs + 0.2 * ((nowMs() - startedAtMs) / batch.length);
      for (const call of new Set(batch.map((entry) => entry.call))) {
        call.computeMs += computeMs;
        if (run !== undefined) call.onRun?.({ ...run, computeMs, images: batch.length });
      }
      batch.forEach((entry, index) => {
        deliver(entry, outputs[index]);
      });
    } catch (error) {
      failBatch(batch, asGeo2Error(error));
    }
    running = [];
    tellPending();
    startSoon();
  }

  function deliver({ call, index }: Entry<I, O>, output: O | Geo2Error | undefined): void {
    if (call.settled) return;
    if (output === undefined || output instanceof Geo2Error) {
      removeQueued(call);
      call.reject(output ?? new Geo2Error('INFERENCE_FAILED', 'The model gave fewer outputs than it got inputs.'));
      return;
    }
    call.outputs[index] = output;
    call.missing--;
    if (call.missing === 0) call.resolve();
  }

  function failBatch(batch: readonly Entry<I, O>[], error: Geo2Error): void {
    for (const { call } of batch) {
      if (call.settled) continue;
      removeQueued(call);
      call.reject(error);
    }
  }

  function tellPending(): void {
    observer.onPending?.({ graph, pending: queue.length + running.length });
    if (queue.length + running.length > 0) return;
    for (const resolve of idleWaiters.splice(0)) resolve();
  }

  function overloaded(): Geo2Error {
    const retryAfterS = Math.max(1, Math.ceil(((queue.length + running.length) * itemMs) / 1000));
    return new Geo2Error('OVERLOADED', `The model's queue is full (${queue.length} of ${maxQueue} waiting).`, {
      data: { retryAfterS, retryable: true },
    });
  }

  return {
    submit,
    get pending() {
      return queue.length + running.length;
    },
    idle() {
      if (queue.length + running.length === 0) return Promise.resolve();
      return new Promise((resolve) => {
        idleWaiters.push(resolve);
      });
    },
    rejectAll(error) {
      queue = [];
      for (const call of calls) call.reject(error);
      tellPending();
    },
  };
}

function tooLate(deadlineMs: number): Geo2Error {
  return new Geo2Error('DEADLINE_EXCEEDED', 'The deadline passed before the model answered.', {
    data: { deadlineMs, retryable: true },
  });
}

function asGeo2Error(error: unknown): Geo2Error {
  if (error instanceof Geo2Error) return error;
  return new Geo2Error('INFERENCE_FAILED', error instanceof Error ? error.message : String(error), { cause: error });
}
