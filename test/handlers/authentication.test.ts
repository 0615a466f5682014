import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { SCOPES } from '#core/accounts/caller.ts';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import { appUnderTest, problemOf } from '../app-under-test.ts';
import { type OwnDatabase, openPglite } from '../each-database.ts';
import { bearer, keyedApp, photo } from './keys-under-test.ts';

let own: OwnDatabase;
beforeAll(async () => {
  own = await openPglite(MIGRATIONS);
});
afterAll(() => own.stop());

const DocumentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** Every operation of /v1 in the document that the app serves, with made-up ids. */
async function operationsOf(request: (path: string) => Promise<Response>) {
  const { paths } = DocumentSchema.parse(await (await request('/openapi.json')).json());
  return Object.entries(paths)
    .flatMap(([path, item]) =>
      Object.keys(item).map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, '1') })),
    )
    .filter(({ path }) => path.startsWith('/v1/'));
}

describe('where keys are needed', () => {
  test('every route of /v1 answers 401 without one, and says how to send it', async () => {
    const { request } = await keyedApp(own.database);
    const operations = await operationsOf(request);
    expect(operations.length).toBeGreaterThan(5);
    for (const { method, path } of operations) {
      const response = await request(path, { method });
      expect(response.headers.get('www-authenticate'), path).toBe('Bearer realm="geo2"');
      expect(await problemOf(response), path).toMatchObject({
        status: 401,
        code: 'KEY_REQUIRED',
        detail: expect.stringMatching(/Authorization: Bearer KEY.*X-API-Key/),
      });
    }
  });

  test('every route of /v1 asks for a scope, and names it', async () => {
    const { request, access } = await keyedApp(own.database);
    const { text } = await access.keys.create({ tenant: 'scopeless', name: 'none', scopes: [] });
    for (const { method, path } of await operationsOf(request)) {
      const response = await request(path, { method, headers: bearer(text) });
      const [, scope = ''] = /scope="([a-z:]+)"/.exec(response.headers.get('www-authenticate') ?? '') ?? [];
      expect(SCOPES, `${method} ${path}`).toContain(scope);
      expect(await problemOf(response), path).toMatchObject({
        status: 403,
        code: 'SCOPE_REQUIRED',
        detail: expect.stringContaining(scope),
      });
    }
  });

  test('nothing is told of addresses that do not exist, and health, metrics and documents need no key', async () => {
    const { request } = await keyedApp(own.database);
    expect((await request('/v1/nowhere')).status).toBe(401);
    for (const path of ['/v2/health/live', '/metrics', '/docs', '/openapi.json', '/']) {
      expect((await request(path)).status, path).toBe(200);
    }
  });

  test('another origin’s page may ask before it sends its key, and may read why it was refused', async () => {
    const { request } = await keyedApp(own.database);
    const origin = 'https://app.example';
    const asked = await request('/v1/geolocate', {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' },
    });
    expect(asked.status).toBe(204);
    expect(asked.headers.get('access-control-allow-headers')).toMatch(/Authorization.*Idempotency-Key.*X-API-Key/);
    const refused = await request('/v1/geolocate', photo({ origin }));
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe('*');
    expect(refused.headers.get('access-control-expose-headers')).toMatch(/RateLimit.*Retry-After.*WWW-Authenticate/);
  });

  test('the document says so, and says nothing of it where none is needed', async () => {
    const { request } = await keyedApp(own.database);
    const schema = z.object({ paths: z.object({ '/v1/geolocate': z.object({ post: z.looseObject({}) }) }) });
    const needed = schema.parse(await (await request('/openapi.json')).json()).paths['/v1/geolocate'].post;
    expect(needed.security).toEqual([{ bearer: [] }, { apiKey: [] }]);
    const free = await appUnderTest();
    const open = schema.parse(await (await free.request('/openapi.json')).json()).paths['/v1/geolocate'].post;
    expect(open.security).toBeUndefined();
  });
});

describe('a key', () => {
  test.each([
    ['Authorization: Bearer', (key: string) => ({ authorization: `Bearer ${key}` })],
    ['in any case and with spaces', (key: string) => ({ authorization: `  bEARER   ${key} ` })],
    ['X-API-Key', (key: string) => ({ 'x-api-key': key })],
    ['both, if it is the same', (key: string) => ({ authorization: `Bearer ${key}`, 'x-api-key': key })],
  ])('opens by %s', async (_how, headers) => {
    const { request, keyOf } = await keyedApp(own.database);
    expect((await request('/v1/geolocate', photo(headers(await keyOf('acme'))))).status).toBe(200);
  });

  test('with the scope admin opens everything', async () => {
    const { request, keyOf } = await keyedApp(own.database);
    const key = await keyOf('acme', { scopes: ['admin'] });
    expect((await request('/v1/geolocate', photo(bearer(key)))).status).toBe(200);
    expect((await request('/v1/keys', { headers: bearer(key) })).status).toBe(200);
  });

  test('is named in the log by its id and tenant, and never by its text', async () => {
    const { request, keyOf, log } = await keyedApp(own.database);
    const key = await keyOf('acme');
    await request('/v1/geolocate', photo(bearer(key)));
    expect(log.at(-1)).toMatchObject({ tenant: 'acme', keyId: expect.stringMatching(/^key_/), status: 200 });
    await request('/v1/geolocate', photo(bearer(`${key}x`)));
    expect(JSON.stringify(log)).not.toContain(key.slice(9));
  });

  test.each([
    ['two different keys', { authorization: 'Bearer a', 'x-api-key': 'b' }, /different keys/],
    ['another scheme', { authorization: 'Basic dXNlcjpwYXNz' }, /Authorization: Bearer KEY/],
    ['no scheme', { authorization: 'geo2_000000000000000000000000000000000000' }, /Authorization: Bearer KEY/],
    ['two words', { authorization: 'Bearer a b' }, /Authorization: Bearer KEY/],
    ['an empty bearer', { authorization: 'Bearer ' }, /empty/],
    ['an empty X-API-Key', { 'x-api-key': '' }, /empty/],
    ['a mistyped key', { authorization: 'Bearer geo2_0000000000000000000000000000002oeR0x' }, /mistyped/],
    ['an unknown key', { authorization: 'Bearer geo2_0000000000000000000000000000002oeR0y' }, /not known/],
    ['a megabyte of a key', { 'x-api-key': `geo2_${'a'.repeat(1_000_000)}` }, /mistyped/],
    ['a megabyte of a bearer', { authorization: `Bearer ${'a'.repeat(1_000_000)}` }, /Authorization: Bearer KEY/],
    ['a megabyte of spaces', { authorization: `Bearer${' '.repeat(1_000_000)}a` }, /Authorization: Bearer KEY/],
  ])('%s: 401 with what to do, also where no key is needed', async (_what, headers, detail) => {
    for (const withoutKey of ['required', 'local', 'open'] as const) {
      const { request, asked } = await keyedApp(own.database, { withoutKey });
      const startedAtMs = performance.now();
      const response = await request('/v1/geolocate', photo(headers));
      expect(response.headers.get('www-authenticate')).toBe('Bearer realm="geo2", error="invalid_token"');
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ status: 401, code: 'KEY_INVALID', detail: expect.stringMatching(detail) });
      expect(problem.detail.length).toBeLessThan(300);
      expect(performance.now() - startedAtMs).toBeLessThan(5_000);
      expect(asked).toEqual([]);
    }
  });

  test('that has expired or was revoked is told so', async () => {
    const { request, keyOf, access } = await keyedApp(own.database);
    const expired = await keyOf('acme', { expiresAt: new Date(Date.now() - 1000) });
    const expiredProblem = await problemOf(await request('/v1/regions', { headers: bearer(expired) }));
    expect(expiredProblem).toMatchObject({ status: 401, code: 'KEY_EXPIRED', retryable: false });
    const { key, text } = await access.keys.create({ tenant: 'acme', name: 'x', scopes: ['regions:read'] });
    expect((await request('/v1/regions', { headers: bearer(text) })).status).toBe(200);
    await access.keys.revoke(key.id);
    const revokedProblem = await problemOf(await request('/v1/regions', { headers: bearer(text) }));
    expect(revokedProblem).toMatchObject({ status: 401, code: 'KEY_REVOKED', retryable: false });
  });

  test('makes an answer private, which anybody may keep where no key was sent', async () => {
    const { request, keyOf } = await keyedApp(own.database, { withoutKey: 'local' });
    const open = await request('/v1/regions');
    expect(open.headers.get('cache-control')).toBe('public, max-age=60');
    const keyed = await request('/v1/regions', { headers: bearer(await keyOf('acme')) });
    expect(keyed.headers.get('cache-control')).toBe('private, max-age=60');
    for (const { headers } of [open, keyed]) expect(headers.get('vary')).toMatch(/authorization, x-api-key/);
    const unchanged = await request('/v1/regions', {
      headers: { ...bearer(await keyOf('acme')), 'if-none-match': keyed.headers.get('etag') ?? '' },
    });
    expect(unchanged.status).toBe(304);
    expect(unchanged.headers.get('cache-control')).toBe('private, max-age=60');
    expect(unchanged.headers.get('vary')).toMatch(/authorization, x-api-key/);
  });
});

describe('without a key, on loopback', () => {
  const manage = (init: RequestInit = {}, url = 'http://127.0.0.1:8080/v1/keys') => ({ url, init });

  test.each([
    ['a program of this machine', manage()],
    ['by the name localhost', manage({}, 'http://localhost:8080/v1/keys')],
    ['by IPv6', manage({}, 'http://[::1]:8080/v1/keys')],
    ['the service’s own page', manage({ headers: { origin: 'http://127.0.0.1:8080' } })],
  ])('%s may do everything', async (_who, { url, init }) => {
    const { request } = await keyedApp(own.database, { withoutKey: 'local' });
    expect((await request(url, init)).status).toBe(200);
  });

  test.each([
    ['another origin’s page', manage({ headers: { origin: 'https://evil.example' } })],
    ['a page without an origin', manage({ headers: { origin: 'null' } })],
    ['a name that was bound to this machine', manage({}, 'http://evil.example:8080/v1/keys')],
    ['what a proxy sends on', manage({ headers: { 'x-forwarded-for': '203.0.113.7' } })],
    ['what a modern proxy sends on', manage({ headers: { forwarded: 'for=203.0.113.7' } })],
  ])('%s may use the verbs, and nothing that is stored', async (_who, { url, init }) => {
    const { request } = await keyedApp(own.database, { withoutKey: 'local' });
    expect(await problemOf(await request(url, init))).toMatchObject({ status: 401, code: 'KEY_REQUIRED' });
    const verb = await request(url.replace('keys', 'geolocate'), photo(Object.fromEntries(new Headers(init.headers))));
    expect(verb.status).toBe(200);
  });

  test('a service that others reach, and whose operator wants no keys, gives nobody more than the verbs', async () => {
    const { request } = await keyedApp(own.database, { withoutKey: 'open' });
    expect((await request('/v1/keys')).status).toBe(401);
    expect((await request('/v1/geolocate', photo())).status).toBe(200);
  });
});
