import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { recordEvent } from '#core/webhooks/events.ts';
import { MAX_ATTEMPTS, RETRY_DELAYS_MS } from '#core/webhooks/schedule.ts';
import { createSecretBox } from '#core/webhooks/secret-box.ts';
import { DAY, HOUR, headersOf, MIN, receiverOf, S, useWebhooks, type Webhooks } from './under-test.ts';

/** The one delivery of an endpoint. */
async function deliveryOf({ deliveries }: Webhooks, tenant: string, endpointId: string) {
  const { deliveries: listed } = await deliveries.list({ tenant, endpointId }, { limit: 10 });
  const [delivery, ...more] = listed;
  if (delivery === undefined || more.length > 0) throw new Error(`there are ${listed.length} deliveries`);
  return delivery;
}

describe.each(['pglite', 'postgres'] as const)('webhooks on %s', (kind) => {
  const webhooks = useWebhooks(kind);

  describe('an event', () => {
    test('reaches the endpoints that subscribed to it, signed as Standard Webhooks says, and no others', async () => {
      const it = webhooks();
      const [one, two, other] = [await receiverOf(), await receiverOf(), await receiverOf()];
      const first = await it.subscribe('acme', one.url, ['job.succeeded', 'job.failed']);
      const second = await it.subscribe('acme', two.url, ['job.succeeded']);
      await it.subscribe('acme', other.url, ['job.failed']);
      await it.subscribe('rival', other.url, ['job.succeeded']);
      const id = await it.record('acme', 'job.succeeded', { id: 'job_7', status: 'succeeded' });
      expect(await it.dispatcher().step()).toBe(2);

      for (const [receiver, secret] of [
        [one, first.secret],
        [two, second.secret],
      ] as const) {
        expect(receiver.received).toHaveLength(1);
        const [received] = await receiver.got(1);
        if (received === undefined) throw new Error('nothing was received');
        expect(received.headers['webhook-id']).toBe(id);
        expect(received.headers['content-type']).toBe('application/json');
        expect(new Webhook(secret).verify(received.body, headersOf(received))).toEqual({
          type: 'job.succeeded',
          timestamp: it.now().toISOString(),
          data: { id: 'job_7', status: 'succeeded' },
        });
      }
      expect(other.received).toEqual([]);
      expect(await deliveryOf(it, 'acme', first.endpoint.id)).toMatchObject({
        eventId: id,
        type: 'job.succeeded',
        status: 'succeeded',
        nextAttemptAt: undefined,
        attempts: [{ outcome: 'succeeded', status: 200, error: undefined }],
      });
      expect(await it.dispatcher().step()).toBe(0);
    });

    test('of a transaction that is rolled back is told to nobody', async () => {
      const it = webhooks();
      const receiver = await receiverOf();
      await it.subscribe('acme', receiver.url);
      const rolledBack = it.database.transaction(async (sql) => {
        await recordEvent(sql, { tenant: 'acme', type: 'job.failed', data: {} }, it);
        throw new Error('rolled back');
      });
      await expect(rolledBack).rejects.toThrow(/rolled back/);
      expect(await it.dispatcher().step()).toBe(0);
    });

    test('that nobody subscribed to is not stored', async () => {
      const it = webhooks();
      expect(await it.record('acme')).toBeUndefined();
      expect(await it.database.query('select 1 from geo2.webhook_events')).toEqual([]);
    });

    test('while an endpoint is being deleted neither waits for ever nor fails the work that it tells of', async () => {
      const it = webhooks();
      const { endpoint } = await it.subscribe('acme', (await receiverOf()).url);
      const [recorded, deleted] = await Promise.all([it.record('acme'), it.endpoints.delete('acme', endpoint.id)]);
      expect(deleted).toBe(true);
      expect(recorded === undefined || recorded.startsWith('msg_')).toBe(true);
    });
  });

  describe('a delivery that fails', () => {
    test('is tried again by the schedule, with the same id and a new timestamp, and ends as failed', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response) => response.writeHead(500).end('no'));
      const { endpoint, secret } = await it.subscribe('acme', receiver.url);
      await it.record('acme');
      const dispatcher = it.dispatcher();
      const attemptedAt: Date[] = [];
      for (const delayMs of [0, ...RETRY_DELAYS_MS]) {
        if (delayMs > 0) {
          it.advance(delayMs - 1);
          expect(await dispatcher.step(), `1 ms before ${delayMs} ms`).toBe(0);
          it.advance(1);
        }
        attemptedAt.push(it.now());
        expect(await dispatcher.step(), `after ${delayMs} ms`).toBe(1);
      }
      it.advance(30 * DAY);
      expect(await dispatcher.step()).toBe(0);

      expect(receiver.received).toHaveLength(MAX_ATTEMPTS);
      expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
      expect(new Set(receiver.received.map(({ body }) => body)).size).toBe(1);
      expect(receiver.received.map(({ headers }) => Number(headers['webhook-timestamp']))).toEqual(
        attemptedAt.map((at) => Math.floor(at.getTime() / 1000)),
      );
      const [first] = receiver.received;
      if (first !== undefined) new Webhook(secret).verify(first.body, headersOf(first));
      const delivery = await deliveryOf(it, 'acme', endpoint.id);
      expect(delivery).toMatchObject({ status: 'failed', nextAttemptAt: undefined });
      expect(delivery.attempts).toHaveLength(MAX_ATTEMPTS);
      expect(delivery.attempts[9]).toMatchObject({
        outcome: 'rejected',
        status: 500,
        error: 'It was answered with 500.',
      });
    });

    test('is spread by chance within 20 %', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response) => response.writeHead(500).end());
      await it.subscribe('acme', receiver.url);
      await it.record('acme');
      const earliest = it.dispatcher({ random: () => 0 });
      await earliest.step();
      it.advance(4 * S - 1);
      expect(await earliest.step()).toBe(0);
      it.advance(1);
      expect(await it.dispatcher({ random: () => 1 - 2 ** -53 }).step()).toBe(1);
      it.advance(6 * MIN - 1);
      expect(await earliest.step()).toBe(0);
      it.advance(2);
      expect(await earliest.step()).toBe(1);
    });

    test('waits for as long as Retry-After says, and so does all else for that endpoint, not for others', async () => {
      const it = webhooks();
      const busy = await receiverOf((response) => response.writeHead(503, { 'retry-after': '120' }).end());
      const well = await receiverOf();
      await it.subscribe('acme', busy.url);
      await it.subscribe('acme', well.url);
      await it.record('acme');
      const dispatcher = it.dispatcher();
      expect(await dispatcher.step()).toBe(2);
      await it.record('acme');
      it.advance(119 * S);
      expect(await dispatcher.step()).toBe(1);
      it.advance(1 * S);
      expect(await dispatcher.step()).toBe(1); // one at a time for who failed
      expect([busy.received.length, well.received.length]).toEqual([2, 2]);
    });

    test('because of a redirect does not follow it', async () => {
      const it = webhooks();
      const elsewhere = await receiverOf();
      for (const status of [301, 302, 307, 308]) {
        const receiver = await receiverOf((response) => response.writeHead(status, { location: elsewhere.url }).end());
        const tenant = `acme-${status}`;
        const { endpoint } = await it.subscribe(tenant, receiver.url);
        await it.record(tenant);
        await it.dispatcher().step();
        expect((await deliveryOf(it, tenant, endpoint.id)).attempts).toMatchObject([{ outcome: 'redirected', status }]);
      }
      expect(elsewhere.received).toEqual([]);
    });

    test.each([
      ['timeout', undefined, () => {}],
      ['unreachable', undefined, (response: { destroy: () => void }) => response.destroy()],
      [
        'rejected',
        404,
        (response: { writeHead: (status: number) => { end: () => void } }) => response.writeHead(404).end(),
      ],
    ] as const)('is logged as %s', async (outcome, status, answer) => {
      const it = webhooks();
      const receiver = await receiverOf(answer);
      const { endpoint } = await it.subscribe('acme', receiver.url);
      await it.record('acme');
      const dispatcher = it.dispatcher({ timeoutMs: outcome === 'timeout' ? 300 : 20 * S });
      await dispatcher.step();
      expect(dispatcher.outcomes).toEqual([outcome]);
      const delivery = await deliveryOf(it, 'acme', endpoint.id);
      expect(delivery).toMatchObject({ status: 'pending', attempts: [{ outcome, status }] });
      expect(delivery.attempts[0]?.error).toMatch(/\.$/);
    });

    test('because its address is private by now is not sent', async () => {
      const it = webhooks();
      const { endpoint } = await it.subscribe('acme', 'http://example.test:1/');
      await it.database.query(`update geo2.webhook_endpoints set url = 'http://10.0.0.1/'`);
      await it.record('acme');
      await it.dispatcher().step();
      expect((await deliveryOf(it, 'acme', endpoint.id)).attempts).toMatchObject([
        { outcome: 'refused', status: undefined, error: '10.0.0.1 is not a public address.' },
      ]);
    });

    test('because its secret cannot be read is kept, told to the operator, and no fault of the endpoint', async () => {
      const it = webhooks();
      const receiver = await receiverOf();
      const { endpoint } = await it.subscribe('acme', receiver.url);
      await it.record('acme');
      const dispatcher = it.dispatcher({ secrets: createSecretBox('another passphrase, just as long') });
      await dispatcher.step();
      expect(dispatcher.outcomes).toEqual(['unsigned']);
      expect(dispatcher.errors).toMatchObject([{ code: 'SECRET_UNREADABLE' }]);
      expect(receiver.received).toEqual([]);
      expect(await it.endpoints.find('acme', endpoint.id)).toMatchObject({ failingSince: undefined });
      it.advance(5 * S);
      await it.dispatcher().step();
      expect(await deliveryOf(it, 'acme', endpoint.id)).toMatchObject({ status: 'succeeded' });
    });
  });

  describe('an endpoint', () => {
    test('that answers 410 is disabled at once; enabled again, it gets with recover what it missed', async () => {
      const it = webhooks();
      let gone = true;
      const receiver = await receiverOf((response) => response.writeHead(gone ? 410 : 204).end());
      const { endpoint } = await it.subscribe('acme', receiver.url);
      const owner = { tenant: 'acme', endpointId: endpoint.id };
      const since = it.now();
      const ids = [await it.record('acme')];
      const dispatcher = it.dispatcher();
      await dispatcher.step();
      expect(dispatcher.outcomes).toEqual(['gone']);
      expect(dispatcher.disabled).toEqual([{ ...owner, reason: 'gone' }]);
      expect(await it.endpoints.find('acme', endpoint.id)).toMatchObject({ disabledReason: 'gone' });

      ids.push(await it.record('acme'), await it.record('acme'));
      it.advance(2 * DAY);
      expect(await dispatcher.step()).toBe(0);
      await expect(it.deliveries.recover(owner, since)).rejects.toMatchObject({ code: 'WEBHOOK_DISABLED' });

      gone = false;
      expect(await it.endpoints.enable('acme', endpoint.id)).toMatchObject({ disabledReason: undefined });
      expect(await dispatcher.step()).toBe(0);
      expect(await it.deliveries.recover(owner, since)).toEqual({ recovered: 3 });
      while ((await dispatcher.step()) > 0);
      expect(
        receiver.received
          .slice(1)
          .map(({ headers }) => headers['webhook-id'])
          .sort(),
      ).toEqual([...ids].sort());
      expect(await it.deliveries.recover(owner, since)).toEqual({ recovered: 0 });
    });

    test('that fails for five days without one success is disabled, with all that waits for it', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response) => response.writeHead(500).end());
      const { endpoint } = await it.subscribe('acme', receiver.url);
      const dispatcher = it.dispatcher();
      await it.record('acme');
      await dispatcher.step();
      it.advance(5 * DAY - 1);
      await it.record('acme');
      await dispatcher.step();
      expect(dispatcher.disabled).toEqual([]);
      await it.record('acme');
      await it.record('acme');
      it.advance(1);
      await dispatcher.step();
      expect(dispatcher.disabled).toEqual([{ tenant: 'acme', endpointId: endpoint.id, reason: 'failing' }]);
      expect(await it.endpoints.find('acme', endpoint.id)).toMatchObject({ disabledReason: 'failing' });
      const { deliveries } = await it.deliveries.list({ tenant: 'acme', endpointId: endpoint.id }, { limit: 10 });
      expect(deliveries.map(({ status }) => status)).toEqual(['failed', 'failed', 'failed', 'failed']);
    });

    test('that succeeds once in between is not', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response, nth) => response.writeHead(nth === 2 ? 200 : 500).end());
      const { endpoint } = await it.subscribe('acme', receiver.url);
      const dispatcher = it.dispatcher();
      await it.record('acme');
      await dispatcher.step();
      it.advance(4 * DAY);
      await it.record('acme');
      await dispatcher.step(); // the retry of the first: it succeeds
      expect(await it.endpoints.find('acme', endpoint.id)).toMatchObject({ failingSince: undefined });
      it.advance(2 * DAY);
      await it.record('acme');
      await dispatcher.step();
      expect(dispatcher.disabled).toEqual([]);
      expect(await it.endpoints.find('acme', endpoint.id)).toMatchObject({ disabledReason: undefined });
    });

    test('whose secret is rotated is signed for with both until the old one ends', async () => {
      const it = webhooks();
      const receiver = await receiverOf();
      const { endpoint, secret: old } = await it.subscribe('acme', receiver.url);
      const rotated = await it.endpoints.rotateSecret('acme', endpoint.id, { graceS: 60 });
      if (rotated === undefined) throw new Error('nothing was rotated');
      expect(rotated.previousValidUntil).toEqual(new Date(it.now().getTime() + MIN));
      const dispatcher = it.dispatcher();
      await it.record('acme');
      await dispatcher.step();
      it.advance(MIN);
      await it.record('acme');
      await dispatcher.step();
      const [during, after] = await receiver.got(2);
      if (during === undefined || after === undefined) throw new Error('not enough was received');
      expect(String(during.headers['webhook-signature']).split(' ')).toHaveLength(2);
      for (const secret of [old, rotated.secret]) new Webhook(secret).verify(during.body, headersOf(during));
      expect(String(after.headers['webhook-signature']).split(' ')).toHaveLength(1);
      new Webhook(rotated.secret).verify(after.body, headersOf(after));
      expect(() => new Webhook(old).verify(after.body, headersOf(after))).toThrow(/No matching signature/);
    });

    test('that answers 200 and 10 MB has been told; its answer is left', async () => {
      const it = webhooks();
      const left = Promise.withResolvers<number>();
      const receiver = await receiverOf((response, _nth, request) => {
        const chunk = Buffer.alloc(65_536);
        let sentBytes = 0;
        const write = (): void => {
          while (sentBytes < 10_000_000 && !response.destroyed) {
            sentBytes += chunk.length;
            if (!response.write(chunk)) return;
          }
          response.end();
        };
        response.on('drain', write);
        request.socket.on('close', () => left.resolve(sentBytes));
        write();
      });
      const { endpoint } = await it.subscribe('acme', receiver.url);
      await it.record('acme');
      await it.dispatcher().step();
      expect(await deliveryOf(it, 'acme', endpoint.id)).toMatchObject({ status: 'succeeded' });
      expect(await left.promise).toBeLessThan(10_000_000);
    });
  });

  describe('a dispatcher', () => {
    test('that died in an attempt is followed by another when its lease has ended, and not before', async () => {
      const it = webhooks();
      let hang = true;
      const receiver = await receiverOf((response) => void (hang || response.end()));
      await it.subscribe('acme', receiver.url);
      const id = await it.record('acme');
      const dead = it.dispatcher();
      void dead.step(); // its attempt hangs as if the process had stopped there
      await receiver.got(1);
      hang = false;
      const next = it.dispatcher();
      it.advance(29 * S);
      expect(await next.step()).toBe(0);
      it.advance(1 * S + 1);
      expect(await next.step()).toBe(1);
      expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id, id]);
    });

    test('whose lease was taken over does not undo what the other has done', async () => {
      const it = webhooks();
      const answers: (() => void)[] = [];
      const receiver = await receiverOf((response, nth) => {
        if (nth === 1) answers.push(() => response.writeHead(500).end());
        else response.end();
      });
      const { endpoint } = await it.subscribe('acme', receiver.url);
      await it.record('acme');
      const slow = it.dispatcher();
      const slowStep = slow.step();
      await receiver.got(1);
      it.advance(31 * S);
      await it.dispatcher().step();
      for (const answer of answers) answer();
      await slowStep;
      const delivery = await deliveryOf(it, 'acme', endpoint.id);
      expect(delivery).toMatchObject({ status: 'succeeded', nextAttemptAt: undefined });
      expect(delivery.attempts.map(({ outcome }) => outcome)).toEqual(['succeeded', 'rejected']);
    });

    test('hears of an event at once, and ends with what it began', async () => {
      const it = webhooks();
      const hold: (() => void)[] = [];
      const receiver = await receiverOf(
        (response, nth) => void (nth === 1 ? response.end() : hold.push(() => response.end())),
      );
      const { endpoint } = await it.subscribe('acme', receiver.url);
      const dispatcher = it.dispatcher();
      dispatcher.start();
      await it.record('acme');
      await receiver.got(1);
      await it.record('acme');
      await receiver.got(2);
      const stopped = dispatcher.stop({ drainMs: 60 * S });
      for (const answer of hold) answer();
      await stopped;
      const { deliveries } = await it.deliveries.list({ tenant: 'acme', endpointId: endpoint.id }, { limit: 10 });
      expect(deliveries.map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
      expect(dispatcher.errors).toEqual([]);
    });

    test('that must stop before an answer has come gives the delivery back for another to make at once', async () => {
      const it = webhooks();
      const receiver = await receiverOf((response, nth) => void (nth > 1 && response.end()));
      const { endpoint } = await it.subscribe('acme', receiver.url);
      await it.record('acme');
      const dispatcher = it.dispatcher();
      dispatcher.start();
      await receiver.got(1);
      await dispatcher.stop({ drainMs: 10 });
      expect(await deliveryOf(it, 'acme', endpoint.id)).toMatchObject({ status: 'pending', attempts: [] });
      expect(await it.dispatcher().step()).toBe(1);
      expect(await deliveryOf(it, 'acme', endpoint.id)).toMatchObject({ status: 'succeeded' });
    });

    test('makes at most two attempts at one time to one endpoint, and one to one that failed', async () => {
      const it = webhooks();
      let [open, most] = [0, 0];
      let failing = false;
      const receiver = await receiverOf((response) => {
        most = Math.max(most, ++open);
        setTimeout(() => {
          open--;
          response.writeHead(failing ? 500 : 200).end();
        }, 20);
      });
      await it.subscribe('acme', receiver.url);
      for (let i = 0; i < 12; i++) await it.record('acme');
      const [one, two] = [it.dispatcher(), it.dispatcher()];
      const drain = async (): Promise<number> => {
        let made = 0;
        for (let idle = 0; idle < 3; ) {
          const steps = await Promise.all([one.step(), two.step()]);
          const sum = steps[0] + steps[1];
          made += sum;
          idle = sum === 0 ? idle + 1 : 0;
        }
        return made;
      };
      expect(await drain()).toBe(12);
      expect(most).toBe(2);
      expect(receiver.received).toHaveLength(12);
      failing = true;
      await it.record('acme');
      await drain();
      most = 0;
      for (let i = 0; i < 4; i++) await it.record('acme');
      await drain();
      expect(most).toBe(1);
    });

    test('goes on delivering to others while fifty receivers hang', async () => {
      const it = webhooks();
      const hanging = await receiverOf(() => {});
      const well = await receiverOf();
      const tenants = Array.from({ length: 50 }, (_, index) => `sick-${index}`);
      for (const tenant of tenants) await it.subscribe(tenant, hanging.url);
      await it.database.transaction(async (sql) => {
        for (const tenant of [...tenants, ...tenants, ...tenants]) {
          await recordEvent(sql, { tenant, type: 'job.succeeded', data: {} }, it);
        }
      });
      const dispatcher = it.dispatcher({ timeoutMs: 600 * S });
      dispatcher.start();
      await hanging.got(100); // two to each: none has failed yet
      await it.subscribe('well', well.url);
      for (let i = 1; i <= 10; i++) {
        await it.record('well');
        await well.got(i);
      }
      expect(hanging.received).toHaveLength(100);
    });
  });

  test('events older than 30 days go, with their deliveries, unless one is still to be delivered', async () => {
    const it = webhooks();
    const { purgeOldEvents } = await import('#core/webhooks/retention.ts');
    const receiver = await receiverOf();
    const { endpoint } = await it.subscribe('acme', receiver.url);
    await it.record('acme');
    await it.dispatcher().step();
    it.advance(HOUR);
    await it.record('acme');
    it.advance(30 * DAY);
    expect(await purgeOldEvents(it.database, it.now())).toBe(1);
    expect(await deliveryOf(it, 'acme', endpoint.id)).toMatchObject({ status: 'pending' });
    expect(await it.database.query('select 1 from geo2.webhook_attempts')).toEqual([]);
  });
});
