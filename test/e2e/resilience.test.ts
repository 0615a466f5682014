import { afterEach, describe, expect, test } from 'vitest';
import { createGeo2Client } from '../../clients/typescript/src/index.ts';
import { problemOf } from '../app-under-test.ts';
import {
  BLUE,
  COLOURS,
  colourImage,
  GREEN,
  metricOf,
  postImage,
  type Service,
  slowImage,
  startService,
  tileOf,
} from './service.ts';

let service: Service;
afterEach(() => service.stop());

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a request is inside the model. */
async function untilPending(count: number): Promise<void> {
  await expect
    .poll(() => metricOf(service, 'inference_pending{model="tiny",graph="ground"}'), { timeout: 5_000 })
    .toBe(count);
}

describe('many at once', { timeout: 120_000 }, () => {
  test('each get the answer to their own image', async () => {
    service = await startService({ requestTimeoutMs: 60_000 });
    const images = await Promise.all(COLOURS.map(colourImage));
    const rounds = Array.from({ length: 8 }, (_, round) => COLOURS.map((_colour, i) => (i + round) % COLOURS.length));
    const answers = await Promise.all(
      rounds.flat().map(async (i) => {
        const answer = await service.client.geolocate(images[i] ?? new Uint8Array());
        return [answer.candidates[0]?.tileId, tileOf(COLOURS[i] ?? GREEN)];
      }),
    );
    expect(answers).toHaveLength(8 * COLOURS.length);
    for (const [found, expected] of answers) expect(found).toBe(expected);
  });

  test('beyond the queue are told when to come back, and those within are served', async () => {
    service = await startService({ maxQueue: 2, requestTimeoutMs: 60_000 });
    const { client } = service;
    const slow = client.geolocate(await slowImage(5));
    await untilPending(1);
    const image = await colourImage(GREEN);
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => client.geolocate(image)));
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(refused).toHaveLength(6);
    for (const problem of refused) {
      expect(problem).toMatchObject({ status: 503, code: 'OVERLOADED', retryable: true });
      expect(problem.retryAfterS).toBeGreaterThanOrEqual(1);
    }
    await expect(slow).resolves.toBeDefined();
    await expect(client.geolocate(image)).resolves.toBeDefined();
  });

  test('beyond the queue are all served when they come back as told', async () => {
    service = await startService({ maxQueue: 2, requestTimeoutMs: 60_000 });
    const patient = createGeo2Client({ baseUrl: service.url, retry: { maxAttempts: 10 } });
    const images = await Promise.all(COLOURS.map(colourImage));
    const answers = await Promise.all(images.map((image) => patient.geolocate(image)));
    expect(answers.map(({ candidates }) => candidates[0]?.tileId)).toEqual(COLOURS.map(tileOf));
  });
});

describe('a caller who hangs up', () => {
  test('frees the place in the queue, and is counted as canceled', async () => {
    service = await startService({ maxQueue: 1 });
    const slow = postImage(service, await slowImage(8));
    await untilPending(1);
    const image = await colourImage(GREEN);
    const leaving = new AbortController();
    const left = postImage(service, image, '', {}, leaving.signal).catch(() => 'left');
    await untilPending(2);
    leaving.abort();
    await expect(left).resolves.toBe('left');
    await untilPending(1);
    const next = postImage(service, image); // the queue holds one: without the cancel this would be 503
    expect((await next).status).toBe(200);
    expect((await slow).status).toBe(200);
    const canceled = 'inference_requests_total{model="tiny",outcome="failure",reason="CANCELED"}';
    expect(await metricOf(service, canceled)).toBe(1);
  });

  test('while uploading harms nobody', async () => {
    service = await startService();
    const leaving = new AbortController();
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1000)) });
    const left = fetch(`${service.url}/v1/geolocate`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'image/jpeg' },
      duplex: 'half',
      signal: leaving.signal,
    }).catch(() => 'left');
    await pause(50);
    leaving.abort();
    await expect(left).resolves.toBe('left');
    expect((await postImage(service, await colourImage(GREEN))).status).toBe(200);
  });
});

describe('the inference process killed in the middle of a request', () => {
  test('costs that request a retryable 503, and the next one is served', async () => {
    service = await startService();
    const pid = service.server.engine.model.pid ?? -1;
    const hit = postImage(service, await slowImage(20));
    await untilPending(1);
    await pause(50);
    process.kill(pid, 'SIGKILL');
    const response = await hit;
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ status: 503, code: 'INFERENCE_CRASHED', retryable: true });

    const answer = await service.client.geolocate(await colourImage(BLUE));
    expect(answer.candidates[0]?.tileId).toBe(tileOf(BLUE));
    expect(service.server.engine.model.pid).not.toBe(pid);
    expect(await metricOf(service, 'inference_restarts_total{model="tiny"}')).toBe(1);
    expect((await fetch(`${service.url}/v2/health/ready`)).status).toBe(200);
  });

  test('is seen by /v2/health/ready while the next one starts', async () => {
    service = await startService();
    process.kill(service.server.engine.model.pid ?? -1, 'SIGKILL');
    await expect
      .poll(async () => await (await fetch(`${service.url}/v2/models/tiny/ready`)).json(), { interval: 2 })
      .toMatchObject({ ready: false, state: 'LOADING', reason: expect.stringMatching(/SIGKILL/) });
    await expect
      .poll(async () => (await fetch(`${service.url}/v2/health/ready`)).status, { timeout: 10_000 })
      .toBe(200);
  });
});

describe('a request that takes too long', () => {
  test('is a retryable 504, and the next one is served', async () => {
    service = await startService({ requestTimeoutMs: 400 });
    const response = await postImage(service, await slowImage(60));
    expect(await problemOf(response)).toMatchObject({ status: 504, code: 'DEADLINE_EXCEEDED', retryable: true });
    await untilPending(0);
    expect((await postImage(service, await colourImage(GREEN))).status).toBe(200);
  });
});

describe('a stop', () => {
  test('lets what is in flight finish, takes nothing new, and leaves no process', async () => {
    service = await startService();
    const pid = service.server.engine.model.pid ?? -1;
    const inFlight = postImage(service, await slowImage(8));
    await untilPending(1);
    const stopped = service.server.stop();
    await pause(20);
    await expect(fetch(`${service.url}/v2/health/live`)).rejects.toThrow();
    const response = await inFlight;
    expect(response.status).toBe(200);
    expect(response.headers.get('connection')).toBe('close');
    await stopped;
    expect(() => process.kill(pid, 0)).toThrow();
  });

  test('twice is a stop once', async () => {
    service = await startService();
    await Promise.all([service.server.stop(), service.server.stop()]);
  });
});

test('connections are kept alive for longer than a load balancer keeps them', async () => {
  service = await startService();
  const response = await fetch(`${service.url}/v2/health/live`);
  expect(response.headers.get('keep-alive')).toBe('timeout=65');
});
