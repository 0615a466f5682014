import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createGeo2Client, type JobEvent, type JobItem } from '../../clients/typescript/src/index.ts';
import { verifyWebhook, type WebhookEvent } from '../../clients/typescript/src/webhooks.ts';
import { AnswerSchema } from '../../src/handlers/geolocate.ts';
import { BLUE, COLOURS, colourImage, GREEN, type Service, slowImage, startService, tileOf } from '../e2e/service.ts';
import { scriptedServer } from './scripted-server.ts';

let service: Service;
beforeAll(async () => {
  service = await startService({ requestTimeoutMs: 60_000, outboundAllow: ['127.0.0.0/8'] });
}, 300_000);
afterAll(() => service.stop());

const client = () => createGeo2Client({ baseUrl: service.url });

async function itemsOf(id: string): Promise<JobItem[]> {
  const items: JobItem[] = [];
  for await (const item of client().jobs.items(id)) items.push(item);
  return items;
}

const ResultSchema = AnswerSchema.omit({ requestId: true });
const tileIn = (result: unknown) => ResultSchema.parse(result).candidates[0]?.tileId;

describe('a batch', { timeout: 300_000 }, () => {
  test('of files is done in the order of its images, each under its name and its own options', async () => {
    const images = await Promise.all(COLOURS.map(colourImage));
    const batch = images.map((image, index) => ({ image, name: `photo ${index}`, options: { topK: index + 1 } }));
    const accepted = await client().batches.geolocate(batch, { headingDeg: 90 });
    expect(accepted).toMatchObject({ task: 'geolocate', form: 'batch', progress: { total: COLOURS.length } });

    const told: JobEvent[] = [];
    const job = await client().jobs.wait(accepted.id, { onEvent: (event) => told.push(event) });
    expect(job).toMatchObject({ status: 'succeeded', progress: { completed: COLOURS.length, failed: 0 } });
    expect(told.at(0)?.type).toBe('start');
    expect(told.at(-1)?.type).toBe('completed');
    expect(told.filter(({ type }) => type === 'output')).toHaveLength(COLOURS.length);

    const items = await itemsOf(accepted.id);
    expect(items.map(({ name }) => name)).toEqual(batch.map(({ name }) => name));
    expect(items.map(({ result }) => tileIn(result))).toEqual(COLOURS.map(tileOf));
    expect(items.map(({ result }) => ResultSchema.parse(result).candidates.length)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(items.map(({ result }) => ResultSchema.parse(result).heading?.deg)).toEqual(COLOURS.map(() => 90));
  });

  test('with an image that cannot be used tells so of that one', async () => {
    const broken = new TextEncoder().encode('no image');
    const accepted = await client().batches.embed([await colourImage(GREEN), broken], { view: 'satellite' });
    const job = await client().jobs.wait(accepted.id);
    expect(job).toMatchObject({ status: 'succeeded', progress: { completed: 1, failed: 1, total: 2 } });
    const [good, bad] = await itemsOf(accepted.id);
    expect(good).toMatchObject({ status: 'succeeded', result: { view: 'satellite' } });
    expect(bad).toMatchObject({ status: 'failed', error: { code: 'IMAGE_UNSUPPORTED', retryable: false } });
  });

  test('is made once, however often it is sent', async () => {
    const batch = [await colourImage(GREEN)];
    const idempotencyKey = crypto.randomUUID();
    const [first, second] = [
      await client().batches.geolocate(batch, {}, { idempotencyKey }),
      await client().batches.geolocate(batch, {}, { idempotencyKey }),
    ];
    expect(second?.id).toBe(first?.id);
  });
});

describe('a call that is answered later', { timeout: 300_000 }, () => {
  test('ends with what the call would have answered', async () => {
    const accepted = await client().later.geolocate(await colourImage(BLUE), { topK: 1 });
    expect(accepted).toMatchObject({ task: 'geolocate', form: 'single' });
    const job = await client().jobs.wait(accepted.id);
    expect(tileIn(job.result)).toBe(tileOf(BLUE));
    const { jobs } = await client().jobs.list({ limit: 1 });
    expect(jobs.map(({ id }) => id)).toEqual([accepted.id]);
  });

  test('can be canceled while it runs, which its events tell', async () => {
    const accepted = await client().later.geolocate(await slowImage(200));
    const waiting = client().jobs.wait(accepted.id);
    expect(await client().jobs.cancel(accepted.id)).toMatchObject({ status: 'canceled' });
    expect(await waiting).toMatchObject({ status: 'canceled' });
    await expect(client().jobs.get('job_aaaaaaaaaaaaaaaaaaaaaaaaaa')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});

test('a webhook is made, told of a job’s end by a request that verifies, and deleted', {
  timeout: 120_000,
}, async () => {
  const secrets: string[] = [];
  const told = Promise.withResolvers<WebhookEvent>();
  const receiver = await scriptedServer((response, { headers, body }) => {
    try {
      told.resolve(verifyWebhook(body, headers, secrets[0] ?? ''));
    } catch (error) {
      told.reject(error);
    }
    response.writeHead(204).end();
  });
  const { id, secret } = await client().webhooks.create({ url: receiver.url, events: ['job.succeeded'] });
  secrets.push(secret);
  expect((await client().webhooks.list()).map((webhook) => webhook.id)).toEqual([id]);

  const job = await client().later.geolocate(await colourImage(GREEN));
  const { data, ...event } = await told.promise;
  expect(event.type).toBe('job.succeeded');
  expect(data.id).toBe(job.id);

  expect((await client().webhooks.rotateSecret(id, { graceS: 60 })).secret).not.toBe(secret);
  expect((await client().webhooks.test(id)).type).toBe('webhook.test');
  await client().webhooks.delete(id);
  expect(await client().webhooks.list()).toEqual([]);
});
