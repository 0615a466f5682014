import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { problemOf } from '../app-under-test.ts';
import { type JobsUnderTest, jobsUnderTest } from '../jobs-under-test.ts';

/** What makes jobs is safe to repeat, too: one job, whatever a client that lost its connection sends again. */

let jobs: JobsUnderTest;
beforeAll(async () => {
  jobs = await jobsUnderTest();
});
afterAll(() => jobs.stop());

const JobSchema = z.object({ id: z.string() });
const ListSchema = z.object({ jobs: z.array(JobSchema) });

function form(images: readonly string[]): FormData {
  const data = new FormData();
  data.append('task', 'geolocate');
  for (const [index, image] of images.entries()) data.append('image', new Blob([image]), `${index}.jpg`);
  return data;
}

test('a batch that is sent again, with another boundary, is the same job; another one under its name is refused', async () => {
  const { request } = await jobs.app();
  const headers = { ...(await jobs.keyOf('batches')), 'idempotency-key': 'batch-1' };
  const send = (images: readonly string[]) => request('/v1/batches', { method: 'POST', body: form(images), headers });
  const first = await send(['one', 'two']);
  expect(first.status).toBe(202);
  const again = await send(['one', 'two']);
  expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([202, 'true']);
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
  expect(JobSchema.parse(await again.json()).id).toBe(JobSchema.parse(await first.json()).id);
  expect(await problemOf(await send(['one', 'three']))).toMatchObject({ status: 422, code: 'IDEMPOTENCY_KEY_REUSED' });
  const listed = ListSchema.parse(await (await request('/v1/jobs', { headers })).json());
  expect(listed.jobs).toHaveLength(1);
});

test('a request that was made a job is made one once', async () => {
  const { request } = await jobs.app();
  const headers = {
    ...(await jobs.keyOf('async')),
    'idempotency-key': 'async-1',
    'content-type': 'image/jpeg',
    prefer: 'respond-async',
  };
  const send = () => request('/v1/geolocate', { method: 'POST', body: 'an image', headers });
  const [first, again] = [await send(), await send()];
  expect([first.status, again.status]).toEqual([202, 202]);
  expect(again.headers.get('location')).toBe(first.headers.get('location'));
  expect(again.headers.get('preference-applied')).toBe(first.headers.get('preference-applied'));
  expect(again.headers.get('preference-applied')).toMatch(/respond-async/);
});
