import { expect, test } from 'vitest';
import * as z from 'zod';
import { CreatedKeySchema } from '../../src/handlers/keys.ts';
import { BLUE, colourImage, startService } from './service.ts';

test('nothing that was confided to the service is in its log, at its most talkative', async () => {
  const service = await startService({ outboundAllow: ['127.0.0.0/8'] });
  const secrets: string[] = [];
  try {
    const json = (path: string, body: object, headers: Record<string, string> = {}) =>
      fetch(`${service.url}${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'content-type': 'application/json', ...headers },
      });
    const { key } = CreatedKeySchema.parse(await (await json('/v1/keys', { tenant: 'acme', name: 'phone' })).json());
    const bearer = { authorization: `Bearer ${key}` };
    const url = `${service.url}/hook?token=in-the-address`;
    const hook = await (await json('/v1/webhooks', { url, events: ['job.succeeded'] }, bearer)).json();
    const { id, secret } = z.object({ id: z.string(), secret: z.string() }).parse(hook);
    const rotated = await (await json(`/v1/webhooks/${id}/rotate-secret`, {}, bearer)).json();
    secrets.push(key, secret, z.object({ secret: z.string() }).parse(rotated).secret, 'in-the-address');

    const image = Buffer.from(await colourImage(BLUE)).toString('base64');
    const imageUrl = `${service.url}/demo/nothing.png?signature=of-the-image`;
    const near = { type: 'circle', center: [0.123456789, -0.987654321], radiusM: 300 };
    secrets.push(
      image.slice(0, 40),
      'of-the-image',
      '0.123456789',
      '0.987654321',
      'the-idempotency-key',
      'not-a-key-at-all',
    );
    await json(
      '/v1/geolocate',
      { image: { base64: image }, prior: near },
      { ...bearer, 'idempotency-key': 'the-idempotency-key' },
    );
    await json('/v1/geolocate', { image: { url: imageUrl } }, bearer);
    await fetch(`${service.url}/v1/regions?near=0.123456789,-0.987654321,300`, {
      headers: { 'x-api-key': 'not-a-key-at-all' },
    });
    await json('/v1/geolocate', { image: { base64: image } }, { ...bearer, prefer: 'respond-async, wait=20' });
  } finally {
    await service.stop();
  }
  const lines = service.log.map((line) => JSON.stringify(line));
  expect(lines.length).toBeGreaterThan(8);
  for (const secret of secrets)
    expect(
      lines.filter((line) => line.includes(secret)),
      secret,
    ).toEqual([]);
}, 180_000);
