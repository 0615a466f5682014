import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { EmbedAnswer } from '#core/embed.ts';
import { Geo2Error } from '#core/errors.ts';
import type { Geolocate } from '#core/geolocate.ts';
import { AnswerSchema } from '../../src/handlers/geolocate.ts';
import { JobSchema } from '../../src/handlers/job-body.ts';
import { type AppUnderTest, LIMITS, MATCHED, problemOf, streamed } from '../app-under-test.ts';
import { type JobsUnderTest, jobsUnderTest, PATIENT } from '../jobs-under-test.ts';

const SLOW = { timeout: 120_000 };

let jobs: JobsUnderTest;
beforeAll(async () => {
  jobs = await jobsUnderTest();
}, 240_000);
afterAll(() => jobs.stop());

const geolocate: Geolocate = async ({ image }) => {
  const text = new TextDecoder().decode(image);
  if (text.startsWith('bad')) throw new Geo2Error('IMAGE_UNSUPPORTED', 'This is no picture.');
  return { ...MATCHED, reasons: [text] };
};

type Job = z.infer<typeof JobSchema>;
type Body = string | Uint8Array<ArrayBuffer> | FormData;

async function jobOf(response: Response, status = 202): Promise<Job> {
  if (response.status !== status) throw new Error(`${response.status} ${await response.text()}`);
  const job = JobSchema.parse(await response.json());
  if (status === 202) expect(response.headers.get('location')).toBe(`/v1/jobs/${job.id}`);
  return job;
}

function post({ request }: AppUnderTest, path: string, body: Body, headers: Record<string, string> = {}) {
  return request(path, { method: 'POST', body, headers });
}

function formOf(images: readonly string[], fields: Record<string, string> = { task: 'geolocate' }): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const [index, image] of images.entries()) form.append('image', new Blob([image]), `${index}.jpg`);
  return form;
}

/** Everything that the stream of events tells, once it has ended. */
async function eventsOf({ request }: AppUnderTest, id: string, headers: Record<string, string> = {}) {
  const response = await request(`/v1/jobs/${id}/events`, { headers });
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  return parseEvents(await response.text());
}

const DataSchema = z.looseObject({ id: z.string() });

function parseEvents(text: string) {
  const blocks = text.split('\n\n').filter((block) => block.startsWith('id: '));
  return blocks.map((block) => {
    const [, id = '', event = '', data = ''] = /^id: (.*)\nevent: (.*)\ndata: (.*)$/.exec(block) ?? [];
    return { id, event, data: DataSchema.parse(JSON.parse(data)) };
  });
}

/** The job when it is final. */
async function ended(app: AppUnderTest, { id }: Job, headers: Record<string, string> = {}): Promise<Job> {
  await eventsOf(app, id, headers);
  return jobOf(await app.request(`/v1/jobs/${id}`, { headers }), 200);
}

/** A verb that runs until it is let go, and notes how it ended. */
function held() {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const verb: Geolocate = ({ signal }) => {
    begun.resolve();
    return new Promise((resolve, reject) => {
      go.promise.then(() => resolve(MATCHED));
      signal?.addEventListener('abort', () => {
        stopped.resolve();
        reject(new Geo2Error('CANCELED', 'stopped'));
      });
    });
  };
  return { verb, begun: begun.promise, letGo: () => go.resolve(), stopped: stopped.promise };
}

describe('a batch', SLOW, () => {
  test('of files is answered at once, and ends with a result or an error for each, and no file of an image', async () => {
    const app = await jobs.app({ geolocate });
    const accepted = await jobOf(await post(app, '/v1/batches', formOf(['one', 'bad', 'three'])));
    expect(accepted).toMatchObject({ task: 'geolocate', form: 'batch', progress: { total: 3 } });
    const job = await ended(app, accepted);
    expect(job).toMatchObject({
      status: 'succeeded',
      progress: { completed: 2, failed: 1, total: 3 },
      result: {
        items: [
          { index: 0, name: '0.jpg', status: 'succeeded', result: { status: 'matched', reasons: ['one'] } },
          {
            index: 1,
            name: '1.jpg',
            status: 'failed',
            error: { code: 'IMAGE_UNSUPPORTED', detail: 'This is no picture.', retryable: false },
          },
          { index: 2, name: '2.jpg', status: 'succeeded', result: { reasons: ['three'] } },
        ],
      },
    });
    expect(job.error).toBeUndefined();
    await expect.poll(() => jobs.files().then((files) => files.filter((file) => file.includes('inputs')))).toEqual([]);
  });

  test('of URLs fetches them when their turn comes, and tells of its results page by page', async () => {
    const fetched: string[] = [];
    const app = await jobs.app({
      geolocate,
      fetchImage: async (url) => {
        fetched.push(url);
        return new TextEncoder().encode(url.slice(-1));
      },
    });
    const lines = ['a', 'b', 'c', 'd', 'e'].map((name) => JSON.stringify({ url: `https://example.org/${name}`, name }));
    const accepted = await jobOf(
      await post(app, '/v1/batches?task=geolocate', lines.join('\n'), { 'content-type': 'application/x-ndjson' }),
    );
    await ended(app, accepted);
    expect(fetched.toSorted()).toEqual(['a', 'b', 'c', 'd', 'e'].map((name) => `https://example.org/${name}`));

    const PageSchema = z.object({
      result: z.object({ items: z.array(z.looseObject({ name: z.string() })), next: z.string().optional() }),
    });
    const names: string[][] = [];
    for (let next: string | undefined = `/v1/jobs/${accepted.id}?limit=2`; next !== undefined; ) {
      const { result }: z.infer<typeof PageSchema> = PageSchema.parse(await (await app.request(next)).json());
      names.push(result.items.map(({ name }) => name));
      next = result.next;
    }
    expect(names).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  test('in which no image has a result has failed', async () => {
    const app = await jobs.app({ geolocate });
    const job = await ended(app, await jobOf(await post(app, '/v1/batches', formOf(['bad']))));
    expect(job).toMatchObject({ status: 'failed', error: { code: 'IMAGE_UNSUPPORTED', title: expect.any(String) } });
  });

  const csv = { 'content-type': 'text/csv' };
  test.each<[string, string, Body, Record<string, string>, number, string]>([
    ['a form without a task', '/v1/batches', formOf(['one'], {}), {}, 422, 'INVALID_REQUEST'],
    [
      'a form with an unknown option',
      '/v1/batches',
      formOf(['one'], { task: 'geolocate', options: '{"x":1}' }),
      {},
      422,
      'INVALID_REQUEST',
    ],
    [
      'a form with an unknown part behind its images',
      '/v1/batches',
      formOf(['one', 'two'], { task: 'geolocate', x: 'y' }),
      {},
      422,
      'INVALID_REQUEST',
    ],
    [
      'an image too large',
      '/v1/batches',
      formOf(['one', 'x'.repeat(LIMITS.maxImageBytes + 1)]),
      {},
      413,
      'IMAGE_TOO_LARGE',
    ],
    ['a form too large', '/v1/batches', formOf(Array(11).fill('x'.repeat(99_000))), {}, 413, 'BODY_TOO_LARGE'],
    ['options in the query string of a form', '/v1/batches?topK=1', formOf(['one']), {}, 422, 'INVALID_REQUEST'],
    ['a table without a task', '/v1/batches', 'url\nhttps://example.org/a\n', csv, 422, 'INVALID_REQUEST'],
    [
      'a table and an unknown parameter',
      '/v1/batches?task=geolocate&x=1',
      'url\nhttps://example.org/a\n',
      csv,
      422,
      'INVALID_REQUEST',
    ],
    ['a task given twice', '/v1/batches?task=geolocate&task=embed', 'url\n', csv, 422, 'INVALID_REQUEST'],
    ['an image as it is', '/v1/batches', 'x', { 'content-type': 'image/jpeg' }, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no type', '/v1/batches', new Uint8Array(3), {}, 415, 'UNSUPPORTED_MEDIA_TYPE'],
    [
      'a compressed body',
      '/v1/batches',
      '{}',
      { 'content-type': 'application/json', 'content-encoding': 'gzip' },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['a form without a boundary', '/v1/batches', 'x', { 'content-type': 'multipart/form-data' }, 400, 'MALFORMED_BODY'],
    ['JSON that is none', '/v1/batches', '{', { 'content-type': 'application/json' }, 400, 'MALFORMED_BODY'],
    [
      'JSON that is no UTF-8',
      '/v1/batches',
      Uint8Array.of(0x22, 0xff, 0x22),
      { 'content-type': 'application/json' },
      400,
      'MALFORMED_BODY',
    ],
    [
      '10 GB, as it says',
      '/v1/batches',
      formOf(['one']),
      { 'content-length': String(10 * 1024 ** 3) },
      413,
      'BODY_TOO_LARGE',
    ],
  ])('with %s is refused, and nothing is stored', async (_name, path, body, headers, status, code) => {
    const app = await jobs.app({ geolocate });
    const auth = await jobs.keyOf('refused');
    const before = await jobs.files();
    expect(await problemOf(await post(app, path, body, { ...headers, ...auth }))).toMatchObject({ status, code });
    expect((await jobs.files()).filter((file) => !before.includes(file))).toEqual([]);
    expect(await (await app.request('/v1/jobs', { headers: auth })).json()).toEqual({ jobs: [] });
  });

  test.each<[string, (controller: ReadableStreamDefaultController<Uint8Array>) => void, string, number, number]>([
    [
      'breaks off',
      (controller) => controller.error(new Error('the connection is gone')),
      'MALFORMED_BODY',
      400,
      100_000,
    ],
    ['stops in the middle', () => {}, 'UPLOAD_TOO_SLOW', 408, 5_000],
    ['ends too early', (controller) => controller.close(), 'MALFORMED_BODY', 400, 100_000],
  ])('whose upload %s leaves nothing behind', async (_name, then, code, status, uploadTimeoutMs) => {
    const app = await jobs.app({ geolocate, limits: { ...PATIENT, uploadTimeoutMs } });
    const before = await jobs.files();
    const sent = new Response(formOf(['one', 'two'.repeat(1_000)]));
    const bytes = new Uint8Array(await sent.arrayBuffer());
    const type = sent.headers.get('content-type') ?? '';
    let step = 0;
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        step += 1;
        if (step === 1) controller.enqueue(bytes.subarray(0, bytes.length - 500));
        else if (step === 2) then(controller);
      },
    });
    const response = await app.request('/v1/batches', streamed(body, { 'content-type': type }));
    expect(await problemOf(response)).toMatchObject({ status, code });
    expect(await jobs.files()).toEqual(before);
  });
});

describe('Prefer: respond-async', SLOW, () => {
  const PREFER = { prefer: 'respond-async' };
  const forms: [string, string, () => Body, Record<string, string>][] = [
    ['bytes', '/v1/geolocate?topK=2', () => 'one', { 'content-type': 'image/jpeg' }],
    ['a form', '/v1/geolocate', () => formOf(['one'], { options: '{"topK":2}' }), {}],
    [
      'JSON',
      '/v1/geolocate',
      () => JSON.stringify({ image: { base64: Buffer.from('one').toString('base64') }, topK: 2 }),
      { 'content-type': 'application/json' },
    ],
  ];

  test.each(forms)('makes a job of %s, whose result is the answer', async (_name, path, body, headers) => {
    const app = await jobs.app({ geolocate });
    const response = await post(app, path, body(), { ...headers, ...PREFER });
    expect(response.headers.get('preference-applied')).toBe('respond-async');
    const accepted = await jobOf(response);
    expect(accepted).toMatchObject({ task: 'geolocate', form: 'single', progress: { total: 1 } });
    const { requestId: _none, ...result } = AnswerSchema.parse(await (await post(app, path, body(), headers)).json());
    expect(await ended(app, accepted)).toMatchObject({ status: 'succeeded', result });
  });

  test.each(forms)(
    'with wait=n gives the answer of %s as usual when it is there in time',
    async (_name, path, body, headers) => {
      const app = await jobs.app({ geolocate });
      const response = await post(app, path, body(), { ...headers, prefer: 'respond-async, wait=50' });
      expect([response.status, response.headers.get('preference-applied')]).toEqual([200, 'respond-async, wait=50']);
      expect(await response.json()).toEqual(await (await post(app, path, body(), headers)).json());
    },
  );

  test('with wait=n is told to come back when it is not', async () => {
    const { verb, letGo } = held();
    const app = await jobs.app({ geolocate: verb });
    const response = await photo(app, 'one', { prefer: 'respond-async, wait=1' });
    expect(response.headers.get('preference-applied')).toBe('respond-async, wait=1');
    const job = await jobOf(response);
    expect(['queued', 'processing']).toContain(job.status);
    letGo();
    expect(await ended(app, job)).toMatchObject({ status: 'succeeded' });
  });

  test('waits no longer than a request may take', async () => {
    const { verb, letGo } = held();
    const app = await jobs.app({ geolocate: verb, limits: { ...PATIENT, requestTimeoutMs: 6_000 } });
    await jobOf(await photo(app, 'one', { prefer: 'respond-async, wait=999999999' }));
    letGo();
  });

  test('with wait=n gives the problem of a job that failed, and GeoJSON to whom it is', async () => {
    const app = await jobs.app({ geolocate });
    const headers = { prefer: 'respond-async, wait=50' };
    expect(await problemOf(await photo(app, 'bad', headers))).toMatchObject({
      status: 415,
      code: 'IMAGE_UNSUPPORTED',
      detail: 'This is no picture.',
      errors: [{ pointer: '#/image' }],
    });
    const response = await photo(app, 'one', { ...headers, accept: 'application/geo+json' });
    expect(response.headers.get('content-type')).toBe('application/geo+json');
    expect(await response.json()).toMatchObject({ type: 'FeatureCollection' });
  });

  test('is never done unasked, nor for a key that may have no jobs', async () => {
    const app = await jobs.app({ geolocate });
    for (const prefer of ['', 'wait=1', 'return=minimal', 'respond-async=no', '"respond-async"']) {
      expect((await photo(app, 'one', { prefer })).status).toBe(200);
    }
    const response = await photo(app, 'one', { prefer: 'respond-async', ...(await jobs.keyOf('ada', ['geolocate'])) });
    expect([response.status, response.headers.get('preference-applied')]).toEqual([200, null]);
  });

  test('of wrong options is refused as always, and stores nothing', async () => {
    const app = await jobs.app({ geolocate });
    const before = await jobs.files();
    const response = await post(app, '/v1/geolocate?topK=0', 'one', {
      'content-type': 'image/png',
      prefer: 'respond-async',
    });
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    expect(await jobs.files()).toEqual(before);
  });

  test('of several images to embed is one answer to whom waits, and a batch to others', async () => {
    const embed = async ({ images }: { images: readonly { bytes: Uint8Array }[] }): Promise<EmbedAnswer> => {
      if (images.some(({ bytes }) => bytes.length === 3)) throw new Geo2Error('IMAGE_EMPTY', 'Nothing there.');
      return {
        view: 'ground',
        model: { name: 'tiny', version: '0.0.1' },
        width: 1,
        items: images.map(({ bytes }) => ({ embedding: Float32Array.of(bytes.length), reasons: [] })),
        timingMs: { decode: 1, queue: 2, inference: 3, total: 6 },
      };
    };
    const app = await jobs.app({ embed });
    const form = (images: readonly string[]) => formOf(images, { options: '{"view":"ground"}' });
    const waits = { prefer: 'respond-async, wait=50' };
    expect(await (await post(app, '/v1/embed', form(['a', 'bb']), waits)).json()).toMatchObject({
      items: [{ embedding: [1] }, { embedding: [2] }],
      timingMs: { total: 12 },
    });
    expect(await problemOf(await post(app, '/v1/embed', form(['a', 'ccc']), waits))).toMatchObject({
      code: 'IMAGE_EMPTY',
      pointers: ['#/images/1'],
    });
    const job = await ended(
      app,
      await jobOf(await post(app, '/v1/embed', form(['a', 'ccc']), { prefer: 'respond-async' })),
    );
    expect(job).toMatchObject({ form: 'batch', status: 'succeeded', progress: { completed: 1, failed: 1 } });
  });
});

function photo(app: AppUnderTest, text: string, headers: Record<string, string> = {}): Promise<Response> {
  return post(app, '/v1/geolocate', text, { 'content-type': 'image/jpeg', ...headers });
}

const ASYNC = { prefer: 'respond-async' };

describe('a job', SLOW, () => {
  const UNKNOWN = `job_${'a'.repeat(26)}`;

  test('of another tenant is as unknown as one that never was, whatever is asked of it', async () => {
    const { verb, letGo } = held();
    const app = await jobs.app({ geolocate: verb });
    const [ada, bob] = [await jobs.keyOf('ada'), await jobs.keyOf('bob')];
    const { id } = await jobOf(await photo(app, 'one', { ...ASYNC, ...ada }));
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/events'],
      ['HEAD', '/events'],
    ] as const) {
      const ask = (asked: string) => app.request(`/v1/jobs/${asked}${path}`, { method, headers: bob });
      const [foreign, unknown] = [await ask(id), await ask(UNKNOWN)];
      expect([foreign.status, unknown.status]).toEqual([404, 404]);
      if (method === 'HEAD') continue;
      const { instance: _foreign, ...said } = await problemOf(foreign);
      const { instance: _unknown, ...expected } = await problemOf(unknown);
      expect(said).toEqual(expected);
    }
    expect(await (await app.request('/v1/jobs', { headers: bob })).json()).toEqual({ jobs: [] });
    expect(await jobOf(await app.request(`/v1/jobs/${id}`, { headers: ada }), 200)).toMatchObject({ id });
    letGo();
  });

  test.each([
    'x',
    'job_',
    UNKNOWN.toUpperCase(),
    `${UNKNOWN}a`,
    `job_${'1'.repeat(26)}`,
    '%00',
    '%ff%fe',
    '..%2f..%2fetc%2fpasswd',
    "job_'%20or%201=1--",
    'a%0d%0aset-cookie:%20x=y',
    'x'.repeat(5_000),
  ])('with the malformed id %s is unknown', async (id) => {
    const app = await jobs.app();
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/events'],
    ] as const) {
      const response = await app.request(`/v1/jobs/${id}${path}`, { method });
      expect(response.headers.get('set-cookie')).toBeNull();
      expect(await problemOf(response)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    }
  });

  test('needs the scope jobs', async () => {
    const app = await jobs.app();
    const headers = await jobs.keyOf('ada', ['geolocate']);
    for (const [method, path] of [
      ['GET', ''],
      ['GET', `/${UNKNOWN}`],
      ['DELETE', `/${UNKNOWN}`],
      ['GET', `/${UNKNOWN}/events`],
    ] as const) {
      const response = await app.request(`/v1/jobs${path}`, { method, headers });
      expect(await problemOf(response)).toMatchObject({ status: 403, code: 'SCOPE_REQUIRED' });
    }
    expect(await problemOf(await post(app, '/v1/batches', formOf(['one']), headers))).toMatchObject({ status: 403 });
    const only = await jobs.keyOf('ada', ['jobs', 'embed']);
    expect(await problemOf(await post(app, '/v1/batches', formOf(['one']), only))).toMatchObject({
      status: 403,
      detail: expect.stringContaining('geolocate'),
    });
  });

  test('that is canceled is so at once, its work stops, and once more is as once', async () => {
    const { verb, begun, stopped } = held();
    const app = await jobs.app({ geolocate: verb });
    const { id } = await jobOf(await photo(app, 'one', ASYNC));
    await begun;
    for (let i = 0; i < 2; i++) {
      const job = await jobOf(await app.request(`/v1/jobs/${id}`, { method: 'DELETE' }), 200);
      expect(job).toMatchObject({ id, status: 'canceled' });
    }
    await stopped;
    expect((await eventsOf(app, id)).at(-1)).toMatchObject({ event: 'completed', data: { id, status: 'canceled' } });
  });

  test('that has ended otherwise is not canceled, and says so', async () => {
    const app = await jobs.app({ geolocate });
    const job = await ended(app, await jobOf(await photo(app, 'one', ASYNC)));
    expect(await problemOf(await app.request(`/v1/jobs/${job.id}`, { method: 'DELETE' }))).toMatchObject({
      status: 409,
      code: 'JOB_ENDED',
      retryable: false,
    });
    expect(await jobOf(await app.request(`/v1/jobs/${job.id}`), 200)).toEqual(job);
  });

  test('is listed, the newest first, page by page', async () => {
    const app = await jobs.app({ geolocate });
    const headers = await jobs.keyOf('lister');
    const made: string[] = [];
    for (let i = 0; i < 5; i++) made.unshift((await jobOf(await photo(app, 'one', { ...ASYNC, ...headers }))).id);
    const ListSchema = z.object({ jobs: z.array(JobSchema), next: z.string().optional() });
    const pages: string[][] = [];
    for (let next: string | undefined = '/v1/jobs?limit=2'; next !== undefined; ) {
      const page: z.infer<typeof ListSchema> = ListSchema.parse(await (await app.request(next, { headers })).json());
      pages.push(page.jobs.map(({ id }) => id));
      next = page.next;
    }
    expect(pages).toEqual([made.slice(0, 2), made.slice(2, 4), made.slice(4)]);
  });

  test.each([
    'limit=0',
    'limit=101',
    'limit=x',
    'cursor=x',
    'cursor=',
    `cursor=${'x'.repeat(300)}`,
    'x=1',
    'limit=1&limit=2',
  ])('is not listed by %s', async (query) => {
    const response = await (await jobs.app()).request(`/v1/jobs?${query}`);
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
  });

  test.each(['limit=0', 'limit=1001', 'from=-1', 'from=1.5', 'from=1001', 'x=1'])(
    'is not told of by %s',
    async (query) => {
      const response = await (await jobs.app()).request(`/v1/jobs/${UNKNOWN}?${query}`);
      expect(await problemOf(response)).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    },
  );
});

describe('the events of a job', SLOW, () => {
  test('are start, an output and a progress for each image, and completed', async () => {
    const app = await jobs.app({ geolocate });
    const { id } = await jobOf(await post(app, '/v1/batches', formOf(['one', 'bad'])));
    const events = await eventsOf(app, id);
    expect(events.map(({ id: at }) => at)).toEqual(events.map((_event, index) => `${id}.${index + 1}`));
    expect(events.map(({ event }) => event)).toEqual([
      'start',
      'output',
      'progress',
      'output',
      'progress',
      'completed',
    ]);
    expect(events.every(({ data }) => data.id === id)).toBe(true);
    expect(events.at(-1)?.data).toMatchObject({ status: 'succeeded' });
    expect(events.filter(({ event }) => event === 'progress').map(({ data }) => data.step)).toEqual([1, 2]);
    const outputs = events.filter(({ event }) => event === 'output').map(({ data }) => data);
    expect(outputs).toHaveLength(2);
    expect(outputs).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ index: 0, name: '0.jpg', result: expect.objectContaining({ reasons: ['one'] }) }),
        expect.objectContaining({
          index: 1,
          error: {
            code: 'IMAGE_UNSUPPORTED',
            title: expect.any(String),
            detail: 'This is no picture.',
            retryable: false,
          },
        }),
      ]),
    );
  });

  test('go on after the one that was read last, and then there is nothing more to tell', async () => {
    const app = await jobs.app({ geolocate });
    const { id } = await jobOf(await photo(app, 'one', ASYNC));
    const events = await eventsOf(app, id);
    expect(events).toHaveLength(4);
    for (const [index, { id: last }] of events.slice(0, -1).entries()) {
      expect(await eventsOf(app, id, { 'last-event-id': last })).toEqual(events.slice(index + 1));
    }
    const response = await app.request(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': `${id}.4` } });
    expect([response.status, await response.text()]).toEqual([204, '']);
  });

  test('are told to so many of a tenant at one time; who leaves makes room, and other tenants have theirs', async () => {
    const { verb, letGo } = held();
    const app = await jobs.app({ geolocate: verb, maxStreams: 2 });
    const [ada, bob] = [await jobs.keyOf('ada'), await jobs.keyOf('bob')];
    const follow = async (headers: { authorization: string }) => {
      const { id } = await jobOf(await photo(app, 'one', { ...ASYNC, ...headers }));
      return app.request(`/v1/jobs/${id}/events`, { headers });
    };
    const open = [await follow(ada), await follow(ada)];
    expect(open.map(({ status }) => status)).toEqual([200, 200]);
    const refused = await follow(await jobs.keyOf('ada'));
    expect(refused.headers.get('retry-after')).toBe('2');
    expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'TOO_MANY_IN_FLIGHT', retryable: true });
    open.push(await follow(bob));
    expect(open.at(-1)?.status).toBe(200);
    await open.shift()?.body?.cancel();
    await expect
      .poll(async () => {
        const response = await follow(ada);
        if (response.status === 200) open.push(response);
        return response.status;
      })
      .toBe(200);
    await Promise.all(open.map(({ body }) => body?.cancel()));
    letGo();
  });

  test('take no place where there is nothing to tell, or no such job', async () => {
    const app = await jobs.app({ geolocate, maxStreams: 1 });
    const { id } = await jobOf(await photo(app, 'one', ASYNC));
    await eventsOf(app, id);
    for (let i = 0; i < 3; i++) {
      const over = await app.request(`/v1/jobs/${id}/events`, { headers: { 'last-event-id': `${id}.4` } });
      expect(over.status).toBe(204);
      const unknown = await app.request(`/v1/jobs/job_${'a'.repeat(26)}/events`);
      expect(unknown.status).toBe(404);
      expect(await eventsOf(app, id)).toHaveLength(4);
    }
  });

  test('of one job do not go on after an event of another, or after what is none', async () => {
    const app = await jobs.app({ geolocate });
    const [one, other] = [await jobOf(await photo(app, 'one', ASYNC)), await jobOf(await photo(app, 'two', ASYNC))];
    for (const last of [
      `${other.id}.1`,
      '1',
      `${one.id}`,
      `${one.id}.`,
      `${one.id}.-1`,
      `${one.id}.1.1`,
      `${one.id}.${'9'.repeat(30)}`,
    ]) {
      const response = await app.request(`/v1/jobs/${one.id}/events`, { headers: { 'last-event-id': last } });
      expect(await problemOf(response)).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    }
  });

  test('are told as they happen, with comments while nothing does', async () => {
    const { verb, begun, letGo } = held();
    const app = await jobs.app({ geolocate: verb, keepAliveMs: 20 });
    const { id } = await jobOf(await photo(app, 'one', ASYNC));
    const response = await app.request(`/v1/jobs/${id}/events`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await begun;
    while (!/event: start[\s\S]*: still here/.test(text)) text += (await reader?.read())?.value ?? '';
    expect(text).not.toContain('event: output');
    letGo();
    for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) text += part.value;
    expect(parseEvents(text).map(({ event }) => event)).toEqual(['start', 'output', 'progress', 'completed']);
  });

  test('end without completed when the service stops', async () => {
    const { verb, begun, letGo } = held();
    const draining = new AbortController();
    const app = await jobs.app({ geolocate: verb, draining: draining.signal });
    const { id } = await jobOf(await photo(app, 'one', ASYNC));
    await begun;
    const text = eventsOf(app, id);
    draining.abort();
    expect((await text).map(({ event }) => event)).not.toContain('completed');
    letGo();
  });

  test('are not begun for HEAD', async () => {
    const app = await jobs.app({ geolocate });
    const { id } = await jobOf(await photo(app, 'one', ASYNC));
    const response = await app.request(`/v1/jobs/${id}/events`, { method: 'HEAD' });
    expect([response.status, response.headers.get('content-type'), response.body]).toEqual([
      200,
      'text/event-stream',
      null,
    ]);
  });
});
