import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import { MATCHED, problemOf } from '../app-under-test.ts';
import { type OwnDatabase, openPglite } from '../each-database.ts';
import { bearer, keyedApp, photo } from './keys-under-test.ts';

let own: OwnDatabase;
beforeAll(async () => {
  own = await openPglite(MIGRATIONS);
});
afterAll(() => own.stop());

const rateOf = ({ headers }: Response): [string | null, string | null] => [
  headers.get('ratelimit-policy'),
  headers.get('ratelimit'),
];

describe('a key’s quota', () => {
  test('is told with every counted answer, also with refusals', async () => {
    const { request, keyOf } = await keyedApp(own.database, { rate: { requests: 60, windowS: 60 } });
    const headers = bearer(await keyOf('acme'));
    expect(rateOf(await request('/v1/geolocate', photo(headers)))).toEqual([
      '"default";q=60;w=60',
      '"default";r=59;t=60',
    ]);
    const refused = await request('/v1/geolocate?topK=0', photo(headers));
    expect(refused.status).toBe(422);
    expect(rateOf(refused)).toEqual(['"default";q=60;w=60', expect.stringMatching(/^"default";r=58;t=(60|59)$/)]);
    const forbidden = await request('/v1/keys', { headers });
    expect(forbidden.status).toBe(403);
    expect(rateOf(forbidden)[1]).toMatch(/r=57/);
  });

  test('that is used up is 429 with the time of the next window, and the use case is not asked', async () => {
    const { request, keyOf, asked } = await keyedApp(own.database, { rate: { requests: 2, windowS: 600 } });
    const headers = bearer(await keyOf('acme'));
    for (let i = 0; i < 2; i += 1) await request('/v1/geolocate', photo(headers));
    const response = await request('/v1/geolocate', photo(headers));
    expect(rateOf(response)).toEqual([
      '"default";q=2;w=600',
      expect.stringMatching(/^"default";r=0;t=(600|599|59\d)$/),
    ]);
    const afterS = Number(response.headers.get('retry-after'));
    expect(afterS).toBeGreaterThan(590);
    expect(afterS).toBeLessThanOrEqual(600);
    expect(await problemOf(response)).toMatchObject({ status: 429, code: 'RATE_LIMITED', retryable: true });
    expect(asked).toHaveLength(2);
    expect((await request('/v1/geolocate', photo(bearer(await keyOf('acme'))))).status).toBe(200);
  });

  test('may be the key’s own', async () => {
    const { request, keyOf } = await keyedApp(own.database, { rate: { requests: 1, windowS: 60 } });
    const headers = bearer(await keyOf('acme', { rate: { requests: 3, windowS: 9 } }));
    const statuses = [];
    for (let i = 0; i < 4; i += 1) statuses.push((await request('/v1/geolocate', photo(headers))).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
  });

  test('is not touched by what is free', async () => {
    const { request, keyOf } = await keyedApp(own.database, { rate: { requests: 1, windowS: 600 } });
    const headers = bearer(await keyOf('acme'));
    for (const path of [
      '/v1/regions',
      '/v1/coverage',
      '/v1/regions/x',
      '/v1/regions/x/imagery/1/0/0',
      '/v2/health/live',
    ]) {
      for (let i = 0; i < 3; i += 1) {
        const response = await request(path, { headers });
        expect(response.status, path).not.toBe(429);
        expect(rateOf(response), path).toEqual([null, null]);
      }
    }
    expect((await request('/v1/geolocate', photo(headers))).status).toBe(200);
  });

  test('there is none without a key', async () => {
    const { request } = await keyedApp(own.database, { withoutKey: 'local', rate: { requests: 1, windowS: 600 } });
    for (let i = 0; i < 5; i += 1) {
      const response = await request('/v1/geolocate', photo());
      expect([response.status, ...rateOf(response)]).toEqual([200, null, null]);
    }
  });
});

describe('a key’s requests in flight', () => {
  test('are limited with 429, which leaves other keys alone, and are free again when one is answered', async () => {
    const held: PromiseWithResolvers<void>[] = [];
    const { request, keyOf } = await keyedApp(
      own.database,
      { maxConcurrent: 2 },
      {
        geolocate: async () => {
          const gate = Promise.withResolvers<void>();
          held.push(gate);
          await gate.promise;
          return MATCHED;
        },
      },
    );
    const headers = bearer(await keyOf('acme'));
    const first = request('/v1/geolocate', photo(headers));
    const second = request('/v1/geolocate', photo(headers));
    await expect.poll(() => held.length).toBe(2);
    const third = await request('/v1/geolocate', photo(headers));
    expect(third.headers.get('retry-after')).toBe('1');
    expect(third.headers.get('ratelimit')).toMatch(/^"default";r=\d+;t=\d+$/);
    expect(await problemOf(third)).toMatchObject({ status: 429, code: 'TOO_MANY_IN_FLIGHT', retryable: true });

    const other = request('/v1/geolocate', photo(bearer(await keyOf('acme'))));
    await expect.poll(() => held.length).toBe(3);
    for (const gate of held) gate.resolve();
    expect([(await first).status, (await second).status, (await other).status]).toEqual([200, 200, 200]);

    const next = request('/v1/geolocate', photo(headers));
    await expect.poll(() => held.length).toBe(4);
    held.at(-1)?.resolve();
    expect((await next).status).toBe(200);
  });

  test('of which one failed leave its place, too', async () => {
    const { request, keyOf } = await keyedApp(
      own.database,
      { maxConcurrent: 1 },
      { geolocate: () => Promise.reject(new Error('broken')) },
    );
    const headers = bearer(await keyOf('acme'));
    for (let i = 0; i < 3; i += 1) expect((await request('/v1/geolocate', photo(headers))).status).toBe(500);
  });
});
