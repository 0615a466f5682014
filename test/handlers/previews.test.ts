import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createPreviews } from '#core/previews.ts';
import { createBoundedCache } from '#core/storage/bounded-cache.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { appUnderTest, LIMITS, problemOf } from '../app-under-test.ts';
import { regionsOf } from '../core/retrieval/memory-region.ts';
import { type SynthesisUnderTest, synthesisUnderTest } from '../synthesis-under-test.ts';

let under: SynthesisUnderTest;
beforeAll(async () => {
  under = await synthesisUnderTest();
});
afterAll(() => under.stop());

/** The app with previews on an empty store; `made` counts the panoramas that the model made. */
async function appOf({ maxBytes = 1e6 }: { maxBytes?: number } = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'geo2-previews-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const store = createFsObjectStore({ url: pathToFileURL(dir).href });
  const { model, region, synthesize } = under;
  const asked: string[] = [];
  const failures: unknown[] = [];
  const cache = createBoundedCache({
    store,
    prefix: 'previews',
    maxBytes,
    memoryBytes: 50_000,
    onError: (error) => failures.push(error),
  });
  const previews = createPreviews({
    model,
    regions: regionsOf([region]),
    areRegionsLoading: () => false,
    cache,
    synthesize: (request) => {
      asked.push(request.direction);
      return synthesize({ ...request, steps: 1 });
    },
  });
  const app = await appUnderTest({ model, previews, limits: { ...LIMITS, requestTimeoutMs: 60_000 } });
  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of store.list('previews/')) found.push(key);
    return found;
  };
  return { ...app, asked, failures, keys };
}

const addressOf = (view: { lon: number; lat: number; heading?: number; fov?: number }): string =>
  `/v1/previews/ground?${new URLSearchParams(Object.entries(view).map(([name, value]): [string, string] => [name, String(value)]))}`;
const here = () => ({ lon: under.covered[0], lat: under.covered[1] });

describe('the street preview of a covered place', () => {
  test('is redirected to for a minute, and there for ever: a picture marked as synthetic, with a strong ETag', async () => {
    const { request, failures } = await appOf();
    const found = await request(addressOf({ ...here(), heading: 90.4, fov: 80 }));
    expect(found.status).toBe(307);
    expect(found.headers.get('cache-control')).toBe('public, max-age=60');
    const location = found.headers.get('location') ?? '';
    expect(location).toMatch(
      /^\/v1\/previews\/ground\/tiny@0\.0\.1\/null-island-demo@[\w.-]+\/-?\d+\.\d{5},-?\d+\.\d{5},90,80$/,
    );

    const picture = await request(location);
    expect(picture.status).toBe(200);
    expect(picture.headers.get('content-type')).toBe('image/webp');
    expect(picture.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const etag = picture.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{43}"$/);
    const { width, height, xmp } = await sharp(await picture.arrayBuffer()).metadata();
    expect([width, height]).toEqual([384, 288]);
    expect(xmp?.toString()).toContain('trainedAlgorithmicMedia');
    const again = await request(location, { headers: { 'if-none-match': etag } });
    expect([again.status, again.headers.get('etag')]).toEqual([304, etag]);
    expect(failures).toEqual([]);
  });

  test('is made once: whoever asks again, turns round, or asks at the same time, has what was made', async () => {
    const { request, asked } = await appOf();
    const pictures = await Promise.all(
      [0, 0, 120, 240].map(async (heading) => {
        const { headers } = await request(addressOf({ ...here(), heading }));
        return new Uint8Array(await (await request(headers.get('location') ?? '')).arrayBuffer());
      }),
    );
    expect(asked).toEqual(['satellite_to_ground']);
    expect(pictures[0]).toEqual(pictures[1]);
    expect(pictures[0]).not.toEqual(pictures[2]);
    const { headers } = await request(addressOf({ ...here(), heading: 0 }));
    expect(new Uint8Array(await (await request(headers.get('location') ?? '')).arrayBuffer())).toEqual(pictures[0]);
    expect(asked).toHaveLength(1);
  });

  test('is dropped from the store when others were asked for later and there is no room', async () => {
    const { request, keys } = await appOf({ maxBytes: 60_000 });
    const visit = async (heading: number) => {
      const { headers } = await request(addressOf({ ...here(), heading }));
      expect((await request(headers.get('location') ?? '')).status).toBe(200);
    };
    await visit(0);
    const [first] = (await keys()).filter((key) => key.endsWith('/0_90.webp'));
    expect(first).toBeDefined();
    for (let heading = 10; (await keys()).includes(first ?? ''); heading += 10) {
      expect(heading, 'the store grows without bound').toBeLessThan(350);
      await visit(heading);
    }
    await visit(0);
  });

  test('is not found outside coverage, nor under a name that is not in use', async () => {
    const { request } = await appOf();
    expect(await problemOf(await request(addressOf({ lon: 10, lat: 50 })))).toMatchObject({ status: 404 });
    const { headers } = await request(addressOf(here()));
    const location = headers.get('location') ?? '';
    for (const other of [
      location.replace('tiny@0.0.1', 'tiny@0.0.2'),
      location.replace('null-island-demo@', 'elsewhere@'),
      location.replace(/,90$/, ',090'),
      location.replace(/[^/]+$/, 'anything'),
    ]) {
      expect(other).not.toBe(location);
      expect(await problemOf(await request(other))).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    }
  });

  test.each([
    ['no place', '/v1/previews/ground', ['#/lon', '#/lat']],
    ['a latitude beyond the pole', '/v1/previews/ground?lon=0&lat=91', ['#/lat']],
    ['a lens that sees too much', '/v1/previews/ground?lon=0&lat=0&fov=170', ['#/fov']],
    ['an unknown parameter', '/v1/previews/ground?lon=0&lat=0&zoom=3', ['#/zoom']],
  ])('with %s is refused with pointers', async (_name, address, pointers) => {
    const { request } = await appOf();
    const problem = await problemOf(await request(address));
    expect(problem).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    expect(problem.pointers).toEqual(pointers);
  });
});
