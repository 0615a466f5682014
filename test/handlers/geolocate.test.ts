import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { appUnderTest, LIMITS, MATCHED, problemOf, streamed } from '../app-under-test.ts';

const IMAGE = new Uint8Array([1, 2, 3, 4, 5]);
const BASE64 = Buffer.from(IMAGE).toString('base64');
const CIRCLE = { type: 'circle', center: [0.1, -0.2], radiusM: 300 };

const raw = (query = '', type = 'image/jpeg'): [string, RequestInit] => [
  `/v1/geolocate${query}`,
  { method: 'POST', body: IMAGE, headers: { 'content-type': type } },
];
const json = (body: unknown): [string, RequestInit] => [
  '/v1/geolocate',
  { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
];
function multipart(options?: string | Blob, images: number = 1): [string, RequestInit] {
  const body = new FormData();
  for (let i = 0; i < images; i++) body.append('image', new Blob([IMAGE], { type: 'image/jpeg' }), 'photo.jpg');
  if (options !== undefined) body.append('options', options);
  return ['/v1/geolocate', { method: 'POST', body }];
}

const RingsSchema = z.array(z.array(z.tuple([z.number(), z.number()])));
const CollectionSchema = z.looseObject({
  features: z.array(
    z.object({
      id: z.string(),
      geometry: z.object({ type: z.string(), coordinates: z.unknown() }),
      bbox: z.array(z.number()).optional(),
    }),
  ),
});

describe('the three forms', () => {
  const options = {
    headingDeg: 90,
    fovDeg: 66.5,
    prior: CIRCLE,
    regions: ['null-island-demo', 'other'],
    topK: 7,
    confidence: 0.9,
  };

  test.each([
    [
      'raw bytes',
      raw('?headingDeg=90&fovDeg=66.5&near=0.1,-0.2,300&regions=null-island-demo,other&topK=7&confidence=.9'),
    ],
    [
      'raw bytes of an unnamed type',
      raw(
        '?headingDeg=9e1&fovDeg=66.5&near=0.1,-0.2,3e2&regions=null-island-demo,other&topK=7&confidence=0.9',
        'application/octet-stream',
      ),
    ],
    ['JSON, options beside the image', json({ image: { base64: BASE64 }, ...options })],
    ['JSON, options together', json({ image: { base64: BASE64 }, options })],
    ['multipart', multipart(JSON.stringify(options))],
    [
      'multipart, options as a typed part',
      multipart(new Blob([JSON.stringify(options)], { type: 'application/json' })),
    ],
  ])('%s ask the same', async (_name, request) => {
    const { request: send, asked } = await appUnderTest();
    const response = await send(...request);
    expect(response.status).toBe(200);
    const [{ image, signal, deadlineMs, ...rest } = { image: new Uint8Array() }] = asked;
    expect([...image]).toEqual([...IMAGE]);
    expect(rest).toEqual(options);
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(deadlineMs).toBeGreaterThan(0);
    expect(deadlineMs).toBeLessThanOrEqual(2_000);
  });

  test.each([
    ['raw bytes', raw()],
    ['JSON', json({ image: { base64: BASE64 } })],
    ['multipart without options', multipart()],
    ['multipart with empty options', multipart('')],
  ])('%s need no options', async (_name, request) => {
    const { request: send, asked } = await appUnderTest();
    expect((await send(...request)).status).toBe(200);
    expect(Object.keys(asked[0] ?? {}).sort()).toEqual(['deadlineMs', 'image', 'signal']);
  });

  test('a bbox in the query is a prior', async () => {
    const { request, asked } = await appUnderTest();
    await request(...raw('?bbox=-1,-2,3,4'));
    expect(asked[0]?.prior).toEqual({ type: 'bbox', bbox: [-1, -2, 3, 4] });
  });

  test('a bbox across the antimeridian and a polygon are priors', async () => {
    const { request, asked } = await appUnderTest();
    const polygon = {
      type: 'Polygon',
      coordinates: [
        [
          [0, 0],
          [1, 0],
          [1, 1],
          [0, 0],
        ],
      ],
    };
    await request(...raw('?bbox=179,-2,-179,4'));
    await request(...json({ image: { base64: BASE64 }, prior: polygon }));
    expect(asked.map((one) => one.prior)).toEqual([{ type: 'bbox', bbox: [179, -2, -179, 4] }, polygon]);
  });

  test('an image given by URL is fetched, within the limit of an image', async () => {
    const fetched: unknown[] = [];
    const { request, asked } = await appUnderTest({
      fetchImage: async (url, { maxBytes }) => {
        fetched.push(url, maxBytes);
        return IMAGE;
      },
    });
    expect((await request(...json({ image: { url: 'https://example.org/a.jpg' } }))).status).toBe(200);
    expect(fetched).toEqual(['https://example.org/a.jpg', 100_000]);
    expect([...(asked[0]?.image ?? [])]).toEqual([...IMAGE]);
  });
});

describe('an option that is wrong is refused with a pointer to it', () => {
  const withOptions = (options: unknown): [string, RequestInit] => multipart(JSON.stringify(options));

  test.each<[string, [string, RequestInit], string[]]>([
    ['unknown, in a form', withOptions({ heading: 90 }), ['#/options/heading']],
    ['unknown, in JSON', json({ image: { base64: BASE64 }, heading: 90 }), ['#/heading']],
    [
      'unknown, in JSON’s options',
      json({ image: { base64: BASE64 }, options: { heading: 90 } }),
      ['#/options/heading'],
    ],
    ['unknown, in the query', raw('?heading=90'), ['#/heading']],
    ['unknown, in the prior', withOptions({ prior: { ...CIRCLE, radius: 3 } }), ['#/options/prior/radius']],
    [
      'several',
      withOptions({ topK: 0, headingDeg: 400, x: 1 }),
      ['#/options/headingDeg', '#/options/topK', '#/options/x'],
    ],
    ['a heading of text', withOptions({ headingDeg: 'north' }), ['#/options/headingDeg']],
    ['a heading beyond the circle', raw('?headingDeg=361'), ['#/headingDeg']],
    ['a negative heading', raw('?headingDeg=-1'), ['#/headingDeg']],
    ['a heading that is no number', raw('?headingDeg=NaN'), ['#/headingDeg']],
    ['an infinite heading', raw('?headingDeg=Infinity'), ['#/headingDeg']],
    ['an empty heading', raw('?headingDeg='), ['#/headingDeg']],
    ['a field of view of nothing', withOptions({ fovDeg: 0 }), ['#/options/fovDeg']],
    ['more candidates than there are', withOptions({ topK: 51 }), ['#/options/topK']],
    ['half a candidate', withOptions({ topK: 1.5 }), ['#/options/topK']],
    ['certainty', withOptions({ confidence: 1 }), ['#/options/confidence']],
    ['a longitude out of range', withOptions({ prior: { ...CIRCLE, center: [181, 0] } }), ['#/options/prior/center/0']],
    [
      'a latitude out of range',
      withOptions({ prior: { ...CIRCLE, center: [0, -90.1] } }),
      ['#/options/prior/center/1'],
    ],
    ['a centre of three', withOptions({ prior: { ...CIRCLE, center: [0, 0, 0] } }), ['#/options/prior/center']],
    ['a radius of nothing', withOptions({ prior: { ...CIRCLE, radiusM: 0 } }), ['#/options/prior/radiusM']],
    ['a radius beyond the earth', raw('?near=0,0,1e9'), ['#/near']],
    ['a near of two', raw('?near=0,0'), ['#/near']],
    ['a near out of range', raw('?near=200,0,10'), ['#/near']],
    ['a bbox upside down', raw('?bbox=0,1,1,0'), ['#/bbox']],
    ['a bbox the wrong way round', raw('?bbox=10,0,-10,1'), ['#/bbox']],
    [
      'a bbox upside down in a form',
      withOptions({ prior: { type: 'bbox', bbox: [0, 1, 1, 0] } }),
      ['#/options/prior/bbox'],
    ],
    ['a bbox out of range', raw('?bbox=0,0,1,91'), ['#/bbox']],
    ['near and bbox', raw('?near=0,0,10&bbox=0,0,1,1'), ['#/bbox']],
    ['an option twice', raw('?topK=1&topK=2'), ['#/topK']],
    ['a prior of no type', withOptions({ prior: { center: [0, 0] } }), ['#/options/prior/type']],
    [
      'a ring that is open',
      withOptions({
        prior: {
          type: 'Polygon',
          coordinates: [
            [
              [0, 0],
              [1, 0],
              [1, 1],
              [0, 1],
            ],
          ],
        },
      }),
      ['#/options/prior/coordinates/0'],
    ],
    [
      'a polygon of nothing',
      withOptions({ prior: { type: 'Polygon', coordinates: [] } }),
      ['#/options/prior/coordinates'],
    ],
    ['no region', withOptions({ regions: [] }), ['#/options/regions']],
    ['a region id that is none', raw('?regions=Null%20Island'), ['#/regions/0']],
    ['options that are a list', withOptions([]), ['#/options']],
    ['options in the query of a form', ['/v1/geolocate?topK=3', multipart()[1]], ['#/topK']],
    ['no image in JSON', json({}), ['#/image']],
    ['an image both ways', json({ image: { base64: BASE64, url: 'https://example.org' } }), ['#/image']],
    ['an image neither way', json({ image: {} }), ['#/image']],
    ['an image that is no base64', json({ image: { base64: '!!!' } }), ['#/image/base64']],
    ['a data URL', json({ image: { base64: `data:image/jpeg;base64,${BASE64}` } }), ['#/image/base64']],
    ['a body that is no object', json([1]), ['#']],
    ['two images', multipart('{}', 2), ['#/image']],
    ['no image in a form', multipart('{}', 0), ['#/image']],
  ])('%s', async (_name, request, pointers) => {
    const { request: send, asked } = await appUnderTest();
    const problem = await problemOf(await send(...request));
    expect(problem).toMatchObject({ status: 422, code: 'INVALID_REQUEST', retryable: false });
    expect(problem.pointers.sort()).toEqual(pointers);
    expect(asked).toEqual([]);
  });

  test('a field of a form that is not known', async () => {
    const { request } = await appUnderTest();
    const body = new FormData();
    body.append('file', new Blob([IMAGE]), 'photo.jpg');
    const problem = await problemOf(await request('/v1/geolocate', { method: 'POST', body }));
    expect(problem.pointers).toEqual(['#/file']);
  });

  test('an image that is only text in a form', async () => {
    const { request } = await appUnderTest();
    const body = new FormData();
    body.append('image', 'photo.jpg');
    expect((await problemOf(await request('/v1/geolocate', { method: 'POST', body }))).pointers).toEqual(['#/image']);
  });
});

describe('a body that cannot be read', () => {
  const post = (type: string | undefined, body: string | Uint8Array<ArrayBuffer>): [string, RequestInit] => [
    '/v1/geolocate',
    { method: 'POST', body, headers: type === undefined ? {} : { 'content-type': type } },
  ];

  test.each<[string, [string, RequestInit], number, string]>([
    ['JSON that is cut', post('application/json', '{"image": '), 400, 'MALFORMED_BODY'],
    ['JSON that is not UTF-8', post('application/json', new Uint8Array([0x22, 0xff, 0x22])), 400, 'MALFORMED_BODY'],
    ['a form without its boundary', post('multipart/form-data', 'abc'), 400, 'MALFORMED_BODY'],
    ['a form that is none', post('multipart/form-data; boundary=x', 'abc'), 400, 'MALFORMED_BODY'],
    ['options that are no JSON', multipart('{"topK": 3'), 400, 'MALFORMED_BODY'],
    ['text', post('text/plain', 'hello'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['what curl sends by default', post('application/x-www-form-urlencoded', 'abc'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['no type at all', post('', new Uint8Array([1])), 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['video', post('video/mp4', 'abc'), 415, 'UNSUPPORTED_MEDIA_TYPE'],
  ])('%s', async (_name, request, status, code) => {
    const { request: send, asked } = await appUnderTest();
    expect(await problemOf(await send(...request))).toMatchObject({ status, code });
    expect(asked).toEqual([]);
  });

  test('a compressed one is refused, not inflated', async () => {
    const { request } = await appUnderTest();
    const [path, init] = raw();
    const headers = { 'content-type': 'image/jpeg', 'content-encoding': 'gzip' };
    expect(await problemOf(await request(path, { ...init, headers }))).toMatchObject({ status: 415 });
  });
});

describe('a body that is too large', () => {
  test('is refused by what it declares, before it is read', async () => {
    const { request } = await appUnderTest();
    let pulled = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          pulled++;
          controller.enqueue(new Uint8Array(1000));
        },
      },
      { highWaterMark: 0 },
    );
    const init = streamed(body, { 'content-type': 'image/jpeg', 'content-length': '100001' });
    expect(await problemOf(await request('/v1/geolocate', init))).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
    });
    expect(pulled).toBe(0);
  });

  test('is left at the first byte too many when it declares nothing', async () => {
    const { request } = await appUnderTest();
    let sent = 0;
    const body = new ReadableStream(
      {
        pull(controller) {
          sent += 10_000;
          controller.enqueue(new Uint8Array(10_000));
        },
      },
      { highWaterMark: 0 },
    );
    const init = streamed(body, { 'content-type': 'image/jpeg' });
    expect(await problemOf(await request('/v1/geolocate', init))).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
    });
    expect(sent).toBeLessThan(150_000);
  });

  test('is refused in base64 and in a form too', async () => {
    const { request } = await appUnderTest();
    const bytes = new Uint8Array(100_001);
    const form = new FormData();
    form.append('image', new Blob([bytes]), 'a.jpg');
    for (const [path, init] of [
      json({ image: { base64: Buffer.from(bytes).toString('base64') } }),
      ['/v1/geolocate', { method: 'POST', body: form }] as const,
    ]) {
      expect(await problemOf(await request(path, init))).toMatchObject({ status: 413, code: 'IMAGE_TOO_LARGE' });
    }
  });

  test('many at once are told to come back, and the room they had is given back', async () => {
    const limits = { ...LIMITS, maxImageBytes: 1_000, maxHeldBytes: 1_500 };
    const letGo = Promise.withResolvers<void>();
    const { request } = await appUnderTest({
      limits,
      geolocate: async () => {
        await letGo.promise;
        return MATCHED;
      },
    });
    const send = () =>
      request('/v1/geolocate', {
        method: 'POST',
        body: new Uint8Array(1_000),
        headers: { 'content-type': 'image/jpeg' },
      });
    const first = send();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const refused = await send();
    expect(refused.headers.get('retry-after')).toBe('1');
    expect(await problemOf(refused)).toMatchObject({ status: 503, code: 'OVERLOADED', retryable: true });
    letGo.resolve();
    expect((await first).status).toBe(200);
    expect((await send()).status).toBe(200);
  });
});

describe('an answer', () => {
  test('is camelCase JSON with GeoJSON places and the request’s id', async () => {
    const { request } = await appUnderTest();
    const response = await request(...raw());
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { location: _location, candidates: _candidates, ...same } = MATCHED;
    expect(await response.json()).toEqual({
      ...same,
      location: { type: 'Point', coordinates: [0.001, 0.002] },
      candidates: [
        {
          rank: 1,
          location: { type: 'Point', coordinates: [0.001, 0.002] },
          probability: 0.9,
          similarity: 0.8,
          tileId: 't1',
          bounds: [0, 0.001, 0.002, 0.003],
          regionId: 'test',
          headingDeg: 91,
        },
      ],
      requestId: 'generated-id',
    });
  });

  test('without a place has no location, accuracy or heading', async () => {
    const { location: _l, accuracy: _a, heading: _h, region: _r, ...rest } = MATCHED;
    const { request } = await appUnderTest({
      geolocate: async () => ({ ...rest, status: 'no_match', probability: 0.2, candidates: [] }),
    });
    const body = z.record(z.string(), z.unknown()).parse(await (await request(...raw())).json());
    expect(Object.keys(body).sort()).toEqual(
      ['candidates', 'model', 'probability', 'reasons', 'requestId', 'status', 'timingMs'].sort(),
    );
  });

  test('is a FeatureCollection when GeoJSON is asked for, with a circle of the accuracy’s radius', async () => {
    const { request } = await appUnderTest();
    const [path, init] = raw();
    const headers = { 'content-type': 'image/jpeg', accept: 'application/geo+json' };
    const response = await request(path, { ...init, headers });
    expect(response.headers.get('content-type')).toBe('application/geo+json');
    expect(response.headers.get('vary')).toMatch(/accept/i);
    const body = CollectionSchema.parse(await response.json());
    expect(body).toMatchObject({ type: 'FeatureCollection', status: 'matched', requestId: 'generated-id' });
    expect(body.features.map(({ id }) => id)).toEqual(['location', 'accuracy', 'candidate-1']);
    const [location, accuracy, candidate] = body.features;
    expect(location?.geometry).toEqual({ type: 'Point', coordinates: [0.001, 0.002] });
    expect(candidate?.bbox).toEqual([0, 0.001, 0.002, 0.003]);
    const [ring = []] = RingsSchema.parse(accuracy?.geometry.coordinates);
    expect(ring).toHaveLength(65);
    expect(ring.at(-1)).toEqual(ring[0]);
    for (const [lon, lat] of ring) {
      expect(Math.hypot(lon - 0.001, lat - 0.002) * 111_195).toBeCloseTo(20, 1);
    }
  });

  test.each([
    ['application/json', 'application/json'],
    ['*/*', 'application/json'],
    ['text/html', 'application/json'],
    ['application/geo+json;q=0.5, application/json', 'application/json'],
    ['application/json;q=0.5, application/geo+json', 'application/geo+json'],
  ])('to Accept: %s is %s', async (accept, type) => {
    const { request } = await appUnderTest();
    const [path, init] = raw();
    const response = await request(path, { ...init, headers: { 'content-type': 'image/jpeg', accept } });
    expect(response.headers.get('content-type')).toBe(type);
  });
});

describe('time', () => {
  test('a request that takes too long is ended and told so', async () => {
    let ended = false;
    const { request } = await appUnderTest({
      limits: { ...LIMITS, requestTimeoutMs: 50 },
      geolocate: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            ended = true;
            reject(signal.reason);
          });
        }),
    });
    const response = await request(...raw());
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await problemOf(response)).toMatchObject({ status: 504, code: 'DEADLINE_EXCEEDED', retryable: true });
    expect(ended).toBe(true);
  });

  test('a body that never ends is ended too', async () => {
    const { request } = await appUnderTest({
      limits: { ...LIMITS, requestTimeoutMs: 50 },
    });
    const body = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) });
    const init = streamed(body, { 'content-type': 'image/jpeg' });
    const response = await request('/v1/geolocate', init);
    expect(response.headers.get('connection')).toBe('close');
    expect(await problemOf(response)).toMatchObject({ status: 408, code: 'UPLOAD_TOO_SLOW', retryable: true });
  });

  test('the caller’s going away reaches the use case', async () => {
    const controller = new AbortController();
    let reason: unknown;
    const { request } = await appUnderTest({
      geolocate: ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            reason = signal.reason;
            reject(new Error('left'));
          });
          controller.abort('gone');
        }),
    });
    const [path, init] = raw();
    await request(path, { ...init, signal: controller.signal });
    expect(reason).toBe('gone');
  });
});
