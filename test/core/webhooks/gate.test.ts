import { expect, test } from 'vitest';
import { createGate } from '#core/webhooks/gate.ts';

test('a gate lets so many run at one time, in their order, and a failure gives its place on', async () => {
  const gate = createGate(2);
  const begun: number[] = [];
  let [running, most] = [0, 0];
  const work = (index: number) => async () => {
    begun.push(index);
    most = Math.max(most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running--;
    if (index % 3 === 0) throw new Error('failed');
    return index;
  };
  const results = await Promise.allSettled(Array.from({ length: 9 }, (_, index) => gate(work(index))));
  expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(most).toBe(2);
  expect(results.map(({ status }) => status === 'fulfilled')).toEqual(Array.from({ length: 9 }, (_, i) => i % 3 !== 0));
  expect(await gate(work(10))).toBe(10);
});
