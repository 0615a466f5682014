import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { problemOf } from '../app-under-test.ts';
import { imageryTile } from './region-bundle.ts';
import {
  answerOf,
  BLUE,
  COLOURS,
  colourImage,
  GREEN,
  postImage,
  type Service,
  startService,
  tileOf,
} from './service.ts';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const get = (path: string, init: RequestInit = {}) => fetch(`${service.url}${path}`, init);
const base64 = async () => Buffer.from(await colourImage(BLUE)).toString('base64');

describe('geolocate', () => {
  test('finds the place of a photo, in every form and with the same numbers', async () => {
    const image = await colourImage(BLUE);
    const form = new FormData();
    form.append('image', new Blob([image], { type: 'image/png' }), 'photo.png');
    form.append('options', JSON.stringify({ headingDeg: 90, topK: 2 }));
    const post = (init: RequestInit) => get('/v1/geolocate', { method: 'POST', ...init });
    const answers = [
      await answerOf(await postImage(service, image, '?headingDeg=90&topK=2')),
      await answerOf(await post({ body: form })),
      await answerOf(
        await post({
          body: JSON.stringify({ image: { base64: await base64() }, headingDeg: 90, topK: 2 }),
          headers: { 'content-type': 'application/json' },
        }),
      ),
    ];
    for (const { timingMs, requestId, ...answer } of answers) {
      const { timingMs: _t, requestId: _r, ...first } = answers[0] ?? {};
      expect(answer).toEqual(first);
      expect(answer.status).toBe('matched');
      expect(answer.candidates).toHaveLength(2);
      expect(answer.candidates[0]?.tileId).toBe(tileOf(BLUE));
      const [west = 0, south = 0, east = 0, north = 0] = answer.candidates[0]?.bounds ?? [];
      const [lon = 99, lat = 99] = answer.location?.coordinates ?? [];
      expect(lon > west && lon < east && lat > south && lat < north).toBe(true);
      expect(answer.accuracy?.radiusM).toBeGreaterThan(0);
      expect(answer.heading?.deg).toBe(90);
      expect(answer.region).toMatchObject({ id: 'test', version: '1', attribution: 'Coloured squares' });
      expect(answer.model).toEqual({ name: 'tiny', version: '0.0.1' });
      expect(timingMs.total).toBeGreaterThan(timingMs.inference);
      expect(requestId).toMatch(/^[0-9a-f-]{36}$/);
    }
  });

  test('finds only where the prior allows', async () => {
    const image = await colourImage(BLUE);
    const near = { type: 'circle' as const, center: [0.0023, 0.0003], radiusM: 50 };
    const there = await service.client.geolocate(image, { prior: near });
    expect(there.candidates.map(({ tileId }) => tileId)).toEqual([tileOf(BLUE)]);
    const east = { type: 'bbox' as const, bbox: [0.0035, -0.001, 0.005, 0.001] };
    const elsewhere = await service.client.geolocate(image, { prior: east });
    expect(elsewhere.candidates.map(({ tileId }) => tileId)).toEqual(['tile-2']); // red, which is blue's opposite
    expect(elsewhere.status).toBe('no_match');
    expect(elsewhere.location).toBeUndefined();
    const text = await answerOf(await postImage(service, image, '?bbox=0.0035,-0.001,0.005,0.001'));
    expect(text.candidates).toEqual(elsewhere.candidates);
  });

  test('an image URL is not fetched from this machine’s own network', async () => {
    const response = await get('/v1/geolocate', {
      method: 'POST',
      body: JSON.stringify({ image: { url: `${service.url}/assets/a.png` } }),
      headers: { 'content-type': 'application/json' },
    });
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'IMAGE_URL_REFUSED' });
  });

  test('an image URL in a range that the operator allows is fetched', async () => {
    const other = await startService({ outboundAllow: ['127.0.0.0/8'] });
    try {
      const { z: zoom, x, y } = imageryTile(); // a WebP of green that this machine serves
      const url = `${other.url}/v1/regions/test/imagery/${zoom}/${x}/${y}`;
      expect((await other.client.geolocate({ url })).candidates[0]?.tileId).toBe(tileOf(GREEN));
    } finally {
      await other.stop();
    }
  });
});

describe('embed', () => {
  test('gives the same place in the space to both views of one colour', async () => {
    const image = await colourImage(BLUE);
    const [ground, satellite] = await Promise.all([
      service.client.embed(image, { view: 'ground', encoding: 'base64' }),
      service.client.embed(image, { view: 'satellite', encoding: 'base64' }),
    ]);
    const [a, b] = [ground, satellite].map(({ items }) => floatsOf(items[0]?.embedding));
    expect(a?.length).toBe(ground.width);
    expect(a?.reduce((sum, value, i) => sum + value * (b?.[i] ?? 0), 0)).toBeGreaterThan(0.99);
  });
});

function floatsOf(embedding: unknown): number[] {
  const bytes = Buffer.from(z.base64().parse(embedding), 'base64');
  return Array.from({ length: bytes.length / 4 }, (_, i) => bytes.readFloatLE(4 * i));
}

describe('regions', () => {
  test('are listed and told one by one, with their STAC collection', async () => {
    const list = await service.client.regions.list();
    const summary = {
      id: 'test',
      version: '1',
      bbox: [0, 0, 0.0106, 0.0006],
      tileCount: COLOURS.length,
      metresPerTile: 70,
      headings: 4,
      licence: 'CC0-1.0',
      attribution: 'Coloured squares',
      capturedAt: null,
      model: { name: 'tiny', version: '0.0.1' },
      imagery: { url: '/v1/regions/test/imagery/{z}/{x}/{y}', minZoom: 16, maxZoom: 16, type: 'image/webp' },
    };
    expect(list).toMatchObject([summary]);
    const one = await service.client.regions.get('test');
    expect(one).toMatchObject({ ...summary, collection: { type: 'Collection', stac_version: '1.1.0', id: 'test' } });
  });

  test('that there are not are a 404 that names those there are', async () => {
    for (const id of ['atlantis', 'Null%20Island', '..%2F..']) {
      const problem = await problemOf(await get(`/v1/regions/${id}`));
      expect(problem).toMatchObject({
        status: 404,
        code: 'NOT_FOUND',
        detail: expect.stringMatching(/there are test/),
      });
    }
  });

  test('cover what their tiles cover, as GeoJSON', async () => {
    const response = await get('/v1/coverage');
    expect(response.headers.get('content-type')).toBe('application/geo+json');
    const etag = response.headers.get('etag') ?? '';
    const coverage = z
      .object({ features: z.array(z.object({ geometry: z.object({ coordinates: z.array(z.unknown()) }) })) })
      .parse(await response.json());
    expect(coverage.features).toHaveLength(1);
    expect(coverage.features[0]?.geometry.coordinates).toHaveLength(COLOURS.length);
    expect((await get('/v1/coverage', { headers: { 'if-none-match': etag } })).status).toBe(304);
  });
});

describe('imagery', () => {
  const { z: zoom, x, y } = imageryTile();
  const tile = `/v1/regions/test/imagery/${zoom}/${x}/${y}`;

  test('is an image of the archive’s type that caches may keep', async () => {
    const response = await get(tile);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/webp');
    expect(response.headers.get('cache-control')).toMatch(/public, max-age=\d+/);
    expect(response.headers.get('access-control-allow-origin')).toBe('*');
    expect(Buffer.from(await response.arrayBuffer()).toString('latin1', 8, 12)).toBe('WEBP');
    const etag = response.headers.get('etag') ?? '';
    for (const known of [etag, `"other", W/${etag}`, '*']) {
      const again = await get(tile, { headers: { 'if-none-match': known } });
      expect([again.status, await again.text()]).toEqual([304, '']);
    }
    expect((await get(tile, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
  });

  test('that there is none of is 204, and an address that is no tile 404', async () => {
    expect((await get(`/v1/regions/test/imagery/${zoom}/0/0`)).status).toBe(204);
    expect((await get('/v1/regions/test/imagery/0/0/0')).status).toBe(204);
    for (const path of ['1/2/0', '1/-1/0', '25/0/0', 'a/b/c', '16/0.5/0', '16/0/0.png']) {
      expect((await get(`/v1/regions/test/imagery/${path}`)).status, path).toBe(404);
    }
    expect((await get(`/v1/regions/atlantis/imagery/${zoom}/${x}/${y}`)).status).toBe(404);
  });
});

describe('operation', () => {
  test('is ready, with what is loaded', async () => {
    const ready = await get('/v2/health/ready');
    expect(ready.status).toBe(200);
    expect(await ready.json()).toEqual({
      ready: true,
      models: [{ name: 'tiny', version: '0.0.1', ready: true, state: 'READY', makesViews: false }],
      regions: [{ id: 'test', status: 'READY', version: '1' }],
      index: 'exact',
    });
    expect((await get('/v2/models/tiny/ready')).status).toBe(200);
  });

  test('counts what the model did', async () => {
    await answerOf(await postImage(service, await colourImage(GREEN)));
    const text = await (await get('/metrics')).text();
    expect(text).toMatch(/inference_requests_total\{model="tiny",outcome="success",reason=""\} [1-9]/);
    expect(text).toMatch(/inference_count\{model="tiny",graph="ground"\} [1-9]/);
    expect(text).toMatch(/inference_exec_count\{model="tiny",graph="ground"\} [1-9]/);
    expect(text).toMatch(/inference_compute_duration_seconds_count\{model="tiny",graph="ground"\} [1-9]/);
    expect(text).toMatch(/region_tiles\{region="test"\} 6/);
    expect(text).toMatch(/model_state\{model="tiny",state="READY"\} 1/);
    expect(text).toMatch(/event_loop_delay_seconds\{quantile="0.99"\} \d/);
  });
});
