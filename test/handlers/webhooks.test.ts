import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import type { Scope } from '#core/accounts/caller.ts';
import { MIGRATIONS as ACCOUNTS } from '#core/accounts/migrations.ts';
import { newId } from '#core/ids.ts';
import { recordEvent } from '#core/webhooks/events.ts';
import { MIGRATIONS as WEBHOOKS } from '#core/webhooks/migrations.ts';
import { type AppUnderTest, accessOf, appUnderTest, problemOf, webhooksOf } from '../app-under-test.ts';
import { type OwnDatabase, openPostgres } from '../each-database.ts';

let own: OwnDatabase;
let app: AppUnderTest;
/** The text of a key of a tenant. */
let keyOf: (tenant: string, scopes?: readonly Scope[]) => Promise<string>;

beforeAll(async () => {
  own = await openPostgres([...ACCOUNTS, ...WEBHOOKS]);
  return () => own.stop();
}, 300_000);

/** Each test has tenants of its own. */
async function start(): Promise<{ acme: string; rival: string }> {
  const access = accessOf(own.database, { withoutKey: 'required' });
  app = await appUnderTest({ access, webhooks: webhooksOf(own.database) });
  keyOf = async (tenant, scopes = ['webhooks']) => {
    const { text } = await access.keys.create({ tenant, name: 'test', scopes });
    return text;
  };
  onTestFinished(async () => void (await own.database.query('delete from geo2.webhook_endpoints')));
  const suffix = newId('key').slice(-8);
  return { acme: await keyOf(`acme-${suffix}`), rival: await keyOf(`rival-${suffix}`) };
}

function call(key: string, method: string, path: string, body?: unknown): Promise<Response> {
  return app.request(path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

const HOOK = { url: 'http://hooks.example/geo2', events: ['job.succeeded', 'region.published'] };
const CreatedSchema = z.object({ id: z.string(), secret: z.string(), url: z.string() });
const DeliverySchema = z.object({ id: z.string(), eventId: z.string(), status: z.string(), type: z.string() });
const PageSchema = z.object({ deliveries: z.array(DeliverySchema), next: z.string().optional() });

async function created(key: string, hook: object = HOOK): Promise<z.infer<typeof CreatedSchema>> {
  const response = await call(key, 'POST', '/v1/webhooks', hook);
  expect(response.status).toBe(201);
  return CreatedSchema.parse(await response.json());
}

describe('a webhook', () => {
  test('is made with a secret that is told once, found, listed and deleted', async () => {
    const { acme } = await start();
    const response = await call(acme, 'POST', '/v1/webhooks', { ...HOOK, name: 'Größe 1' });
    expect(response.status).toBe(201);
    const { secret, ...shown } = z.looseObject({ id: z.string(), secret: z.string() }).parse(await response.json());
    expect(response.headers.get('location')).toBe(`/v1/webhooks/${shown.id}`);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(shown).toEqual({
      id: expect.stringMatching(/^ep_[a-z2-7]{26}$/),
      ...HOOK,
      name: 'Größe 1',
      status: 'enabled',
      createdAt: expect.stringMatching(/Z$/),
    });
    const [found, listed] = [
      await call(acme, 'GET', `/v1/webhooks/${shown.id}`),
      await call(acme, 'GET', '/v1/webhooks'),
    ];
    expect([found.status, await found.json()]).toEqual([200, shown]);
    expect(await listed.json()).toEqual({ webhooks: [shown] });
    expect((await call(acme, 'DELETE', `/v1/webhooks/${shown.id}`)).status).toBe(204);
    expect((await call(acme, 'GET', `/v1/webhooks/${shown.id}`)).status).toBe(404);
    expect((await call(acme, 'DELETE', `/v1/webhooks/${shown.id}`)).status).toBe(404);
  });

  test('gets a new secret, a test event, and its log; what was sent is sent again', async () => {
    const { acme } = await start();
    const { id, secret } = await created(acme);
    const rotated = await call(acme, 'POST', `/v1/webhooks/${id}/rotate-secret`, { graceS: 60 });
    expect([rotated.status, await rotated.json()]).toMatchObject([
      200,
      { id, secret: expect.not.stringContaining(secret) },
    ]);
    expect((await call(acme, 'POST', `/v1/webhooks/${id}/rotate-secret`)).status).toBe(200);

    const sent = await call(acme, 'POST', `/v1/webhooks/${id}/test`);
    expect(sent.status).toBe(202);
    const delivery = DeliverySchema.parse(await sent.json());
    expect(delivery).toMatchObject({ status: 'pending', type: 'webhook.test' });
    for (let i = 0; i < 2; i++) await call(acme, 'POST', `/v1/webhooks/${id}/test`, {});
    const first = PageSchema.parse(await (await call(acme, 'GET', `/v1/webhooks/${id}/deliveries?limit=2`)).json());
    expect(first.deliveries).toHaveLength(2);
    const rest = await call(acme, 'GET', `/v1/webhooks/${id}/deliveries?limit=2&status=pending&after=${first.next}`);
    expect(PageSchema.parse(await rest.json())).toMatchObject({ deliveries: [{ id: delivery.id }] });
    const path = `/v1/webhooks/${id}/deliveries/${delivery.id}`;
    expect(await (await call(acme, 'GET', path)).json()).toMatchObject(delivery);
    const resent = await call(acme, 'POST', `${path}/resend`);
    expect([resent.status, await resent.json()]).toMatchObject([202, { eventId: delivery.eventId, status: 'pending' }]);
    const recovered = await call(acme, 'POST', `/v1/webhooks/${id}/recover`, { since: '2020-01-01T00:00:00+02:00' });
    expect([recovered.status, await recovered.json()]).toEqual([202, { recovered: 0 }]);
  });

  test('that is disabled says why, refuses to send, and can be enabled', async () => {
    const { acme } = await start();
    const { id } = await created(acme);
    await own.database.query(`update geo2.webhook_endpoints set disabled_reason = 'gone'`);
    const shown = await (await call(acme, 'GET', `/v1/webhooks/${id}`)).json();
    expect(shown).toMatchObject({ status: 'disabled', disabledReason: 'gone' });
    expect(await problemOf(await call(acme, 'POST', `/v1/webhooks/${id}/test`))).toMatchObject({
      code: 'WEBHOOK_DISABLED',
      status: 409,
    });
    const enabled = await call(acme, 'POST', `/v1/webhooks/${id}/enable`);
    expect([enabled.status, await enabled.json()]).toMatchObject([200, { id, status: 'enabled' }]);
    expect((await call(acme, 'POST', `/v1/webhooks/${id}/test`)).status).toBe(202);
  });

  test('beyond the twentieth is refused', async () => {
    const { acme } = await start();
    for (let i = 0; i < 20; i++) await created(acme);
    expect(await problemOf(await call(acme, 'POST', '/v1/webhooks', HOOK))).toMatchObject({ code: 'WEBHOOK_LIMIT' });
  });

  test('needs the scope', async () => {
    await start();
    const key = await keyOf('acme-other', ['geolocate', 'jobs']);
    for (const [method, path] of EVERY_ROUTE) {
      expect(await problemOf(await call(key, method, path)), `${method} ${path}`).toMatchObject({
        code: 'SCOPE_REQUIRED',
      });
      expect((await app.request(path, { method })).status, `${method} ${path}`).toBe(401);
    }
  });

  test('made twice with one idempotency key is one, with the same secret', async () => {
    const { acme } = await start();
    const again = () =>
      app.request('/v1/webhooks', {
        method: 'POST',
        headers: { authorization: `Bearer ${acme}`, 'content-type': 'application/json', 'idempotency-key': 'once' },
        body: JSON.stringify(HOOK),
      });
    const [one, two] = [
      CreatedSchema.parse(await (await again()).json()),
      CreatedSchema.parse(await (await again()).json()),
    ];
    expect(two).toEqual(one);
    expect(await (await call(acme, 'GET', '/v1/webhooks')).json()).toMatchObject({ webhooks: [{ id: one.id }] });
    const stored = JSON.stringify(await own.database.query('select * from geo2.idempotency'));
    expect(stored).not.toContain(one.secret);
  });
});

const ID = 'ep_aaaaaaaaaaaaaaaaaaaaaaaaaa';
const DELIVERY = 'dlv_aaaaaaaaaaaaaaaaaaaaaaaaaa';
const EVERY_ROUTE = [
  ['POST', '/v1/webhooks'],
  ['GET', '/v1/webhooks'],
  ['GET', `/v1/webhooks/${ID}`],
  ['DELETE', `/v1/webhooks/${ID}`],
  ['POST', `/v1/webhooks/${ID}/rotate-secret`],
  ['POST', `/v1/webhooks/${ID}/enable`],
  ['POST', `/v1/webhooks/${ID}/test`],
  ['GET', `/v1/webhooks/${ID}/deliveries`],
  ['GET', `/v1/webhooks/${ID}/deliveries/${DELIVERY}`],
  ['POST', `/v1/webhooks/${ID}/deliveries/${DELIVERY}/resend`],
  ['POST', `/v1/webhooks/${ID}/recover`],
] as const;

describe('another tenant', () => {
  test('is told of nothing: everything of others is as if it were not there', async () => {
    const { acme, rival } = await start();
    const { id } = await created(rival);
    const sent = DeliverySchema.parse(await (await call(rival, 'POST', `/v1/webhooks/${id}/test`)).json());
    const before = await (await call(rival, 'GET', `/v1/webhooks/${id}/deliveries`)).json();
    for (const [method, template] of EVERY_ROUTE.slice(2)) {
      const body = template.endsWith('/recover') ? { since: '2020-01-01T00:00:00Z' } : undefined;
      const theirs = template.replace(ID, id).replace(DELIVERY, sent.id);
      const problem = await problemOf(await call(acme, method, theirs, body));
      const unknown = await problemOf(await call(acme, method, template, body));
      expect(problem, `${method} ${template}`).toMatchObject({ status: 404, code: 'NOT_FOUND' });
      expect({ ...problem, instance: '', requestId: '' }).toEqual({ ...unknown, instance: '', requestId: '' });
    }
    expect(await (await call(acme, 'GET', '/v1/webhooks')).json()).toEqual({ webhooks: [] });
    expect(await (await call(rival, 'GET', `/v1/webhooks/${id}/deliveries`)).json()).toEqual(before);
    const own1 = await created(acme);
    const crossed = `/v1/webhooks/${own1.id}/deliveries/${sent.id}`;
    expect((await call(acme, 'GET', crossed)).status).toBe(404);
    expect((await call(acme, 'POST', `${crossed}/resend`)).status).toBe(404);
  });

  test('gets none of another’s events', async () => {
    const { acme, rival } = await start();
    const mine = await created(acme);
    await created(rival);
    const [row] = await own.database.query('select tenant from geo2.webhook_endpoints where id = $1', [mine.id]);
    const tenant = z.object({ tenant: z.string() }).parse(row).tenant;
    await own.database.transaction((sql) =>
      recordEvent(sql, { tenant, type: 'job.succeeded', data: {} }, { newId, now: () => new Date() }),
    );
    const { webhooks } = z
      .object({ webhooks: z.array(z.object({ id: z.string() })) })
      .parse(await (await call(rival, 'GET', '/v1/webhooks')).json());
    for (const { id } of webhooks) {
      const page = await call(rival, 'GET', `/v1/webhooks/${id}/deliveries`);
      expect(await page.json()).toEqual({ deliveries: [] });
    }
  });
});

describe('bad input is refused with what to do, and nothing is stored:', () => {
  const url = 'http://hooks.example/';
  const events = ['job.failed'];

  test.each([
    ['no body', undefined, 'INVALID_REQUEST', ['#/url', '#/events']],
    ['no object', '[]', 'INVALID_REQUEST', ['#']],
    ['no JSON', '{', 'MALFORMED_BODY', []],
    ['JSON nested 10,000 deep', `${'['.repeat(8_000)}${']'.repeat(8_000)}`, 'INVALID_REQUEST', ['#']],
    ['too much', { url, events, name: 'x'.repeat(20_000) }, 'BODY_TOO_LARGE', []],
    ['no events', { url, events: [] }, 'INVALID_REQUEST', ['#/events']],
    ['an unknown event', { url, events: ['job.done'] }, 'INVALID_REQUEST', ['#/events/0']],
    ['an unknown option', { url, events, secret: 'mine' }, 'INVALID_REQUEST', ['#/secret']],
    ['a name of two lines', { url, events, name: 'a\r\nX-Injected: 1' }, 'INVALID_REQUEST', ['#/name']],
    ['a name that turns the text round', { url, events, name: 'a\u202eb' }, 'INVALID_REQUEST', ['#/name']],
    ['a name that is no text', { url, events, name: 'a\u0000' }, 'INVALID_REQUEST', ['#/name']],
    [
      'a lone surrogate',
      '{"url":"http://hooks.example/","events":["job.failed"],"name":"\\ud800"}',
      'INVALID_REQUEST',
      ['#/name'],
    ],
    ['a long URL', { url: `http://hooks.example/${'a'.repeat(2100)}`, events }, 'INVALID_REQUEST', ['#/url']],
    ['a number', { url: 1, events }, 'INVALID_REQUEST', ['#/url']],
    [
      'a URL with a line break',
      { url: 'http://hooks.example/\r\nX-Injected: 1', events },
      'WEBHOOK_URL_REFUSED',
      ['#/url'],
    ],
    ['a URL with a tab', { url: 'http://hooks.exa\tmple/', events }, 'WEBHOOK_URL_REFUSED', ['#/url']],
    ['credentials', { url: 'http://user:secret@hooks.example/', events }, 'WEBHOOK_URL_REFUSED', ['#/url']],
    ['another protocol', { url: 'file:///etc/passwd', events }, 'WEBHOOK_URL_REFUSED', ['#/url']],
    ['a private address', { url: 'http://10.0.0.1/', events }, 'WEBHOOK_URL_REFUSED', ['#/url']],
    ['the metadata service, as one number', { url: 'http://2852039166/', events }, 'WEBHOOK_URL_REFUSED', ['#/url']],
  ])('%s', async (_name, body, code, pointers) => {
    const { acme } = await start();
    expect(await problemOf(await call(acme, 'POST', '/v1/webhooks', body))).toMatchObject({ code, pointers });
    expect(await (await call(acme, 'GET', '/v1/webhooks')).json()).toEqual({ webhooks: [] });
  });

  test('bytes that are no UTF-8, and another content type', async () => {
    const { acme } = await start();
    const post = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
      app.request('/v1/webhooks', { method: 'POST', headers: { 'x-api-key': acme, 'content-type': type }, body });
    expect(await problemOf(await post(new Uint8Array([0xff, 0xfe]), 'application/json'))).toMatchObject({
      code: 'MALFORMED_BODY',
    });
    expect(await problemOf(await post(JSON.stringify(HOOK), 'text/plain'))).toMatchObject({
      code: 'UNSUPPORTED_MEDIA_TYPE',
    });
  });

  test.each([
    ['GET', '/deliveries?limit=0', undefined, 'INVALID_REQUEST'],
    ['GET', '/deliveries?limit=101', undefined, 'INVALID_REQUEST'],
    ['GET', '/deliveries?limit=1&limit=2', undefined, 'INVALID_REQUEST'],
    ['GET', '/deliveries?status=lost', undefined, 'INVALID_REQUEST'],
    ['GET', '/deliveries?after=x', undefined, 'INVALID_REQUEST'],
    ['GET', '/deliveries?page=2', undefined, 'INVALID_REQUEST'],
    ['GET', '/deliveries/%00', undefined, 'NOT_FOUND'],
    ['POST', '/recover', {}, 'INVALID_REQUEST'],
    ['POST', '/recover', { since: 'yesterday' }, 'INVALID_REQUEST'],
    ['POST', '/recover', { since: '2020-01-01' }, 'INVALID_REQUEST'],
    ['POST', '/rotate-secret', { graceS: -1 }, 'INVALID_REQUEST'],
    ['POST', '/rotate-secret', { graceS: 604_801 }, 'INVALID_REQUEST'],
    ['POST', '/test', { type: 'job.failed' }, 'INVALID_REQUEST'],
    ['POST', '/enable', [], 'INVALID_REQUEST'],
  ])('%s %s %j', async (method, path, body, code) => {
    const { acme } = await start();
    const { id } = await created(acme);
    expect(await problemOf(await call(acme, method, `/v1/webhooks/${id}${path}`, body))).toMatchObject({ code });
    expect(await (await call(acme, 'GET', `/v1/webhooks/${id}/deliveries`)).json()).toEqual({ deliveries: [] });
  });

  test.each(['ep_', 'ep_%00', 'EP_AAAA', '..', `${ID}a`, "'; drop table geo2.webhook_endpoints; --"])(
    'an id that cannot be one: %j',
    async (id) => {
      const { acme } = await start();
      expect((await call(acme, 'GET', `/v1/webhooks/${encodeURIComponent(id)}`)).status).toBe(404);
    },
  );
});
