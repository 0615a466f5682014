import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import { CreatedKeySchema, KeySchema, KeysSchema } from '../../src/handlers/keys.ts';
import { problemOf } from '../app-under-test.ts';
import { type OwnDatabase, openPglite } from '../each-database.ts';
import { bearer, keyedApp, photo } from './keys-under-test.ts';

let own: OwnDatabase;
beforeAll(async () => {
  own = await openPglite(MIGRATIONS);
});
afterAll(() => own.stop());

async function admins() {
  const app = await keyedApp(own.database);
  const as = (key: string) => (method: string, path: string, body?: unknown) =>
    app.request(path, {
      method,
      headers: { ...bearer(key), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
  return {
    ...app,
    as,
    operator: as(await app.keyOf('local', { scopes: ['admin'] })),
    acme: as(await app.keyOf('acme', { scopes: ['admin'] })),
  };
}

test('an admin makes a key, sees it and revokes it; the key works in between', async () => {
  const { acme, request } = await admins();
  const response = await acme('POST', '/v1/keys', {
    name: 'phone',
    scopes: ['geolocate'],
    expiresAt: '2999-01-01T00:00:00+01:00',
  });
  expect(response.status).toBe(201);
  expect(response.headers.get('cache-control')).toBe('no-store');
  const { key, ...made } = CreatedKeySchema.parse(await response.json());
  expect(made).toMatchObject({ tenant: 'acme', scopes: ['geolocate'], expiresAt: '2998-12-31T23:00:00.000Z' });
  expect(response.headers.get('location')).toBe(`/v1/keys/${made.id}`);
  expect((await request('/v1/geolocate', photo(bearer(key)))).status).toBe(200);

  const listed = await (await acme('GET', '/v1/keys')).text();
  expect(KeysSchema.parse(JSON.parse(listed)).keys[0]).toMatchObject({ id: made.id });
  expect(listed).not.toContain(key);
  expect(KeySchema.parse(await (await acme('GET', `/v1/keys/${made.id}`)).json())).toMatchObject(made);
  const revoked = await acme('DELETE', `/v1/keys/${made.id}`);
  expect(KeySchema.parse(await revoked.json()).revokedAt).toBeDefined();
  expect((await request('/v1/geolocate', photo(bearer(key)))).status).toBe(401);
  expect((await acme('DELETE', `/v1/keys/${made.id}`)).status).toBe(200);
});

test('the operator makes keys for any tenant, with limits of their own, and sees all', async () => {
  const { operator } = await admins();
  const asked = {
    name: 'big',
    tenant: 'big-customer',
    rate: { requests: 9, windowS: 1 },
    maxConcurrent: 3,
    regions: ['a'],
  };
  const made = CreatedKeySchema.parse(await (await operator('POST', '/v1/keys', asked)).json());
  expect(made).toMatchObject(asked);
  expect(made.scopes).not.toContain('admin');
  const of = async (query: string) => KeysSchema.parse(await (await operator('GET', `/v1/keys${query}`)).json()).keys;
  expect((await of('?tenant=big-customer')).map(({ id }) => id)).toEqual([made.id]);
  expect(new Set((await of('')).map(({ tenant }) => tenant)).size).toBeGreaterThan(1);
  expect((await operator('DELETE', `/v1/keys/${made.id}`)).status).toBe(200);
});

test('an admin of a tenant gives nothing that is not theirs', async () => {
  const { acme, as, keyOf } = await admins();
  for (const [body, pointer] of [
    [{ tenant: 'local' }, '#/tenant'],
    [{ tenant: 'other' }, '#/tenant'],
    [{ rate: { requests: 1000, windowS: 1 } }, '#/rate'],
    [{ maxConcurrent: 1000 }, '#/maxConcurrent'],
  ] as const) {
    const problem = await problemOf(await acme('POST', '/v1/keys', { name: 'x', ...body }));
    expect([problem.status, problem.pointers]).toEqual([422, [pointer]]);
  }
  const narrow = as(await keyOf('acme', { scopes: ['admin'], regions: ['a', 'b'] }));
  const wider = await problemOf(await narrow('POST', '/v1/keys', { name: 'x', regions: ['a', 'c'] }));
  expect([wider.status, wider.pointers]).toEqual([422, ['#/regions']]);
  const inherited = CreatedKeySchema.parse(await (await narrow('POST', '/v1/keys', { name: 'x' })).json());
  expect(inherited.regions).toEqual(['a', 'b']);
  expect((await narrow('POST', '/v1/keys', { name: 'x', regions: ['b'] })).status).toBe(201);
  const others = KeysSchema.parse(await (await acme('GET', '/v1/keys?tenant=local')).json());
  expect(others.keys).toEqual([]);
});

describe('a new key that is described wrongly', () => {
  test.each([
    [{}, ['#/name']],
    [{ name: '' }, ['#/name']],
    [{ name: 'x'.repeat(101) }, ['#/name']],
    [{ name: 'a\r\nSet-Cookie: b' }, ['#/name']],
    [{ name: 'x', scopes: ['fly'] }, ['#/scopes/0']],
    [{ name: 'x', scopes: [] }, ['#/scopes']],
    [{ name: 'x', regions: ['NO'] }, ['#/regions/0']],
    [{ name: 'x', expiresAt: '2020-01-01T00:00:00Z' }, ['#/expiresAt']],
    [{ name: 'x', expiresAt: 'tomorrow' }, ['#/expiresAt']],
    [{ name: 'x', unknown: 1 }, ['#/unknown']],
    [{ name: 'x', rate: { requests: 0, windowS: 0 } }, ['#/rate/requests', '#/rate/windowS']],
    [[], ['#']],
  ])('%j is 422 and says where', async (body, pointers) => {
    const { operator } = await admins();
    const problem = await problemOf(await operator('POST', '/v1/keys', body));
    expect([problem.status, problem.pointers]).toEqual([422, pointers]);
  });

  test('or is no JSON, too large, or of another type is refused', async () => {
    const { operator, request, keyOf } = await admins();
    expect((await operator('POST', '/v1/keys', '{')).status).toBe(400);
    expect((await operator('POST', '/v1/keys', JSON.stringify({ name: 'x'.repeat(20_000) }))).status).toBe(413);
    const deep = `${'['.repeat(7_000)}${']'.repeat(7_000)}`;
    expect((await operator('POST', '/v1/keys', deep)).status).toBe(422);
    const headers = bearer(await keyOf('local', { scopes: ['admin'] }));
    expect((await request('/v1/keys', photo(headers))).status).toBe(415);
  });
});

test('an id that is none is 404', async () => {
  const { operator } = await admins();
  for (const id of ['key_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'x', '%00', '..%2f', `key_${'a'.repeat(5_000)}`]) {
    for (const method of ['GET', 'DELETE']) {
      expect((await problemOf(await operator(method, `/v1/keys/${id}`))).code, id).toBe('NOT_FOUND');
    }
  }
});
