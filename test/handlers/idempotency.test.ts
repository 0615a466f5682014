import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import { Geo2Error } from '#core/errors.ts';
import type { GeolocateAnswer } from '#core/geolocate.ts';
import { MATCHED, problemOf, streamed } from '../app-under-test.ts';
import { type OwnDatabase, openPglite } from '../each-database.ts';
import { bearer, type KeyedApp, keyedApp, photo } from './keys-under-test.ts';

let own: OwnDatabase;
beforeAll(async () => {
  own = await openPglite(MIGRATIONS);
});
afterAll(() => own.stop());

let names = 0;
const newName = (): string => `request-${++names}`;

async function withKey(overrides: Parameters<typeof keyedApp>[2] = {}) {
  const app = await keyedApp(own.database, {}, overrides);
  const key = await app.keyOf('acme', { scopes: ['geolocate', 'embed', 'admin'] });
  const post = (name: string, init: RequestInit = {}, path = '/v1/geolocate') =>
    app.request(path, {
      ...photo(),
      ...init,
      headers: { 'content-type': 'image/jpeg', ...bearer(key), 'idempotency-key': name, ...init.headers },
    });
  return { ...app, key, post };
}

/** The app whose geolocate waits until it is told what to answer. */
async function withGate() {
  const gates: PromiseWithResolvers<GeolocateAnswer>[] = [];
  const app = await withKey({
    geolocate: () => {
      const gate = Promise.withResolvers<GeolocateAnswer>();
      gates.push(gate);
      return gate.promise;
    },
  });
  return { ...app, gates };
}

function form(boundary: string, options = '{"topK":2}'): RequestInit {
  const part = (head: string, body: string): string =>
    `--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n${body}\r\n`;
  const body = `${part('name="image"; filename="a.jpg"', 'bytes -- of an image')}${part('name="options"', options)}--${boundary}--\r\n`;
  return { body, headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } };
}

describe('the same request again', () => {
  test('is not worked on twice, and gets the same answer with what belongs to it', async () => {
    const { post, asked } = await withKey();
    const name = newName();
    const first = await post(name);
    expect(first.headers.get('idempotency-replayed')).toBeNull();
    const again = await post(name, { headers: { 'x-request-id': 'second', origin: 'https://app.example' } });
    expect(again.status).toBe(200);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(again.headers.get('x-request-id')).toBe('second');
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'));
    expect(again.headers.get('cache-control')).toBe('no-store');
    expect(again.headers.get('access-control-allow-origin')).toBe('*');
    expect(again.headers.get('ratelimit')).toMatch(/^"default";r=\d+/);
    expect(await again.text()).toBe(await first.text());
    expect(asked).toHaveLength(1);
  });

  test('makes no second key, and tells the first one’s text to its caller alone', async () => {
    const { post, access } = await withKey();
    const init = {
      body: JSON.stringify({ name: 'once', tenant: 'acme' }),
      headers: { 'content-type': 'application/json' },
    };
    const name = newName();
    const first = await post(name, init, '/v1/keys');
    expect(first.status).toBe(201);
    const again = await post(name, init, '/v1/keys');
    expect([again.status, again.headers.get('location')]).toEqual([201, first.headers.get('location')]);
    const told = await first.text();
    expect(await again.text()).toBe(told);
    expect((await access.keys.list('acme')).filter((key) => key.name === 'once')).toHaveLength(1);

    const { key } = JSON.parse(told);
    const rows = await own.database.query('select answer from geo2.idempotency where answer is not null');
    const stored = rows.map(({ answer }) =>
      answer instanceof Uint8Array ? Buffer.from(answer).toString('latin1') : '',
    );
    expect(stored.join('')).not.toHaveLength(0);
    for (const secret of [key, '"matched"', 'application/json']) expect(stored.join('')).not.toContain(secret);
  });

  test('of a form is recognised whatever its boundary is, and however it arrives', async () => {
    const { post, asked } = await withKey();
    const name = newName();
    expect((await post(name, form('first-boundary'))).status).toBe(200);
    const again = form('another');
    const bytes = new TextEncoder().encode(String(again.body));
    const inPieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += 5) controller.enqueue(bytes.subarray(at, at + 5));
        controller.close();
      },
    });
    const headers = Object.fromEntries(new Headers(again.headers));
    const replayed = await post(name, streamed(inPieces, headers));
    expect([replayed.status, replayed.headers.get('idempotency-replayed')]).toEqual([200, 'true']);
    expect(asked).toHaveLength(1);
    const other = await post(name, form('another', '{"topK":3}'));
    expect(await problemOf(other)).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
  });

  test('gets the same refusal, where the request itself was wrong', async () => {
    const { post } = await withKey();
    const name = newName();
    const wrong = (query: string) => post(name, {}, `/v1/geolocate?${query}`);
    const first = await problemOf(await wrong('topK=0'));
    const again = await wrong('topK=0');
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await problemOf(again)).toEqual(first);
  });

  test.each([
    ['another body', { body: new Uint8Array([9]) }, '/v1/geolocate'],
    ['another query', {}, '/v1/geolocate?topK=2'],
    ['another media type', { headers: { 'content-type': 'image/png' } }, '/v1/geolocate'],
    ['a body that goes on for ever', { body: new Uint8Array(5_000_000) }, '/v1/geolocate'],
  ])('with %s is refused, and nothing is worked on', async (_what, change, path) => {
    const { post, asked } = await withKey();
    const name = newName();
    await post(name);
    const problem = await problemOf(await post(name, change, path));
    expect(problem).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED', retryable: false });
    expect(asked).toHaveLength(1);
  });
});

describe('a name', () => {
  test('means another request to another key, also of the same tenant, and on another route', async () => {
    const { request, keyOf, post, asked } = await withKey();
    const name = newName();
    await post(name);
    for (const key of [await keyOf('acme'), await keyOf('other')]) {
      const response = await request('/v1/geolocate', photo({ ...bearer(key), 'idempotency-key': name }));
      expect(response.headers.get('idempotency-replayed')).toBeNull();
    }
    expect(asked).toHaveLength(3);
    const other = await post(name, {}, '/v1/embed');
    expect(other.headers.get('idempotency-replayed')).toBeNull();
  });

  test('is the same with and without quotes', async () => {
    const { post, asked } = await withKey();
    const name = newName();
    await post(name);
    expect((await post(`"${name}"`)).headers.get('idempotency-replayed')).toBe('true');
    expect(asked).toHaveLength(1);
  });

  test.each(['', ' ', '""', 'two words', 'a, b', 'ü', 'x'.repeat(256), 'x'.repeat(1_000_000), 'tab\there'])(
    'case %# is refused with how to write one',
    async (name) => {
      const { post, asked } = await withKey();
      const problem = await problemOf(await post(name));
      expect(problem).toMatchObject({
        status: 400,
        code: 'IDEMPOTENCY_KEY_INVALID',
        detail: expect.stringMatching(/1 to 255 visible ASCII/),
      });
      expect(asked).toEqual([]);
    },
  );

  test('of 255 characters is taken', async () => {
    const { post } = await withKey();
    expect((await post(`${newName()}${'x'.repeat(255)}`.slice(0, 255))).status).toBe(200);
  });

  test('means nothing with GET', async () => {
    const { request, key } = await withKey();
    const response = await request('/v1/regions', { headers: { ...bearer(key), 'idempotency-key': 'two words' } });
    expect(response.status).toBe(200);
  });
});

describe('a request in flight', () => {
  test('is not begun again: its repetition is 409 with Retry-After, and later gets the answer', async () => {
    const { post, gates } = await withGate();
    const name = newName();
    const first = post(name);
    await expect.poll(() => gates.length).toBe(1);
    const second = await post(name);
    expect(second.headers.get('retry-after')).toBe('1');
    expect(await problemOf(second)).toMatchObject({ status: 409, code: 'IDEMPOTENCY_IN_FLIGHT', retryable: true });
    gates[0]?.resolve(MATCHED);
    expect((await first).status).toBe(200);
    expect((await post(name)).headers.get('idempotency-replayed')).toBe('true');
    expect(gates).toHaveLength(1);
  });

  test.each([
    ['a fault', new Error('broken'), 500],
    ['too much load', new Geo2Error('OVERLOADED', 'Full.'), 503],
    [
      'what a later try may change',
      new Geo2Error('IMAGE_URL_FAILED', 'Unreachable.', { data: { retryable: true } }),
      422,
    ],
  ])('that ends in %s frees the name', async (_what, error, status) => {
    const { post, gates } = await withGate();
    const name = newName();
    const first = post(name);
    await expect.poll(() => gates.length).toBe(1);
    gates[0]?.reject(error);
    expect((await first).status).toBe(status);
    const second = post(name, { body: new Uint8Array([7, 7]) });
    await expect.poll(() => gates.length).toBe(2);
    gates[1]?.resolve(MATCHED);
    expect([(await second).status, (await second).headers.get('idempotency-replayed')]).toEqual([200, null]);
  });
});

describe('what is not kept', () => {
  const LARGE: GeolocateAnswer = { ...MATCHED, reasons: Array.from({ length: 30_000 }, () => 'narrow_fov') };

  test('a large answer is worked out again, and another body is still refused', async () => {
    let calls = 0;
    const { post } = await withKey({
      geolocate: async () => {
        calls += 1;
        return LARGE;
      },
    });
    const name = newName();
    const first = await (await post(name)).json();
    const again = await post(name);
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([200, null]);
    expect(await again.json()).toEqual(first);
    expect(calls).toBe(2);
    expect(await problemOf(await post(name, { body: new Uint8Array([8]) }))).toMatchObject({
      status: 422,
      code: 'IDEMPOTENCY_KEY_REUSED',
    });
    expect((await post(name)).status).toBe(200);
  });

  test('nothing of a photo lies in the database', async () => {
    const { post } = await withKey();
    const marker = 'a photo of somebody’s street';
    await post(newName(), { body: marker });
    const rows = await own.database.query('select * from geo2.idempotency');
    const text = rows.map((row) =>
      Object.values(row)
        .map((value) => (value instanceof Uint8Array ? Buffer.from(value).toString('utf8') : String(value)))
        .join(' '),
    );
    expect(text.length).toBeGreaterThan(0);
    expect(text.join('\n')).not.toContain('somebody');
  });
});

test('what a day has passed over is swept, and what has not is left', async () => {
  const app: KeyedApp = await keyedApp(own.database);
  await own.database.query(
    `insert into geo2.idempotency (tenant, key_id, route, key_hash, expires_at)
     values ('sweep', '', 'r', 'old', now() - interval '1 second'), ('sweep', '', 'r', 'new', now() + interval '1 hour')`,
  );
  await own.database.query(`insert into geo2.rate_limits values ('old', 1, 1), ('new', 1, 99999999999999)`);
  await app.access.sweep();
  const left = await own.database.query(`select key_hash from geo2.idempotency where tenant = 'sweep'`);
  expect(left).toEqual([{ key_hash: 'new' }]);
  expect(await own.database.query(`select key from geo2.rate_limits where key in ('old', 'new')`)).toEqual([
    { key: 'new' },
  ]);
});
