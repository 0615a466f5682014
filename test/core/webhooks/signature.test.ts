import { createHmac } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import { newSecret, signedHeaders } from '#core/webhooks/signature.ts';

const body = '{"type":"job.succeeded","timestamp":"2026-01-31T12:00:00.000Z","data":{"id":"job_ä"}}';

describe('the signature of an attempt', () => {
  test('is the HMAC-SHA256 of id, timestamp and body under the decoded secret', () => {
    const secret = newSecret();
    const headers = signedHeaders({ id: 'msg_1', body, at: new Date(1_769_860_800_999) }, [secret]);
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', key).update(`msg_1.1769860800.${body}`).digest('base64');
    expect(headers).toEqual({
      'webhook-id': 'msg_1',
      'webhook-timestamp': '1769860800',
      'webhook-signature': `v1,${expected}`,
    });
  });

  test('verifies with each of two secrets during a rotation, and with no other', () => {
    const [fresh, old] = [newSecret(), newSecret()];
    const headers = { ...signedHeaders({ id: 'msg_1', body, at: new Date() }, [fresh, old]) };
    for (const secret of [fresh, old]) expect(new Webhook(secret).verify(body, headers)).toEqual(JSON.parse(body));
    expect(() => new Webhook(newSecret()).verify(body, headers)).toThrow(/No matching signature/);
    expect(() => new Webhook(fresh).verify(body.replace('1', '2'), headers)).toThrow(/No matching signature/);
  });

  test('is too old after the tolerance of five minutes', () => {
    const secret = newSecret();
    const headers = { ...signedHeaders({ id: 'msg_1', body, at: new Date(Date.now() - 301_000) }, [secret]) };
    expect(() => new Webhook(secret).verify(body, headers)).toThrow(/too old/);
  });
});

test('a secret is whsec_ and 32 random bytes in base64', () => {
  const secrets = Array.from({ length: 100 }, () => newSecret());
  for (const secret of secrets) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(Buffer.from(secret.slice(6), 'base64')).toHaveLength(32);
  }
  expect(new Set(secrets).size).toBe(100);
});
