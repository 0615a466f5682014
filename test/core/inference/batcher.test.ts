import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Geo2Error } from '#core/errors.ts';
import { type BatcherOptions, createBatcher } from '#core/inference/batcher.ts';

interface Doubled {
  readonly value: number;
}

/** Batches wait for `finish`, which answers the oldest one. */
function steppedBatcher(overrides: Partial<BatcherOptions<number, Doubled>> = {}) {
  const batches: { items: readonly number[]; finish: () => void; fail: (error: Error) => void }[] = [];
  let ran = 0;
  const batcher = createBatcher<number, Doubled>({
    graph: 'test',
    maxBatch: 4,
    maxWaitMs: 0,
    maxQueue: 6,
    nowMs: () => performance.now(),
    observer: {},
    execute: (items) =>
      new Promise((resolve, reject) => {
        batches.push({
          items,
          finish: () => resolve({ outputs: items.map((value) => ({ value: value * 2 })), computeMs: 1 }),
          fail: reject,
        });
      }),
    ...overrides,
  });
  async function next() {
    for (let turn = 0; turn < 1000; turn++) {
      const batch = batches[ran];
      if (batch !== undefined) {
        ran++;
        return batch;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error('no batch came');
  }
  return { batcher, next, batches };
}

const values = (outputs: readonly Doubled[]) => outputs.map((output) => output.value);

describe('batching', () => {
  test('the first call runs at once and alone, what comes meanwhile shares the next batch', async () => {
    const { batcher, next } = steppedBatcher();
    const calls = [1, 2, 3, 4].map((item) => batcher.submit([item], {}));
    const first = await next();
    expect(first.items).toEqual([1]);
    first.finish();
    const second = await next();
    expect(second.items).toEqual([2, 3, 4]);
    second.finish();
    expect((await Promise.all(calls)).flatMap(values)).toEqual([2, 4, 6, 8]);
  });

  test('a call larger than a batch is split and comes back in order', async () => {
    const { batcher, next } = steppedBatcher();
    const call = batcher.submit([1, 2, 3, 4, 5, 6], {});
    for (const expected of [
      [1, 2, 3, 4],
      [5, 6],
    ]) {
      const batch = await next();
      expect(batch.items).toEqual(expected);
      batch.finish();
    }
    expect(values(await call)).toEqual([2, 4, 6, 8, 10, 12]);
  });

  test('asked to wait for company, it gathers until the time is over or the batch is full', async () => {
    const { batcher, next, batches } = steppedBatcher({ maxWaitMs: 20 });
    void batcher.submit([1], {});
    void batcher.submit([2], {});
    expect(batches).toHaveLength(0);
    const gathered = await next();
    expect(gathered.items).toEqual([1, 2]);
    gathered.finish();
    await batcher.idle();
    void batcher.submit([3, 4, 5, 6], {});
    expect(batches).toHaveLength(2);
  });

  test('no items need no batch', async () => {
    expect(await steppedBatcher().batcher.submit([], {})).toEqual([]);
  });

  test('whatever the sizes, every call gets its own answers', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.integer(), { minLength: 1, maxLength: 9 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 7 }),
        async (calls, maxBatch) => {
          const batcher = createBatcher<number, Doubled>({
            graph: 'test',
            maxBatch,
            maxWaitMs: 0,
            maxQueue: 1000,
            nowMs: () => performance.now(),
            observer: {},
            execute: async (items) => {
              expect(items.length).toBeLessThanOrEqual(maxBatch);
              return { outputs: items.map((value) => ({ value: value * 2 })), computeMs: 1 };
            },
          });
          const answers = await Promise.all(calls.map((items) => batcher.submit(items, {})));
          expect(answers.map(values)).toEqual(calls.map((items) => items.map((item) => item * 2)));
          expect(batcher.pending).toBe(0);
        },
      ),
    );
  });
});

describe('what is refused or dropped', () => {
  test('more than the queue holds, with the time to come back; what waits is not disturbed', async () => {
    const { batcher, next } = steppedBatcher();
    const running = batcher.submit([0], {});
    const waiting = [1, 2, 3, 4, 5, 6].map((item) => batcher.submit([item], {}));
    await expect(batcher.submit([7], {})).rejects.toMatchObject({
      code: 'OVERLOADED',
      data: { retryAfterS: expect.any(Number), retryable: true },
    });
    for (let i = 0; i < 3; i++) (await next()).finish();
    expect((await Promise.all([running, ...waiting])).flatMap(values)).toEqual([0, 2, 4, 6, 8, 10, 12]);
  });

  test('a call whose deadline passes in the queue leaves it', async () => {
    const { batcher, next } = steppedBatcher();
    const running = batcher.submit([1], {});
    const late = batcher.submit([2], { deadlineMs: 10 });
    await expect(late).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(batcher.pending).toBe(1);
    (await next()).finish();
    expect(values(await running)).toEqual([2]);
  });

  test('a call whose deadline passes while it runs is answered then, not later', async () => {
    const { batcher, next } = steppedBatcher();
    await expect(batcher.submit([1], { deadlineMs: 10 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    (await next()).finish();
    await batcher.idle();
  });

  test('a deadline that has passed already costs no run', async () => {
    const { batcher, batches } = steppedBatcher();
    await expect(batcher.submit([1], { deadlineMs: 0 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(batches).toHaveLength(0);
  });

  test('a canceled call leaves the queue and its company goes on', async () => {
    const { batcher, next } = steppedBatcher();
    const leaving = new AbortController();
    const running = batcher.submit([1], {});
    const gone = batcher.submit([2, 3], { signal: leaving.signal });
    const staying = batcher.submit([4], {});
    leaving.abort();
    await expect(gone).rejects.toMatchObject({ code: 'CANCELED' });
    (await next()).finish();
    const second = await next();
    expect(second.items).toEqual([4]);
    second.finish();
    expect(values(await running)).toEqual([2]);
    expect(values(await staying)).toEqual([8]);
  });

  test('a failed batch fails its calls, and their parts that still wait; the next batch is served', async () => {
    const { batcher, next, batches } = steppedBatcher();
    const split = batcher.submit([1, 2, 3, 4, 5, 6], {});
    const after = batcher.submit([9].slice(0, 0), {}).then(() => undefined);
    (await next()).fail(new Geo2Error('INFERENCE_CRASHED', 'gone', { data: { retryable: true } }));
    await expect(split).rejects.toMatchObject({ code: 'INFERENCE_CRASHED' });
    await after;
    const next2 = batcher.submit([7], {});
    const batch = await next();
    expect(batch.items).toEqual([7]);
    batch.finish();
    expect(values(await next2)).toEqual([14]);
    expect(batches).toHaveLength(2);
  });

  test('one bad item fails its own call only', async () => {
    const batcher = createBatcher<number, Doubled>({
      graph: 'test',
      maxBatch: 4,
      maxWaitMs: 5,
      maxQueue: 10,
      nowMs: () => performance.now(),
      observer: {},
      execute: async (items) => ({
        outputs: items.map((value) => (value < 0 ? new Geo2Error('INFERENCE_FAILED', 'NaN') : { value })),
        computeMs: 1,
      }),
    });
    const [good, bad] = await Promise.allSettled([batcher.submit([1], {}), batcher.submit([2, -1], {})]);
    expect(good).toMatchObject({ status: 'fulfilled' });
    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'INFERENCE_FAILED' } });
  });

  test('everyone is told when it ends', async () => {
    const { batcher, next } = steppedBatcher();
    const calls = [batcher.submit([1], {}), batcher.submit([2], {})];
    await next();
    batcher.rejectAll(new Geo2Error('MODEL_UNAVAILABLE', 'gone'));
    for (const call of calls) await expect(call).rejects.toMatchObject({ code: 'MODEL_UNAVAILABLE' });
  });
});

test('observers see outcomes, batch sizes and what is pending', async () => {
  const seen: string[] = [];
  const { batcher, next } = steppedBatcher({
    observer: {
      onRequest: ({ graph, outcome, reason, items }) =>
        seen.push(`${graph} ${items} ${outcome} ${reason ?? ''}`.trim()),
      onBatch: ({ size, queueMs }) => seen.push(`batch of ${size}, ${queueMs.length} waits`),
      onPending: ({ pending }) => seen.push(`pending ${pending}`),
    },
  });
  const call = batcher.submit([1, 2], {});
  await expect(batcher.submit([1, 2, 3, 4, 5, 6, 7], {})).rejects.toThrow();
  (await next()).finish();
  await call;
  await batcher.idle();
  expect(seen).toEqual([
    'pending 2',
    'test 7 failure OVERLOADED',
    'batch of 2, 2 waits',
    'pending 0',
    'test 2 success',
  ]);
});
