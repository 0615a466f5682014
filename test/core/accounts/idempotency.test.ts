import { expect, test } from 'vitest';
import { createIdempotency, KEPT_MS, LEASE_MS, type RepeatableRequest } from '#core/accounts/idempotency.ts';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import { eachDatabase } from '../../each-database.ts';

const START_MS = Date.parse('2026-06-01T12:00:00Z');
const answer = new Uint8Array([1, 2, 3]);

eachDatabase(MIGRATIONS, (own) => {
  let holders = 0;
  function at(ms: number) {
    const newHolder = (): string => `holder-${++holders}`;
    return createIdempotency({ ...own(), now: () => new Date(START_MS + ms), newHolder });
  }
  let names = 0;
  function newRequest(): RepeatableRequest {
    return { tenant: 'acme', keyId: 'key_a', route: 'POST /v1/batches', name: `name-${++names}` };
  }
  async function claimed(ms: number, request: RepeatableRequest) {
    const claim = await at(ms).claim(request);
    if (claim.type !== 'claimed') throw new Error(`it is ${claim.type}`);
    return claim;
  }

  test('the first of many at the same time does the work', async () => {
    const request = newRequest();
    const claims = await Promise.all(Array.from({ length: 20 }, () => at(0).claim(request)));
    expect(claims.filter(({ type }) => type === 'claimed')).toHaveLength(1);
    expect(claims.filter(({ type }) => type === 'in_flight')).toHaveLength(19);
  });

  test('an answer that was kept is given for a day, then the name is free', async () => {
    const request = newRequest();
    const { holder } = await claimed(0, request);
    await at(5).keep(request, holder, { bodyHash: 'abc', answer });
    const again = await at(5 + KEPT_MS - 1).claim(request);
    expect(again).toMatchObject({ type: 'answered', bodyHash: 'abc' });
    expect(again.type === 'answered' && [...again.answer]).toEqual([1, 2, 3]);
    expect(await at(5 + KEPT_MS).claim(request)).toMatchObject({ type: 'claimed', bodyHash: undefined });
  });

  test('a name that was released is free at once', async () => {
    const request = newRequest();
    const { holder } = await claimed(0, request);
    await at(0).release(request, holder);
    await claimed(0, request);
  });

  test('whoever died in the middle frees the name when its lease ends, and cannot answer any more', async () => {
    const request = newRequest();
    const { holder } = await claimed(0, request);
    expect(await at(LEASE_MS - 1).claim(request)).toEqual({ type: 'in_flight' });
    const next = await claimed(LEASE_MS, request);
    expect(await at(LEASE_MS).renew(request, holder)).toBe(false);
    await at(LEASE_MS).keep(request, holder, { bodyHash: 'late', answer });
    await at(LEASE_MS).release(request, holder);
    expect(await at(LEASE_MS).claim(request)).toEqual({ type: 'in_flight' });
    await at(LEASE_MS).keep(request, next.holder, { bodyHash: 'right', answer });
    expect(await at(LEASE_MS).claim(request)).toMatchObject({ type: 'answered', bodyHash: 'right' });
  });

  test('a lease that is renewed goes on', async () => {
    const request = newRequest();
    const { holder } = await claimed(0, request);
    expect(await at(LEASE_MS - 1).renew(request, holder)).toBe(true);
    expect(await at(2 * LEASE_MS - 2).claim(request)).toEqual({ type: 'in_flight' });
    await claimed(2 * LEASE_MS - 1, request);
  });

  test('an answer that was not kept may be worked out again, and what was asked is remembered', async () => {
    const request = newRequest();
    const { holder } = await claimed(0, request);
    await at(0).keep(request, holder, { bodyHash: 'abc' });
    const again = await claimed(1, request);
    expect(again.bodyHash).toBe('abc');
    expect(await at(1).claim(request)).toEqual({ type: 'in_flight' });
    await at(1).keep(request, again.holder, { bodyHash: 'abc' });
    expect((await claimed(2, request)).bodyHash).toBe('abc');
  });

  test('what a caller called its request is stored nowhere', async () => {
    const request = { ...newRequest(), name: 'order-of-mr-somebody' };
    await claimed(0, request);
    const stored = await own().database.query(`select * from geo2.idempotency where route = $1`, [request.route]);
    expect(stored.length).toBeGreaterThan(0);
    expect(JSON.stringify(stored)).not.toContain('somebody');
  });

  test.each([
    ['tenant', { tenant: 'other' }],
    ['API key', { keyId: 'key_b' }],
    ['route', { route: 'POST /v1/embed' }],
    ['name', { name: 'another-name' }],
  ])('the same with another %s is another request', async (_what, change) => {
    const request = newRequest();
    await claimed(0, request);
    await claimed(0, { ...request, ...change });
  });
});
