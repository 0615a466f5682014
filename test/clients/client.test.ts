import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  createGeo2Client,
  Geo2ConnectionError,
  Geo2ProblemError,
  Geo2TimeoutError,
} from '../../clients/typescript/src/index.ts';
import { imageryTile } from '../e2e/region-bundle.ts';
import { BLUE, COLOURS, colourImage, GREEN, type Service, startService, tileOf } from '../e2e/service.ts';
import { breaks, json, problem, scriptedServer } from './scripted-server.ts';

describe('with the service', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ outboundAllow: ['127.0.0.0/8'] });
  });
  afterAll(() => service.stop());
  const client = () => createGeo2Client({ baseUrl: service.url });

  test('finds a photo that is a Blob, bytes, a buffer, a stream or a URL', async () => {
    const bytes = await colourImage(GREEN);
    const { z, x, y } = imageryTile(); // a WebP of green
    const images = [
      new Blob([bytes]),
      bytes,
      bytes.buffer,
      new Blob([bytes]).stream(),
      { url: `${service.url}/v1/regions/test/imagery/${z}/${x}/${y}` },
    ];
    for (const image of images) {
      const { status, candidates, heading } = await client().geolocate(image, { headingDeg: 90, topK: 1 });
      expect([status, candidates.map(({ tileId }) => tileId), heading?.deg]).toEqual(['matched', [tileOf(GREEN)], 90]);
    }
  });

  test('sends every option', async () => {
    const ring = [
      [0.0023, 0],
      [0.0026, 0],
      [0.0026, 0.0006],
      [0.0023, 0.0006],
      [0.0023, 0],
    ];
    const prior = { type: 'Polygon' as const, coordinates: [ring] };
    const answer = await client().geolocate(await colourImage(GREEN), { prior, regions: ['test'], confidence: 0.9 });
    expect(answer.candidates.map(({ tileId }) => tileId)).toEqual([tileOf(BLUE)]);
  });

  test('embeds one image and several, in their order', async () => {
    const [green, blue] = await Promise.all([colourImage(GREEN), colourImage(BLUE)]);
    const one = await client().embed(green, { view: 'satellite', encoding: 'base64' });
    const both = await client().embed([blue, new Blob([green])], { view: 'satellite', encoding: 'base64' });
    expect(both.items).toHaveLength(2);
    expect(both.items[1]?.embedding).toBe(one.items[0]?.embedding);
    expect(both.items[0]?.embedding).not.toBe(one.items[0]?.embedding);
    const { z, x, y } = imageryTile();
    const url = `${service.url}/v1/regions/test/imagery/${z}/${x}/${y}`;
    const turned = await client().embed([{ url, headingDeg: 90 }, { url }], { view: 'ground' });
    expect(turned.items.map(({ headingDeg }) => headingDeg)).toEqual([90, undefined]);
    await expect(client().embed([{ url }, green], { view: 'ground' })).rejects.toThrow(/not both/);
  });

  test('lists regions and coverage, and says whether the service is ready', async () => {
    expect((await client().regions.list()).map(({ id }) => id)).toEqual(['test']);
    expect((await client().regions.get('test')).tileCount).toBe(COLOURS.length);
    expect((await client().coverage()).features.map(({ id }) => id)).toEqual(['test']);
    expect(await client().ready()).toMatchObject({ ready: true });
    await expect(client().regions.get('../health')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('tells what is wrong, with the id to ask the operator by', async () => {
    const wrong = client().geolocate(await colourImage(GREEN), { topK: 0 }, { requestId: 'mine-1' });
    await expect(wrong).rejects.toBeInstanceOf(Geo2ProblemError);
    await expect(wrong).rejects.toMatchObject({
      status: 422,
      code: 'INVALID_REQUEST',
      requestId: 'mine-1',
      retryable: false,
      errors: [{ pointer: '#/options/topK' }],
    });
    expect(service.log.some(({ requestId }) => requestId === 'mine-1')).toBe(true);
  });

  test('has the routes without a method, typed', async () => {
    const { data } = await client().api.GET('/v2/models/{name}/ready', { params: { path: { name: 'tiny' } } });
    expect(data?.state).toBe('READY');
  });
});

const OVERLOADED = problem(503, 'OVERLOADED', { retryable: true, headers: { 'retry-after': '1' } });
const REGIONS = json(200, { regions: [] });
const image = new Uint8Array([1, 2, 3]);

describe('with a service that fails', () => {
  test('tries again when it was told to, and not before', async () => {
    const { url, received } = await scriptedServer(OVERLOADED, REGIONS);
    expect(await createGeo2Client({ baseUrl: url, random: () => 0.4 }).regions.list()).toEqual([]);
    const [first, second] = received.map(({ atMs }) => atMs);
    expect(received).toHaveLength(2);
    expect((second ?? 0) - (first ?? 0)).toBeGreaterThanOrEqual(1_090); // 1 s and 0.4 of a quarter of it
  });

  test('reads a date in Retry-After', async () => {
    const at = new Date(1_000_000_000_000 + 1_000).toUTCString();
    const busy = problem(429, 'RATE_LIMITED', { retryable: true, headers: { 'retry-after': at } });
    const { url, received } = await scriptedServer(busy, REGIONS);
    const client = createGeo2Client({ baseUrl: url, random: () => 0, nowMs: () => 1_000_000_000_000 });
    await client.regions.list();
    expect((received[1]?.atMs ?? 0) - (received[0]?.atMs ?? 0)).toBeGreaterThanOrEqual(990);
  });

  test('sends the image again, whole, after a connection that broke', async () => {
    const { url, received } = await scriptedServer(breaks, breaks, json(200, { status: 'no_match' }));
    const client = createGeo2Client({ baseUrl: url, random: () => 0 });
    const stream = new Blob(['photo bytes']).stream();
    expect(await client.geolocate(stream)).toMatchObject({ status: 'no_match' });
    expect(received).toHaveLength(3);
    for (const { body } of received) expect(body).toContain('photo bytes');
  });

  test('gives up after its tries, with the last failure', async () => {
    const { url, received } = await scriptedServer(breaks);
    const failed = createGeo2Client({ baseUrl: url, random: () => 0, retry: { maxAttempts: 3 } }).regions.list();
    await expect(failed).rejects.toBeInstanceOf(Geo2ConnectionError);
    expect(received).toHaveLength(3);
  });

  test('does not wait longer than it may', async () => {
    const busy = problem(429, 'RATE_LIMITED', { retryable: true, headers: { 'retry-after': '3600' } });
    const { url, received } = await scriptedServer(busy);
    const failed = createGeo2Client({ baseUrl: url }).geolocate(image);
    await expect(failed).rejects.toMatchObject({ status: 429, code: 'RATE_LIMITED', retryAfterS: 3600 });
    expect(received).toHaveLength(1);
  });

  test('does not repeat what cannot get better', async () => {
    const { url, received } = await scriptedServer(problem(422, 'IMAGE_EMPTY', { retryable: false }));
    await expect(createGeo2Client({ baseUrl: url }).geolocate(image)).rejects.toMatchObject({ code: 'IMAGE_EMPTY' });
    expect(received).toHaveLength(1);
  });

  test('understands a gateway that answers with a page of its own', async () => {
    const gateway = await scriptedServer((response) => {
      response.writeHead(502, { 'content-type': 'text/html', 'x-request-id': 'gw-1' });
      response.end('<h1>Bad gateway</h1>');
    }, REGIONS);
    expect(await createGeo2Client({ baseUrl: gateway.url, random: () => 0 }).regions.list()).toEqual([]);
    const teapot = await scriptedServer((response) => response.writeHead(418, { 'x-request-id': 'gw-2' }).end('<h1>I'));
    await expect(createGeo2Client({ baseUrl: teapot.url }).regions.list()).rejects.toMatchObject({
      code: 'HTTP_418',
      requestId: 'gw-2',
      retryable: false,
    });
  });

  test('ends when the caller ends it, with the caller’s reason, also between tries', async () => {
    const { url, received } = await scriptedServer(
      problem(503, 'OVERLOADED', { retryable: true, headers: { 'retry-after': '30' } }),
    );
    const leaving = new AbortController();
    const reason = new Error('the user closed the page');
    const left = createGeo2Client({ baseUrl: url }).regions.list({ signal: leaving.signal });
    await expect.poll(() => received.length).toBe(1);
    leaving.abort(reason);
    await expect(left).rejects.toBe(reason);
  });

  test('ends when its time is over', async () => {
    const { url } = await scriptedServer(() => {});
    const late = createGeo2Client({ baseUrl: url }).regions.list({ timeoutMs: 50 });
    await expect(late).rejects.toBeInstanceOf(Geo2TimeoutError);
  });

  test('sends the key of its caller with every request', async () => {
    const { url, received } = await scriptedServer(REGIONS);
    await createGeo2Client({ baseUrl: url, apiKey: 'geo2_secret' }).regions.list();
    expect(received[0]?.headers.authorization).toBe('Bearer geo2_secret');
  });

  test('sends through the fetch that it is given', async () => {
    const asked: string[] = [];
    const fetch = async (request: Request) => {
      asked.push(`${request.method} ${new URL(request.url).pathname}`);
      return Response.json({ regions: [] });
    };
    await createGeo2Client({ baseUrl: 'https://geo2.example.org/', fetch }).regions.list();
    expect(asked).toEqual(['GET /v1/regions']);
  });
});
