import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { problemOf } from '../app-under-test.ts';
import { connectTo } from '../raw-http.ts';
import {
  answerOf,
  BLUE,
  colourImage,
  GREEN,
  postImage,
  prepareFiles,
  type Service,
  type ServiceFiles,
  slowImage,
  startService,
  tileOf,
} from './service.ts';

/** Jobs of the whole service: a socket in front, the embedded database and a real model's process behind. */

const JobSchema = z.object({
  id: z.string(),
  status: z.string(),
  progress: z.object({ completed: z.number(), failed: z.number(), total: z.number() }),
});
const FINAL = ['succeeded', 'failed', 'canceled', 'expired'];

let files: ServiceFiles;
let service: Service;
beforeAll(async () => {
  files = await prepareFiles();
  service = await startService({}, { files });
}, 120_000);
afterAll(() => service?.stop());

/** What jobs have left in the store; paths relative to it. */
async function stored(): Promise<string[]> {
  const entries = await readdir(join(files.root, 'data/objects'), { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
}

async function submit(images: readonly Uint8Array<ArrayBuffer>[]): Promise<z.infer<typeof JobSchema>> {
  const form = new FormData();
  form.append('task', 'geolocate');
  for (const [i, image] of images.entries()) form.append('image', new Blob([image]), `${i}.png`);
  const response = await fetch(`${service.url}/v1/batches`, { method: 'POST', body: form });
  expect(response.status).toBe(202);
  expect(response.headers.get('location')).toMatch(/^\/v1\/jobs\/job_/);
  return JobSchema.parse(await response.json());
}

async function jobOf(id: string): Promise<z.infer<typeof JobSchema>> {
  return JobSchema.parse(await (await fetch(`${service.url}/v1/jobs/${id}`)).json());
}

async function countJobs(): Promise<number> {
  const listed = await (await fetch(`${service.url}/v1/jobs?limit=100`)).json();
  return z.object({ jobs: z.array(z.unknown()) }).parse(listed).jobs.length;
}

test('a batch is located image by image, and its inputs are gone when it ends', async () => {
  const job = await submit([await colourImage(GREEN), new Uint8Array([1, 2, 3]), await colourImage(BLUE)]);
  await expect.poll(async () => (await jobOf(job.id)).status, { timeout: 60_000 }).toBeOneOf(FINAL);
  const whole = await (await fetch(`${service.url}/v1/jobs/${job.id}`)).json();
  const items = z
    .object({
      result: z.object({
        items: z.array(
          z.object({
            status: z.string(),
            result: z.object({ candidates: z.array(z.object({ tileId: z.string() })) }).optional(),
            error: z.object({ code: z.string() }).optional(),
          }),
        ),
      }),
    })
    .parse(whole).result.items;
  expect(items.map(({ status, error }) => error?.code ?? status)).toEqual([
    'succeeded',
    'IMAGE_UNSUPPORTED',
    'succeeded',
  ]);
  expect([items[0], items[2]].map((item) => item?.result?.candidates[0]?.tileId)).toEqual([
    tileOf(GREEN),
    tileOf(BLUE),
  ]);
  await expect
    .poll(async () => (await stored()).filter((path) => path.includes('/inputs/')), { timeout: 30_000 })
    .toEqual([]);
});

test('a job is canceled within a second in the middle of an inference, and the next image is served', async () => {
  const job = await submit([await slowImage(60), await slowImage(60)]);
  await expect.poll(async () => (await jobOf(job.id)).status, { timeout: 30_000, interval: 20 }).toBe('processing');
  const askedAtMs = performance.now();
  const response = await fetch(`${service.url}/v1/jobs/${job.id}`, { method: 'DELETE' });
  expect(JobSchema.parse(await response.json()).status).toBe('canceled');
  expect(performance.now() - askedAtMs).toBeLessThan(1_000);
  await answerOf(await postImage(service, await colourImage(GREEN)));
  expect((await jobOf(job.id)).status).toBe('canceled');
  await expect
    .poll(async () => (await stored()).filter((path) => path.includes(job.id)), { timeout: 30_000 })
    .toEqual([]);
}, 120_000);

describe('an upload of a batch', () => {
  const head = (length: number): string =>
    [
      'POST /v1/batches HTTP/1.1',
      `Host: ${new URL(service.url).host}`,
      'Content-Type: multipart/form-data; boundary=x',
      `Content-Length: ${length}`,
      '',
      '--x',
      'Content-Disposition: form-data; name="task"',
      '',
      'geolocate',
      '--x',
      'Content-Disposition: form-data; name="image"; filename="a.png"',
      '',
      '',
    ].join('\r\n');

  test('that breaks off in the middle of its second image leaves no job and no file', async () => {
    const [jobs, before] = [await countJobs(), (await stored()).length];
    const image = Buffer.from(await colourImage(GREEN));
    const second = '\r\n--x\r\nContent-Disposition: form-data; name="image"; filename="b.png"\r\n\r\n';
    const socket = connectTo(service.url);
    await once(socket, 'connect');
    socket.write(head(5_000_000));
    socket.write(Buffer.concat([image, Buffer.from(second), image.subarray(0, 100)]));
    // its first image lies in the store before the connection breaks
    await expect.poll(async () => (await stored()).length, { timeout: 30_000 }).toBeGreaterThan(before);
    socket.destroy();
    await expect.poll(async () => (await stored()).length, { timeout: 30_000 }).toBe(before);
    expect(await countJobs()).toBe(jobs);
  });

  test('that says it is larger than any may be is refused before it is read', async () => {
    const before = (await stored()).length;
    const socket = connectTo(service.url);
    socket.write(head(10_000_000_000));
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    expect((await stored()).length).toBe(before);
    socket.destroy();
  });
});

test('a job of another id is told as one that is not there', async () => {
  for (const method of ['GET', 'DELETE']) {
    const response = await fetch(`${service.url}/v1/jobs/job_0000000000000000000000`, { method });
    expect(await problemOf(response)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
  }
});

test('what a process accepted that is gone is finished by the one that comes after it', async () => {
  // the same data, and files that go with the second process only
  const kept = await prepareFiles();
  const gone = { ...kept, root: join(kept.root, 'gone') };
  const accepting = await startService({ role: 'api', dataDir: join(kept.root, 'data') }, { files: gone });
  const form = new FormData();
  form.append('task', 'geolocate');
  form.append('image', new Blob([await colourImage(BLUE)]), 'blue.png');
  const response = await fetch(`${accepting.url}/v1/batches`, { method: 'POST', body: form });
  const { id } = JobSchema.parse(await response.json());
  await accepting.stop();
  const working = await startService({}, { files: kept });
  try {
    const statusOf = async () => JobSchema.parse(await (await fetch(`${working.url}/v1/jobs/${id}`)).json()).status;
    await expect.poll(statusOf, { timeout: 60_000 }).toBe('succeeded');
  } finally {
    await working.stop();
  }
}, 180_000);
