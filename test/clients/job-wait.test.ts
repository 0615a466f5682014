import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { Geo2ConnectionError, Geo2ProblemError, Geo2TimeoutError } from '../../clients/typescript/src/errors.ts';
import { createJobWait, type JobEvent } from '../../clients/typescript/src/job-wait.ts';
import { pause } from '../../clients/typescript/src/retry.ts';
import { createTransport } from '../../clients/typescript/src/transport.ts';
import { breaks, json, problem, type Reply, scriptedServer } from './scripted-server.ts';

/** What is scripted is the service; it answers over a real connection, because that is what breaks. */

const { call, open } = createTransport({
  timeoutMs: 10_000,
  retry: {},
  random: () => 0,
  nowMs: Date.now,
  newIdempotencyKey: () => 'not used here',
});

const JobSchema = z.object({ status: z.string() });
type Job = z.infer<typeof JobSchema>;

function waitAt(url: string) {
  const attempt = (path: string, headers: Record<string, string>) => async (init: RequestInit) => {
    const response = await fetch(`${url}${path}`, { ...init, headers: { ...init.headers, ...headers } });
    return response.ok ? { response } : { response, error: await response.json() };
  };
  return createJobWait<Job>({
    get: async (id, { signal }) =>
      call(
        async (init) => {
          const { response, ...rest } = await attempt(`/jobs/${id}`, {})(init);
          return response.ok ? { response, data: JobSchema.parse(await response.json()) } : { response, ...rest };
        },
        { signal },
      ),
    isFinal: ({ status }) => status === 'succeeded',
    open: (id, { signal, lastEventId }) =>
      open(
        async (init) => {
          const { response, ...rest } = await attempt(
            `/jobs/${id}/events`,
            lastEventId === undefined ? {} : { 'last-event-id': lastEventId },
          )(init);
          return { response, ...rest, data: response.ok ? response.body : null };
        },
        { signal },
      ),
    random: () => 0,
    pause,
  });
}

/** Sends these events; then the connection breaks, unless one of them ends the job. */
function events(...sent: [id: number, type: string][]): Reply {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const text = sent.map(([id, type]) => `id: ${id}\nevent: ${type}\ndata: {"id":"job_1"}\n\n`).join('');
    response.write(text, () => {
      if (sent.some(([, type]) => type === 'completed')) response.end();
      else setTimeout(() => response.socket?.destroy(), 20); // what was written has left by then
    });
  };
}

const SUCCEEDED = json(200, { status: 'succeeded' });

describe('waiting for a job', () => {
  test('follows its events over connections that break, and goes on after the last one', async () => {
    const { url, received } = await scriptedServer(
      events([1, 'start'], [2, 'output']),
      breaks,
      events([3, 'progress'], [4, 'completed']),
      SUCCEEDED,
    );
    const told: JobEvent[] = [];
    const job = await waitAt(url).wait('job_1', { onEvent: (event) => told.push(event) });
    expect(job.status).toBe('succeeded');
    expect(told.map(({ id, type }) => `${id} ${type}`)).toEqual(['1 start', '2 output', '3 progress', '4 completed']);
    expect(received.map(({ path, headers }) => [path, headers['last-event-id']])).toEqual([
      ['/jobs/job_1/events', undefined],
      ['/jobs/job_1/events', '2'],
      ['/jobs/job_1/events', '2'],
      ['/jobs/job_1', undefined],
    ]);
  });

  test.each<[string, Reply]>([
    ['are refused', problem(406, 'NOT_ACCEPTABLE', { retryable: false })],
    ['are a page of a proxy', (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Hello')],
    ['end without a word', events()],
  ])('asks again and again when its events %s', async (_name, reply) => {
    let asked = 0;
    const { url, received } = await scriptedServer((response, request) => {
      if (request.path.endsWith('/events')) return reply(response, request);
      asked += 1;
      return (asked < 3 ? json(200, { status: 'processing' }) : SUCCEEDED)(response, request);
    });
    expect(await waitAt(url).wait('job_1')).toEqual({ status: 'succeeded' });
    expect(asked).toBe(3);
    expect(received.filter(({ path }) => path.endsWith('/events')).length).toBeLessThanOrEqual(3);
  });

  test('rejects with the problem of a job that there is not', async () => {
    const { url } = await scriptedServer(problem(404, 'NOT_FOUND', { retryable: false }));
    const unknown = waitAt(url).wait('job_1');
    await expect(unknown).rejects.toBeInstanceOf(Geo2ProblemError);
    await expect(unknown).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('ends when its time is over, and when the caller ends it', async () => {
    const { url } = await scriptedServer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': nothing yet\n\n');
    });
    await expect(waitAt(url).wait('job_1', { timeoutMs: 100 })).rejects.toBeInstanceOf(Geo2TimeoutError);
    const leaving = new AbortController();
    const reason = new Error('no longer needed');
    const left = waitAt(url).wait('job_1', { signal: leaving.signal });
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
  });

  test('ends with what its listener throws', async () => {
    const { url } = await scriptedServer(events([1, 'start']));
    const broken = new Error('the listener is broken');
    const wait = waitAt(url).wait('job_1', {
      onEvent: () => {
        throw broken;
      },
    });
    await expect(wait).rejects.toBe(broken);
  });
});

describe('the events of a job', () => {
  test('go on from where an earlier program stopped', async () => {
    const { url, received } = await scriptedServer(events([8, 'completed']));
    const told: string[] = [];
    for await (const { id } of waitAt(url).events('job_1', { lastEventId: '7' })) told.push(id);
    expect(told).toEqual(['8']);
    expect(received[0]?.headers['last-event-id']).toBe('7');
  });

  test('end where nothing is left to tell', async () => {
    const { url, received } = await scriptedServer((response) => response.writeHead(204).end());
    expect(await waitAt(url).events('job_1', { lastEventId: '9' }).next()).toMatchObject({ done: true });
    expect(received).toHaveLength(1);
  });

  test('reject when connections bring nothing, time after time', async () => {
    const { url, received } = await scriptedServer(breaks);
    await expect(waitAt(url).events('job_1').next()).rejects.toBeInstanceOf(Geo2ConnectionError);
    expect(received).toHaveLength(3);
  });
});
