import { describe, expect, test } from 'vitest';
import { createSlots } from '#core/jobs/slots.ts';

const going = new AbortController().signal;

/** Asks for places in this order; gives the names of those that came in, and a way to end the first of them that is there. */
function asking(count: number, names: readonly string[]) {
  const slots = createSlots(count);
  const entered: string[] = [];
  const inside: (() => void)[] = [];
  for (const name of names) {
    void slots.take(name, going).then((leave) => {
      entered.push(name);
      inside.push(leave);
    });
  }
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    async entered() {
      await settle();
      return entered.join('');
    },
    async next() {
      await settle();
      inside.shift()?.();
    },
  };
}

describe('places for items', () => {
  test('are as many as there are, and go to one tenant’s items in their order where nobody else asks', async () => {
    const { entered, next } = asking(2, ['a', 'a', 'a', 'a']);
    expect(await entered()).toBe('aa');
    await next();
    expect(await entered()).toBe('aaa');
    await next();
    expect(await entered()).toBe('aaaa');
  });

  test('go to the tenant that has the fewest', async () => {
    const { entered, next } = asking(3, ['a', 'a', 'a', 'a', 'a', 'a', 'b', 'b']);
    expect(await entered()).toBe('aaa');
    await next();
    expect(await entered()).toBe('aaab');
    await next();
    expect(await entered()).toBe('aaaba');
  });

  test('go round among tenants that have as many', async () => {
    const { entered, next } = asking(1, ['a', 'a', 'a', 'a', 'b', 'b', 'c']);
    for (let i = 0; i < 6; i++) await next();
    expect(await entered()).toBe('aabcaba');
  });

  test('are left once, however often that is said', async () => {
    const slots = createSlots(1);
    const leave = await slots.take('a', going);
    leave();
    leave();
    await slots.take('a', going);
    const third = slots.take('a', going).then(() => 'in');
    expect(await Promise.race([third, new Promise((resolve) => setImmediate(() => resolve('waits')))])).toBe('waits');
  });

  test('are not kept by a job that ended while it waited', async () => {
    const slots = createSlots(1);
    const ended = new AbortController();
    const leave = await slots.take('a', going);
    const late = slots.take('b', ended.signal);
    const next = slots.take('c', going);
    ended.abort();
    leave();
    await expect(late).rejects.toMatchObject({ code: 'CANCELED' });
    (await next)();
  });
});
