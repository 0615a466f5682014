import { describe, expect, test } from 'vitest';
import { createConcurrency } from '#core/accounts/concurrency.ts';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import { createRateLimiter } from '#core/accounts/rate-limiter.ts';
import { eachDatabase } from '../../each-database.ts';

const HOUR = { requests: 3, windowS: 3600 };

eachDatabase(MIGRATIONS, (own) => {
  test('a key may make its requests and no more, and each answer says how many are left', async () => {
    const limiter = createRateLimiter(own());
    const states = [];
    for (let i = 0; i < 5; i += 1) states.push(await limiter.count('key_a', HOUR));
    expect(states.map(({ allowed, remaining }) => [allowed, remaining])).toEqual([
      [true, 2],
      [true, 1],
      [true, 0],
      [false, 0],
      [false, 0],
    ]);
    for (const { resetS, rate } of states) {
      expect(rate).toEqual(HOUR);
      expect(resetS).toBeGreaterThan(3500);
      expect(resetS).toBeLessThanOrEqual(3600);
    }
    expect(await limiter.count('key_b', HOUR)).toMatchObject({ allowed: true, remaining: 2 });
  });

  test('requests at the same time are counted each', async () => {
    const limiter = createRateLimiter(own());
    const rate = { requests: 20, windowS: 3600 };
    const states = await Promise.all(Array.from({ length: 50 }, () => limiter.count('key_at_once', rate)));
    expect(states.filter(({ allowed }) => allowed)).toHaveLength(20);
  });

  test('the next window begins anew', async () => {
    const limiter = createRateLimiter(own());
    const rate = { requests: 1, windowS: 1 };
    expect(await limiter.count('key_c', rate)).toMatchObject({ allowed: true, resetS: 1 });
    expect(await limiter.count('key_c', rate)).toMatchObject({ allowed: false });
    await expect.poll(async () => (await limiter.count('key_c', rate)).allowed, { timeout: 10_000 }).toBe(true);
  });

  test('a key with a rate of its own is held to that one', async () => {
    const limiter = createRateLimiter(own());
    expect(await limiter.count('key_d', { requests: 1, windowS: 60 })).toMatchObject({ allowed: true, remaining: 0 });
    expect(await limiter.count('key_e', { requests: 9, windowS: 60 })).toMatchObject({ allowed: true, remaining: 8 });
    expect(await limiter.count('key_d', { requests: 1, windowS: 60 })).toMatchObject({ allowed: false });
  });

  test('processes that share a server share a key’s quota', async () => {
    const second = own().another?.();
    if (second === undefined) return expect(own().database.kind).toBe('pglite'); // which is one process's
    const limiters = [createRateLimiter(own()), createRateLimiter({ database: second })];
    const allowed = [];
    for (let i = 0; i < 6; i += 1) allowed.push((await limiters[i % 2]?.count('key_shared', HOUR))?.allowed);
    expect(allowed).toEqual([true, true, true, false, false, false]);
  });
});

describe('requests in flight', () => {
  test('are as many as a key may have, until one has ended', () => {
    const concurrency = createConcurrency();
    const first = concurrency.enter('key_a', 2);
    const second = concurrency.enter('key_a', 2);
    expect(concurrency.enter('key_a', 2)).toBeUndefined();
    expect(concurrency.enter('key_b', 2)).toBeDefined();
    first?.();
    first?.(); // leaving twice frees one place
    expect(concurrency.enter('key_a', 2)).toBeDefined();
    expect(concurrency.enter('key_a', 2)).toBeUndefined();
    second?.();
    expect(concurrency.enter('key_a', 2)).toBeDefined();
  });
});
