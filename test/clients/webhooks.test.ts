import { Webhook } from 'standardwebhooks';
import { expect, test } from 'vitest';
import { verifyWebhook, WebhookVerificationError } from '../../clients/typescript/src/webhooks.ts';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const body = JSON.stringify({ type: 'job.succeeded', timestamp: '2026-01-02T03:04:05.000Z', data: { id: 'job_1' } });

function signed(text: string, { secret = SECRET, at = new Date() } = {}): Record<string, string> {
  const id = 'msg_1';
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, at, text),
  };
}

test('a signed event is told with its id, from headers of every form and from bytes', () => {
  const event = { id: 'msg_1', type: 'job.succeeded', timestamp: '2026-01-02T03:04:05.000Z', data: { id: 'job_1' } };
  const headers = signed(body);
  const upper = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]));
  expect(verifyWebhook(body, headers, SECRET)).toEqual(event);
  expect(verifyWebhook(new TextEncoder().encode(body), new Headers(headers), SECRET)).toEqual(event);
  expect(verifyWebhook(body, upper, SECRET)).toEqual(event);
});

test('one signature of several is enough, as while a secret is rotated', () => {
  const old = signed(body, { secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' });
  const both = {
    ...signed(body),
    'webhook-signature': `${old['webhook-signature']} ${signed(body)['webhook-signature']}`,
  };
  expect(verifyWebhook(body, both, SECRET).id).toBe('msg_1');
});

test.each<[string, () => unknown]>([
  ['a changed body', () => verifyWebhook(body.replace('job_1', 'job_2'), signed(body), SECRET)],
  ['another id', () => verifyWebhook(body, { ...signed(body), 'webhook-id': 'msg_2' }, SECRET)],
  [
    'another secret',
    () => verifyWebhook(body, signed(body, { secret: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD' }), SECRET),
  ],
  ['an old event', () => verifyWebhook(body, signed(body, { at: new Date(Date.now() - 301_000) }), SECRET)],
  ['no signature', () => verifyWebhook(body, {}, SECRET)],
])('%s is refused', (_name, verify) => {
  expect(verify).toThrow(WebhookVerificationError);
});

test('what is signed but is no event is refused', () => {
  expect(() => verifyWebhook('{"type":"x"}', signed('{"type":"x"}'), SECRET)).toThrow(/no event/);
});
