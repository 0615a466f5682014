import { describe, expect, test } from 'vitest';
import { payloadOf } from '#core/webhooks/events.ts';

const at = new Date('2026-01-31T12:00:00.123Z');

describe('the body of an event', () => {
  test('is its type, when it happened, and its data', () => {
    expect(JSON.parse(payloadOf('job.succeeded', at, { id: 'job_1', links: { result: '/v1/jobs/job_1' } }))).toEqual({
      type: 'job.succeeded',
      timestamp: '2026-01-31T12:00:00.123Z',
      data: { id: 'job_1', links: { result: '/v1/jobs/job_1' } },
    });
  });

  test('never has more than 20,000 bytes: large members go, small ones stay, and it says so', () => {
    const large = { id: 'job_1', items: Array.from({ length: 2_000 }, () => 'äöüß€'), status: 'succeeded' };
    const payload = payloadOf('job.succeeded', at, large);
    expect(Buffer.byteLength(payload)).toBeLessThanOrEqual(20_000);
    expect(JSON.parse(payload).data).toEqual({ id: 'job_1', status: 'succeeded', truncated: true });
    const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`member${index}`, index]));
    const cut = payloadOf('job.failed', at, { id: 'job_2', ...many });
    expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(20_000);
    expect(Buffer.byteLength(cut)).toBeGreaterThan(19_900);
    expect(JSON.parse(cut).data).toMatchObject({ id: 'job_2', truncated: true });
    expect(JSON.parse(payloadOf('job.failed', at, { huge: 'x'.repeat(30_000) })).data).toEqual({ truncated: true });
  });
});
