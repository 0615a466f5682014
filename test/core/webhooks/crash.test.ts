import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PASSPHRASE, receiverOf, S, useWebhooks } from './under-test.ts';

describe('a process that is killed while it delivers', () => {
  const webhooks = useWebhooks('postgres');

  test('loses nothing: another takes up every delivery that it had leased, with the same id, when the leases end', async () => {
    const it = webhooks();
    let dead = false;
    const receiver = await receiverOf((response) => void (dead && response.end()));
    const endpoints = await Promise.all(['acme', 'rival'].map((tenant) => it.subscribe(tenant, receiver.url)));
    const ids = [await it.record('acme'), await it.record('acme'), await it.record('rival'), await it.record('rival')];
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'dispatcher-process.ts'), it.databaseUrl, PASSPHRASE],
      { stdio: 'inherit' },
    );
    onTestFinished(() => void child.kill('SIGKILL'));
    await receiver.got(4); // all are under way, and none is answered
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
    dead = true;

    const next = it.dispatcher();
    expect(await next.step()).toBe(0); // the leases hold
    it.advance(300 * S); // this process' clock: the dead one's began when it leased
    expect(await next.step()).toBe(4);
    const received = receiver.received.map(({ headers }) => String(headers['webhook-id']));
    expect(received.toSorted()).toEqual([...ids, ...ids].map(String).toSorted());
    for (const [index, { endpoint }] of endpoints.entries()) {
      const owner = { tenant: index === 0 ? 'acme' : 'rival', endpointId: endpoint.id };
      const { deliveries } = await it.deliveries.list(owner, { limit: 10 });
      expect(deliveries.map(({ status, attempts }) => [status, attempts.length])).toEqual([
        ['succeeded', 1],
        ['succeeded', 1],
      ]);
    }
  });
});
