import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import { canceled, Geo2Error } from '#core/errors.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { PROBLEMS } from '../src/handlers/problems.ts';
import { appUnderTest, problemOf } from './app-under-test.ts';

const content = z.record(z.string(), z.unknown());
const PostSchema = z.object({
  requestBody: z.object({ content }),
  parameters: z.array(z.object({ name: z.string(), in: z.string() })),
  responses: z.record(z.string(), z.object({ content: content.optional(), headers: content.optional() })),
});
const OpenApiSchema = z.object({
  openapi: z.string(),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }),
});

const photo: RequestInit = {
  method: 'POST',
  body: new Uint8Array([1, 2, 3]),
  headers: { 'content-type': 'image/jpeg' },
};

describe('an address', () => {
  test('that does not exist is a 404 problem that names it', async () => {
    const { request } = await appUnderTest();
    const problem = await problemOf(await request('/v1/nowhere'));
    expect(problem).toMatchObject({ status: 404, code: 'NOT_FOUND', instance: '/v1/nowhere', retryable: false });
  });

  test.each([
    ['GET', '/v1/geolocate', 'POST'],
    ['DELETE', '/v1/embed', 'POST'],
    ['POST', '/v1/regions', 'GET, HEAD'],
    ['PUT', '/v1/regions/x/imagery/1/0/0', 'GET, HEAD'],
    ['POST', '/v2/health/live', 'GET, HEAD'],
    ['DELETE', '/', 'GET, HEAD'],
  ])('%s %s is a 405 problem that allows %s', async (method, path, allow) => {
    const { request } = await appUnderTest();
    const response = await request(path, { method });
    expect(response.headers.get('allow')).toBe(allow);
    expect(await problemOf(response)).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  });

  test('answers HEAD as GET without a body', async () => {
    const { request } = await appUnderTest();
    const response = await request('/v1/regions', { method: 'HEAD' });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/json');
    expect(await response.text()).toBe('');
  });
});

describe('another origin’s page', () => {
  test('may ask before it posts', async () => {
    const { request } = await appUnderTest();
    const response = await request('/v1/geolocate', {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-request-id',
      },
    });
    expect(response.status).toBe(204);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(response.headers.get('access-control-allow-methods')).toMatch(/POST/);
    expect(response.headers.get('access-control-allow-headers')).toMatch(/Content-Type/i);
    expect(response.headers.get('access-control-max-age')).toBe('7200');
  });

  test('may read answers and problems, and the headers that it needs', async () => {
    const { request } = await appUnderTest();
    for (const path of ['/v1/regions', '/v1/nowhere']) {
      const response = await request(path, { headers: { origin: 'https://app.example' } });
      expect(response.headers.get('access-control-allow-origin')).toBe('*');
      expect(response.headers.get('access-control-expose-headers')).toMatch(/Retry-After.*X-Request-Id/);
      expect(response.headers.get('access-control-allow-credentials')).toBeNull();
    }
  });
});

describe('every answer', () => {
  test('has security headers, and keeps the page to its own origin', async () => {
    const { request } = await appUnderTest();
    for (const path of ['/', '/v1/regions', '/v1/nowhere', '/docs']) {
      const { headers } = await request(path);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'.*script-src 'self';/);
      expect(headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    }
  });

  test('has the caller’s request id when it is proper', async () => {
    const { request } = await appUnderTest();
    const response = await request('/v1/nowhere', { headers: { 'x-request-id': 'abc_DEF-123' } });
    expect(response.headers.get('x-request-id')).toBe('abc_DEF-123');
    expect((await problemOf(response)).requestId).toBe('abc_DEF-123');
  });

  test.each(['', 'with space', 'a'.repeat(129), '<script>', 'ü'])('has a new request id instead of %j', async (id) => {
    const { request } = await appUnderTest();
    const headers = id === 'ü' ? { 'x-request-id': '\u00fc' } : { 'x-request-id': id };
    expect((await request('/v1/regions', { headers })).headers.get('x-request-id')).toBe('generated-id');
  });

  test('continues a W3C trace with a span of its own, and the log names the trace', async () => {
    const { request, log } = await appUnderTest();
    const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
    const response = await request('/v1/regions', {
      headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` },
    });
    expect(response.headers.get('traceparent')).toBe(`00-${traceId}-00000000000000aa-01`);
    expect(log.at(-1)).toMatchObject({ traceId, requestId: 'generated-id', route: '/v1/regions', status: 200 });
  });

  test.each([
    'nonsense',
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01',
    'ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
    '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more',
  ])('continues no trace from %s', async (traceparent) => {
    const { request } = await appUnderTest();
    expect((await request('/v1/regions', { headers: { traceparent } })).headers.get('traceparent')).toBeNull();
  });
});

describe('a failure', () => {
  test.each(Object.entries(PROBLEMS).filter(([code]) => code !== 'CANCELED'))(
    '%s becomes its problem',
    async (code, { status, title, internal }) => {
      const { request } = await appUnderTest({
        geolocate: () => {
          throw new Geo2Error(code as never, 'A sentence for the caller.', { data: { retryAfterS: 6.2 } });
        },
      });
      const response = await request('/v1/geolocate', photo);
      const problem = await problemOf(response);
      expect(problem).toMatchObject({ status, title, code, type: `/docs/problems#${code}` });
      expect(problem.detail).toBe(internal === true ? `${title}.` : 'A sentence for the caller.');
      expect(response.headers.get('retry-after')).toBe([429, 503, 504].includes(status) ? '7' : null);
    },
  );

  test('that nobody foresaw is a 500 that tells nothing of the inside, and everything to the log', async () => {
    const { request, log } = await appUnderTest({
      geolocate: () => {
        throw new TypeError('secret detail');
      },
    });
    const response = await request('/v1/geolocate?near=12.5,41.9,50', photo);
    const text = JSON.stringify(await problemOf(response));
    expect(text).toMatch(/"code":"INTERNAL"/);
    expect(text).not.toMatch(/secret detail/);
    const line = log.find((entry) => entry.level === 'error');
    expect(line).toMatchObject({ requestId: 'generated-id', err: { message: 'secret detail' } });
  });

  test('of a caller who left is not our fault: it is no error in the log', async () => {
    const { request, log } = await appUnderTest({
      geolocate: () => {
        throw canceled(undefined);
      },
    });
    expect((await request('/v1/geolocate', photo)).status).toBe(400);
    expect(log.filter((entry) => entry.level === 'error' || entry.level === 'warn')).toEqual([]);
  });
});

describe('the log', () => {
  test('has one line a request, with the route and never a place, a query or the image', async () => {
    const { request, log } = await appUnderTest();
    await request('/v1/geolocate?near=12.4964,41.9028,50', photo);
    await request('/v1/geolocate?bbox=91.2345,1,92,0', photo);
    expect(log.map(({ method, route, status, code }) => ({ method, route, status, code }))).toEqual([
      { method: 'POST', route: '/v1/geolocate', status: 200, code: undefined },
      { method: 'POST', route: '/v1/geolocate', status: 422, code: 'INVALID_REQUEST' },
    ]);
    expect(JSON.stringify(log)).not.toMatch(/12\.4964|41\.9028|near|91\.2345/);
  });
});

describe('health', () => {
  test('is alive whatever the model does', async () => {
    const { request } = await appUnderTest();
    const response = await request('/v2/health/live');
    expect([response.status, await response.json()]).toEqual([200, { live: true }]);
  });

  test('is not ready before the model is, and says why', async () => {
    const { request } = await appUnderTest();
    const response = await request('/v2/health/ready');
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({
      ready: false,
      reason: expect.stringMatching(/UNAVAILABLE: not started/),
      models: [
        {
          name: 'tiny',
          version: '0.0.1',
          ready: false,
          state: 'UNAVAILABLE',
          makesViews: false,
          reason: 'not started',
        },
      ],
    });
    const model = await request('/v2/models/tiny/ready');
    expect(model.status).toBe(503);
    expect(await model.json()).toMatchObject({ state: 'UNAVAILABLE', ready: false });
  });

  test('of a model that is not served is a 404', async () => {
    const { request } = await appUnderTest();
    expect(await problemOf(await request('/v2/models/gpt/ready'))).toMatchObject({ status: 404 });
  });
});

describe('the OpenAPI document', () => {
  test('has every route of the product, and each reference in it leads somewhere', async () => {
    const { request } = await appUnderTest();
    const document = OpenApiSchema.parse(await (await request('/openapi.json')).json());
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual([
      '/metrics',
      '/v1/batches',
      '/v1/coverage',
      '/v1/embed',
      '/v1/geolocate',
      '/v1/jobs',
      '/v1/jobs/{id}',
      '/v1/jobs/{id}/events',
      '/v1/keys',
      '/v1/keys/{id}',
      '/v1/previews/ground',
      '/v1/previews/ground/{model}/{region}/{view}',
      '/v1/regions',
      '/v1/regions/{id}',
      '/v1/regions/{id}/imagery/{z}/{x}/{y}',
      '/v1/synthesize',
      '/v1/webhooks',
      '/v1/webhooks/{id}',
      '/v1/webhooks/{id}/deliveries',
      '/v1/webhooks/{id}/deliveries/{deliveryId}',
      '/v1/webhooks/{id}/deliveries/{deliveryId}/resend',
      '/v1/webhooks/{id}/enable',
      '/v1/webhooks/{id}/recover',
      '/v1/webhooks/{id}/rotate-secret',
      '/v1/webhooks/{id}/test',
      '/v2/health/live',
      '/v2/health/ready',
      '/v2/models/{name}/ready',
    ]);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)];
    expect(references.length).toBeGreaterThan(10);
    for (const [, name = ''] of references) expect(document.components.schemas, name).toHaveProperty(name);
  });

  test('tells of geolocate its three forms, its options and its problems', async () => {
    const { request } = await appUnderTest();
    const { paths } = OpenApiSchema.parse(await (await request('/openapi.json')).json());
    const { requestBody, parameters, responses } = PostSchema.parse(paths['/v1/geolocate']?.post);
    expect(Object.keys(requestBody.content)).toEqual(
      expect.arrayContaining(['multipart/form-data', 'application/json', 'image/jpeg', 'image/png', 'image/webp']),
    );
    expect(parameters.map((parameter) => `${parameter.in} ${parameter.name}`)).toEqual([
      'query headingDeg',
      'query fovDeg',
      'query near',
      'query bbox',
      'query regions',
      'query topK',
      'query confidence',
      'header prefer',
      'header Idempotency-Key',
    ]);
    expect(Object.keys(responses).sort()).toEqual([
      '200',
      '202',
      '400',
      '401',
      '403',
      '408',
      '409',
      '413',
      '415',
      '422',
      '429',
      '500',
      '503',
      '504',
    ]);
    expect(Object.keys(responses['200']?.content ?? {})).toEqual(['application/json', 'application/geo+json']);
    expect(responses['503']?.headers).toHaveProperty('Retry-After');
  });
});

describe('the documents', () => {
  test('load nothing from another host', async () => {
    const { request } = await appUnderTest();
    for (const path of ['/', '/docs', '/docs/problems']) {
      const html = await (await request(path)).text();
      const loaded = [...html.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, target = '']) => target);
      expect(loaded.filter((target) => /^(https?:)?\/\//.test(target))).toEqual([]);
    }
  });

  test('every script and style that the page and /docs name is served with its type', async () => {
    const { request } = await appUnderTest();
    for (const path of ['/', '/docs']) {
      const html = await (await request(path)).text();
      const loaded = [...html.matchAll(/<(?:script|link)[^>]* (?:src|href)="(\/[^"]+)"/g)].map(
        ([, target = '']) => target,
      );
      expect(loaded.length).toBeGreaterThan(0);
      for (const target of loaded) {
        const response = await request(target);
        expect(response.status, target).toBe(200);
        expect(response.headers.get('content-type'), target).toMatch(target.endsWith('.css') ? /css/ : /javascript/);
      }
    }
  });

  test('every module of the page is served, and MapLibre’s worker', async () => {
    const { request } = await appUnderTest();
    const scripts = (await readdir(join(PROGRAM_DIR, 'src/handlers/page'))).filter((name) => name.endsWith('.js'));
    expect(scripts.length).toBeGreaterThan(0);
    const assets = ['maplibre-gl.mjs', 'maplibre-gl-worker.mjs', 'maplibre-gl-shared.mjs'];
    for (const path of [...scripts.map((name) => `/${name}`), ...assets.map((name) => `/assets/maplibre/${name}`)]) {
      const response = await request(path);
      expect(response.status, path).toBe(200);
      expect(response.headers.get('content-type'), path).toMatch(/javascript/);
    }
  });

  test('the problem types that answers link to are there', async () => {
    const { request } = await appUnderTest();
    const html = await (await request('/docs/problems')).text();
    for (const code of Object.keys(PROBLEMS)) expect(html).toContain(`id="${code}"`);
  });

  test('the same bytes are not sent twice', async () => {
    const { request } = await appUnderTest();
    const first = await request('/page.js');
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"/);
    const second = await request('/page.js', { headers: { 'if-none-match': etag } });
    expect([second.status, await second.text()]).toEqual([304, '']);
    expect(second.headers.get('access-control-allow-origin')).toBe('*');
  });

  test.each([
    '/../package.json',
    '/%2e%2e/package.json',
    '/assets/maplibre/../package.json',
    '/assets/swagger-ui/package.json',
    '/package.json',
    '/assets/maplibre/..%2fpackage.json',
  ])('%s is not served', async (path) => {
    const { request } = await appUnderTest();
    expect((await request(path)).status).toBe(404);
  });
});

describe('metrics', () => {
  test('have the names that dashboards know, and count requests by their route', async () => {
    const { request } = await appUnderTest();
    await request('/v1/geolocate', photo);
    await request('/v1/regions/abc');
    await request('/wp-admin.php');
    const response = await request('/metrics');
    expect(response.headers.get('content-type')).toMatch(/^text\/plain/);
    const text = await response.text();
    for (const name of [
      'http_server_request_duration_seconds',
      'inference_requests_total',
      'inference_count',
      'inference_exec_count',
      'inference_queue_duration_seconds',
      'inference_compute_duration_seconds',
      'inference_pending',
      'search_duration_seconds',
      'region_tiles',
      'event_loop_delay_seconds',
      'process_resident_memory_bytes',
    ]) {
      expect(text).toContain(`# TYPE ${name} `);
    }
    const counted = [...text.matchAll(/http_server_request_duration_seconds_count\{(.*)\} 1/g)].map(
      ([, labels]) => labels,
    );
    expect(counted).toEqual([
      'http_request_method="POST",http_route="/v1/geolocate",http_response_status_code="200"',
      'http_request_method="GET",http_route="/v1/regions/:id",http_response_status_code="404"',
      'http_request_method="GET",http_route="unmatched",http_response_status_code="404"',
    ]);
    expect(text).toContain('search_duration_seconds_count 1');
    expect(text).toContain('geolocate_answers_total{status="matched"} 1');
  });
});

describe('the demo’s samples', () => {
  test('are an empty list where there is no demo', async () => {
    const { request } = await appUnderTest();
    expect(await (await request('/demo/samples.json')).json()).toEqual({ samples: [] });
    expect((await request('/demo/samples/a.jpg')).status).toBe(404);
  });
});
