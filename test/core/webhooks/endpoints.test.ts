import { describe, expect, test } from 'vitest';
import { createPinnedFetcher } from '#core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '#core/outbound/public-address.ts';
import { createEndpoints, MAX_ENDPOINTS_PER_TENANT } from '#core/webhooks/endpoints.ts';
import { recordEvent } from '#core/webhooks/events.ts';
import { noticeRegion } from '#core/webhooks/region-events.ts';
import { receiverOf, S, useWebhooks, type Webhooks } from './under-test.ts';

const URL = 'http://127.0.0.1:1/hook';

describe.each(['pglite', 'postgres'] as const)('webhooks on %s', (kind) => {
  const webhooks = useWebhooks(kind);

  describe('a tenant', () => {
    test('sees, changes and deletes its own endpoints and no others', async () => {
      const it = webhooks();
      const mine = await it.endpoints.create('acme', { url: URL, name: 'mine', events: ['job.failed', 'job.failed'] });
      const theirs = await it.subscribe('rival', URL);
      expect(mine.endpoint).toEqual({
        id: expect.stringMatching(/^ep_[a-z2-7]{26}$/),
        url: URL,
        name: 'mine',
        events: ['job.failed'],
        disabledReason: undefined,
        failingSince: undefined,
        createdAt: it.now(),
      });
      expect(await it.endpoints.list('acme')).toEqual([mine.endpoint]);
      expect(await it.endpoints.find('acme', mine.endpoint.id)).toEqual(mine.endpoint);
      const { id } = theirs.endpoint;
      expect(await it.endpoints.find('acme', id)).toBeUndefined();
      expect(await it.endpoints.rotateSecret('acme', id, { graceS: 1 })).toBeUndefined();
      expect(await it.endpoints.enable('acme', id)).toBeUndefined();
      expect(await it.endpoints.delete('acme', id)).toBe(false);
      expect(await it.endpoints.find('rival', id)).toEqual(theirs.endpoint);
      expect(await it.endpoints.delete('acme', mine.endpoint.id)).toBe(true);
      expect(await it.endpoints.list('acme')).toEqual([]);
    });

    test('has so many endpoints and not one more, however many are asked for at one time', async () => {
      const it = webhooks();
      const asked = Array.from({ length: MAX_ENDPOINTS_PER_TENANT + 5 }, () => it.subscribe('acme', URL));
      const results = await Promise.allSettled(asked);
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(MAX_ENDPOINTS_PER_TENANT);
      for (const result of results) {
        if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'WEBHOOK_LIMIT' });
      }
      await it.subscribe('rival', URL);
    });

    test('cannot touch deliveries of another', async () => {
      const it = webhooks();
      const { endpoint } = await it.subscribe('rival', URL);
      await it.record('rival');
      const theirs = { tenant: 'rival', endpointId: endpoint.id };
      const page = await it.deliveries.list(theirs, { limit: 1 });
      const id = page.deliveries[0]?.id ?? '';
      const stolen = { tenant: 'acme', endpointId: endpoint.id };
      expect(await it.deliveries.list(stolen, { limit: 10 })).toEqual({ deliveries: [], next: undefined });
      expect(await it.deliveries.find(stolen, id)).toBeUndefined();
      expect(await it.deliveries.resend(stolen, id)).toBeUndefined();
      expect(await it.deliveries.recover(stolen, new Date(0))).toBeUndefined();
      expect(await it.deliveries.sendTest(stolen)).toBeUndefined();
      const own = await it.subscribe('acme', URL);
      expect(await it.deliveries.resend({ tenant: 'acme', endpointId: own.endpoint.id }, id)).toBeUndefined();
      expect(await it.deliveries.list(theirs, { limit: 10 })).toEqual(page);
    });
  });

  describe('a URL', () => {
    test.each([
      ['http://10.0.0.1/', /10\.0\.0\.1 is not a public address/],
      ['http://[::ffff:10.0.0.1]/', /is not a public address/],
      ['http://169.254.169.254/latest', /is not a public address/],
      ['ftp://example.org/', /only http and https/],
      ['http://user:secret@example.org/', /credentials/],
      ['http://example.org/\r\nx-injected: 1', /control characters/],
      ['example.org', /no absolute URL/],
    ])('like %j is refused, and nothing is stored', async (url, why) => {
      const it = webhooks();
      await expect(it.subscribe('acme', url)).rejects.toMatchObject({
        code: 'WEBHOOK_URL_REFUSED',
        message: expect.stringMatching(why),
      });
      expect(await it.endpoints.list('acme')).toEqual([]);
    });

    test('whose name is at a private address is refused; one that does not resolve yet is not', async () => {
      const it = webhooks();
      const endpointsWhere = (resolveHost: () => Promise<{ address: string; family: number }[]>) =>
        createEndpoints({ ...it, fetcher: createPinnedFetcher({ isAllowed: createAddressPolicy([]), resolveHost }) });
      const isPrivate = endpointsWhere(async () => [
        { address: '8.8.8.8', family: 4 },
        { address: '192.168.0.1', family: 4 },
      ]);
      const wanted = { url: 'https://hooks.example/', events: ['job.failed'] as const };
      await expect(isPrivate.create('acme', wanted)).rejects.toMatchObject({ code: 'WEBHOOK_URL_REFUSED' });
      await endpointsWhere(() => Promise.reject(new Error('ENOTFOUND'))).create('acme', wanted);
    });
  });

  test('secrets are stored encrypted when there is a key', async () => {
    const it = webhooks();
    const { endpoint, secret } = await it.subscribe('acme', URL);
    await it.endpoints.rotateSecret('acme', endpoint.id, { graceS: 60 });
    const rows = await it.database.query('select secret, previous_secret from geo2.webhook_endpoints');
    const stored = JSON.stringify(rows);
    expect(stored).not.toContain(secret.slice(6));
    expect(stored.match(/aes-256-gcm:/g)).toHaveLength(2);
  });

  describe('the log', () => {
    test('comes in pages from the newest to the oldest, each delivery once, also when new ones come meanwhile', async () => {
      const it = webhooks();
      const { endpoint } = await it.subscribe('acme', URL);
      const owner = { tenant: 'acme', endpointId: endpoint.id };
      const ids: (string | undefined)[] = [];
      for (let i = 0; i < 7; i++) {
        if (i % 2 === 0) it.advance(S); // some happen at the same moment
        ids.push(await it.record('acme'));
      }
      const seen: string[] = [];
      let after: string | undefined;
      do {
        const page = await it.deliveries.list(owner, { limit: 3, after });
        expect(page.deliveries.length).toBeLessThanOrEqual(3);
        seen.push(...page.deliveries.map(({ eventId }) => eventId));
        after = page.next;
        await it.record('acme');
      } while (after !== undefined);
      expect([...seen].sort()).toEqual([...ids].sort());
      expect(new Set(seen.slice(0, 1))).toEqual(new Set([ids[6]]));
    });

    test.each([
      '',
      'x',
      'bnVsbA',
      'WyJhIiwiYiJd',
      Buffer.from('["2026-01-31T00:00:00.000Z",1]').toString('base64url'),
      Buffer.from(JSON.stringify(['2026-01-31T00:00:00.000Z', 'dlv_\u0000'])).toString('base64url'),
    ])('refuses a cursor that is none: %j', async (after) => {
      const it = webhooks();
      const { endpoint } = await it.subscribe('acme', URL);
      const listed = it.deliveries.list({ tenant: 'acme', endpointId: endpoint.id }, { limit: 3, after });
      await expect(listed).rejects.toMatchObject({ code: 'INVALID_REQUEST' });
    });
  });

  describe('sending again', () => {
    test('makes one delivery due now, with the same event id, whether it failed or succeeded', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response, nth) => response.writeHead(nth === 2 ? 500 : 200).end());
      const { endpoint } = await it.subscribe('acme', receiver.url);
      const owner = { tenant: 'acme', endpointId: endpoint.id };
      const id = await it.record('acme');
      const dispatcher = it.dispatcher();
      await dispatcher.step();
      const [delivery] = (await it.deliveries.list(owner, { limit: 1, status: 'succeeded' })).deliveries;
      if (delivery === undefined) throw new Error('nothing was delivered');
      expect(await it.deliveries.resend(owner, delivery.id)).toMatchObject({
        status: 'pending',
        nextAttemptAt: it.now(),
      });
      await dispatcher.step();
      expect(await it.deliveries.find(owner, delivery.id)).toMatchObject({
        status: 'pending',
        nextAttemptAt: new Date(it.now().getTime() + 5 * S),
      });
      it.advance(5 * S);
      await dispatcher.step();
      expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id, id]);
    });

    test('does not wait for what the receiver asked for before', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response, nth) =>
        nth === 1 ? response.writeHead(429, { 'retry-after': '3600' }).end() : response.end(),
      );
      const { endpoint } = await it.subscribe('acme', receiver.url);
      const owner = { tenant: 'acme', endpointId: endpoint.id };
      await it.record('acme');
      const dispatcher = it.dispatcher();
      await dispatcher.step();
      const [delivery] = (await it.deliveries.list(owner, { limit: 1 })).deliveries;
      await it.deliveries.resend(owner, delivery?.id ?? '');
      expect(await dispatcher.step()).toBe(1);
      expect(dispatcher.outcomes).toEqual(['rejected', 'succeeded']);
    });

    test('recovers what failed since a time, and nothing else', async () => {
      const it = webhooks();
      const { endpoint } = await it.subscribe('acme', URL);
      const owner = { tenant: 'acme', endpointId: endpoint.id };
      for (let i = 0; i < 3; i++) {
        await it.record('acme');
        it.advance(S);
      }
      await it.database.query(`update geo2.webhook_deliveries set status = 'failed', next_attempt_at = null`);
      await it.record('acme');
      const since = new Date(it.now().getTime() - 2 * S);
      expect(await it.deliveries.recover(owner, since)).toEqual({ recovered: 2 });
      for (const [far, recovered] of [
        ['9999-12-31T23:59:59-14:00', 0],
        ['0000-01-01T00:00:00Z', 1],
      ] as const) {
        expect(await it.deliveries.recover(owner, new Date(far)), far).toEqual({ recovered });
      }
      const { deliveries } = await it.deliveries.list(owner, { limit: 10 });
      expect(deliveries.map(({ status }) => status)).toEqual(['pending', 'pending', 'pending', 'pending']);
    });

    test('a test event goes to one endpoint, whatever it subscribed to', async () => {
      const it = webhooks();
      const [receiver, other] = [await receiverOf(), await receiverOf()];
      const { endpoint } = await it.subscribe('acme', receiver.url, ['region.published']);
      await it.subscribe('acme', other.url);
      expect(await it.deliveries.sendTest({ tenant: 'acme', endpointId: endpoint.id })).toMatchObject({
        type: 'webhook.test',
        status: 'pending',
      });
      await it.dispatcher().step();
      expect(JSON.parse(receiver.received[0]?.body ?? '')).toMatchObject({
        type: 'webhook.test',
        data: { id: endpoint.id },
      });
      expect(other.received).toEqual([]);
    });
  });

  describe('a region', () => {
    const notice = (it: Webhooks, id: string, version: string | undefined) =>
      noticeRegion({ id, readVersion: async () => version }, it);

    test('that is published, and rolled back, is told once to every tenant that subscribed', async () => {
      const it = webhooks();
      const [one, two] = [await receiverOf(), await receiverOf()];
      await it.subscribe('acme', one.url, ['region.published', 'region.rolled_back']);
      await it.subscribe('rival', two.url, ['region.rolled_back']);
      const dispatcher = it.dispatcher();
      const told: (string | undefined)[] = [];
      for (const version of ['a', 'a', 'b', 'b', 'a', 'b', 'c', 'a', undefined]) {
        told.push(await notice(it, 'town', version));
        await dispatcher.step();
      }
      const [published, back] = ['region.published', 'region.rolled_back'];
      expect(told).toEqual([published, undefined, published, undefined, back, published, published, back, undefined]);
      const seen = one.received.map(({ body }) => JSON.parse(body));
      expect(seen.map(({ type, data }) => `${type} ${data.previousVersion} ${data.version}`)).toEqual([
        `${published} null a`,
        `${published} a b`,
        `${back} b a`,
        `${published} a b`,
        `${published} b c`,
        `${back} c a`,
      ]);
      expect(seen[0].data).toEqual({
        id: 'town',
        version: 'a',
        previousVersion: null,
        links: { region: '/v1/regions/town' },
      });
      expect(two.received.map(({ body }) => JSON.parse(body).type)).toEqual([back, back]);
    });

    test('that several processes notice at one time is told once', async () => {
      const it = webhooks();
      await it.subscribe('acme', URL, ['region.published']);
      const told = await Promise.all(Array.from({ length: 8 }, () => notice(it, 'town', 'a')));
      expect(told.filter((change) => change !== undefined)).toEqual(['region.published']);
      expect(await it.database.query('select 1 from geo2.webhook_events')).toHaveLength(1);
    });

    test('is not told to an endpoint whose key may ask for other regions only', async () => {
      const it = webhooks();
      const [inside, outside] = [await receiverOf(), await receiverOf()];
      await it.endpoints.create('acme', { url: inside.url, events: ['region.published'], regions: ['town', 'city'] });
      await it.endpoints.create('acme', { url: outside.url, events: ['region.published'], regions: ['village'] });
      await notice(it, 'town', 'a');
      await it.dispatcher().step();
      expect([inside.received.length, outside.received.length]).toEqual([1, 0]);
    });
  });

  test('an event of many kinds is stored for each subscriber and delivered in any order without being lost', async () => {
    const it = webhooks();
    const receiver = await receiverOf();
    await it.subscribe('acme', receiver.url);
    const ids = await Promise.all(
      Array.from({ length: 40 }, () =>
        it.database.transaction((sql) => recordEvent(sql, { tenant: 'acme', type: 'job.canceled', data: {} }, it)),
      ),
    );
    const dispatcher = it.dispatcher();
    while ((await dispatcher.step()) > 0);
    expect(receiver.received.map(({ headers }) => String(headers['webhook-id'])).sort()).toEqual(
      ids.map(String).sort(),
    );
  });
});
