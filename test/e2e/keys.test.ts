import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { CreatedKeySchema } from '../../src/handlers/keys.ts';
import { problemOf } from '../app-under-test.ts';
import { startPostgres, type TestPostgres } from '../postgres.ts';
import { imageryTile } from './region-bundle.ts';
import { answerOf, BLUE, colourImage, postImage, prepareFiles, type Service, startService } from './service.ts';

/** The whole service with keys, on its embedded database and on a server that two of them share. */

const bearer = (key: string): Record<string, string> => ({ authorization: `Bearer ${key}` });

/** A service on loopback takes whoever asks without a key for its operator: so keys come to be. */
async function newKey(service: Service, key: Record<string, unknown>): Promise<string> {
  const response = await fetch(`${service.url}/v1/keys`, {
    method: 'POST',
    body: JSON.stringify({ tenant: 'acme', name: 'test', ...key }),
    headers: { 'content-type': 'application/json' },
  });
  return CreatedKeySchema.parse(await response.json()).key;
}

describe('a key that is limited to a region', () => {
  let service: Service;
  let key: string;
  let image: Uint8Array<ArrayBuffer>;
  beforeAll(async () => {
    service = await startService({}, { files: await prepareFiles({ regions: ['another', 'mine'] }) });
    key = await newKey(service, { regions: ['mine', 'not-loaded'] });
    image = await colourImage(BLUE);
  }, 120_000);
  afterAll(() => service.stop());

  const get = (path: string, headers = bearer(key)) => fetch(`${service.url}${path}`, { headers });

  test('finds places in that one only', async () => {
    // both hold the same tiles: of a place in two regions the first one tells
    const all = await answerOf(await postImage(service, image, '?topK=50'));
    expect(new Set(all.candidates.map(({ regionId }) => regionId))).toEqual(new Set(['another']));
    const limited = await answerOf(await postImage(service, image, '?topK=50', bearer(key)));
    expect(new Set(limited.candidates.map(({ regionId }) => regionId))).toEqual(new Set(['mine']));
    await answerOf(await postImage(service, image, '?regions=mine', bearer(key)));
  });

  test('is refused when it names another, as if there were no such region', async () => {
    const answers = [];
    for (const region of ['another', 'nowhere']) {
      const problem = await problemOf(await postImage(service, image, `?regions=mine,${region}`, bearer(key)));
      expect(problem).toMatchObject({ status: 422, code: 'UNKNOWN_REGION' });
      answers.push(problem.detail.replace(region, '…'));
    }
    expect(answers[0]).toBe(answers[1]);
    expect(answers[0]).not.toContain('another');
  });

  test('sees that one only in lists, on the map and in imagery', async () => {
    const ListSchema = z.object({ regions: z.array(z.object({ id: z.string() })) });
    expect(ListSchema.parse(await (await get('/v1/regions')).json()).regions.map(({ id }) => id)).toEqual(['mine']);
    expect(await (await get('/v1/coverage')).text()).not.toContain('another');
    const { z: zoom, x, y } = imageryTile();
    for (const rest of ['', `/imagery/${zoom}/${x}/${y}`]) {
      expect((await get(`/v1/regions/mine${rest}`)).status).toBe(200);
      const foreign = await problemOf(await get(`/v1/regions/another${rest}`));
      const unknown = await problemOf(await get(`/v1/regions/nowhere${rest}`));
      expect(foreign).toMatchObject({ status: 404, code: 'NOT_FOUND' });
      expect(foreign.detail.replace('another', '…')).toBe(unknown.detail.replace('nowhere', '…'));
      expect(unknown.detail).not.toContain('another');
    }
    const open = await (await get('/v1/regions', {})).text();
    expect(open).toContain('another');
  });

  test('finds nothing when its regions are not loaded', async () => {
    const elsewhere = await newKey(service, { regions: ['not-loaded'] });
    const answer = await answerOf(await postImage(service, image, '', bearer(elsewhere)));
    expect(answer).toMatchObject({ status: 'out_of_coverage', candidates: [] });
  });

  test('repeats a form that its client sends again, with another boundary, and gets the same answer', async () => {
    const send = () => {
      const form = new FormData();
      form.append('image', new Blob([image], { type: 'image/png' }), 'photo.png');
      const headers = { ...bearer(key), 'idempotency-key': 'one-and-only' };
      return fetch(`${service.url}/v1/geolocate`, { method: 'POST', body: form, headers });
    };
    const first = await send();
    const again = await send();
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.text()).toBe(await first.text());
  });
});

describe('services that share a server', () => {
  let postgres: TestPostgres;
  let services: readonly Service[];
  beforeAll(async () => {
    postgres = await startPostgres();
    services = [await startService({ databaseUrl: postgres.url }), await startService({ databaseUrl: postgres.url })];
  }, 180_000);
  afterAll(async () => {
    await Promise.all((services ?? []).map((service) => service.stop()));
    await postgres?.stop();
  });

  test('know the same keys, count one quota, and repeat each other’s answers', async () => {
    const [first, second] = services;
    if (first === undefined || second === undefined) throw new Error('two services are started');
    const key = await newKey(first, { rate: { requests: 4, windowS: 3600 } });
    const image = await colourImage(BLUE);
    const named = { ...bearer(key), 'idempotency-key': 'shared' };
    const answer = await (await postImage(first, image, '', named)).text();
    const repeated = await postImage(second, image, '', named);
    expect(repeated.headers.get('idempotency-replayed')).toBe('true');
    expect(await repeated.text()).toBe(answer);

    expect((await postImage(first, image, '', bearer(key))).headers.get('ratelimit')).toMatch(/^"default";r=1;t=/);
    expect((await postImage(second, image, '', bearer(key))).headers.get('ratelimit')).toMatch(/^"default";r=0;t=/);
    for (const service of services) {
      const refused = await postImage(service, image, '', bearer(key));
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3000);
      expect(await problemOf(refused)).toMatchObject({ status: 429, code: 'RATE_LIMITED' });
    }
  });
});
