import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { EVENT_TYPES } from '#core/webhooks/events.ts';
import { newSecret } from '#core/webhooks/signature.ts';
import { headersOf, type Received, receiverOf, useWebhooks } from './under-test.ts';

const root = join(import.meta.dirname, '../../..');

/** What `standardwebhooks` for Python makes of a message: its payload, or its complaint. */
async function verifyInPython(secret: string, received: Received): Promise<{ payload?: unknown; complaint?: string }> {
  const python = spawn(join(root, '.venv/bin/python'), [join(import.meta.dirname, 'verify.py')]);
  python.stdin.end(JSON.stringify({ secret, headers: headersOf(received), body: received.body }));
  const exited = new Promise<number | null>((resolve) => python.once('exit', resolve));
  const [output, errors, code] = await Promise.all([text(python.stdout), text(python.stderr), exited]);
  return code === 0 ? { payload: JSON.parse(output) } : { complaint: errors.trim().split('\n').at(-1) ?? '' };
}

describe('what is sent', () => {
  const webhooks = useWebhooks('postgres');

  test.each(EVENT_TYPES)('of %s verifies with the official libraries for Node and Python', async (type) => {
    const it = webhooks();
    const receiver = await receiverOf();
    const { secret } = await it.subscribe('acme', receiver.url, [type]);
    await it.record('acme', type, { id: 'job_1', text: 'Größe 日本 🛰 "quoted" \\ \u2028 </script>' });
    await it.dispatcher().step();
    const [received] = await receiver.got(1);
    if (received === undefined) throw new Error('nothing was received');
    const payload = JSON.parse(received.body);
    expect(payload).toMatchObject({ type, data: { id: 'job_1' } });
    expect(new Webhook(secret).verify(received.body, headersOf(received))).toEqual(payload);
    expect(await verifyInPython(secret, received)).toEqual({ payload });
  });

  test('during a rotation verifies with the new and with the old secret; with another, or changed, with neither library', async () => {
    const it = webhooks();
    const receiver = await receiverOf();
    const { endpoint, secret: old } = await it.subscribe('acme', receiver.url);
    const rotated = await it.endpoints.rotateSecret('acme', endpoint.id, { graceS: 600 });
    if (rotated === undefined) throw new Error('nothing was rotated');
    await it.record('acme');
    await it.dispatcher().step();
    const [received] = await receiver.got(1);
    if (received === undefined) throw new Error('nothing was received');
    const payload = JSON.parse(received.body);
    for (const secret of [old, rotated.secret]) expect(await verifyInPython(secret, received)).toEqual({ payload });
    const changed = { ...received, body: received.body.replace('job_1', 'job_2') };
    expect(await verifyInPython(newSecret(), received)).toEqual({ complaint: expect.stringMatching(/No matching/) });
    expect(await verifyInPython(old, changed)).toEqual({ complaint: expect.stringMatching(/No matching/) });
    expect(() => new Webhook(old).verify(changed.body, headersOf(changed))).toThrow(/No matching/);
  });
});
