import { setTimeout as pause } from 'node:timers/promises';
import sharp from 'sharp';
import { expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { rawRequest } from '../raw-http.ts';
import { colourImage, GREEN, startService } from './service.ts';

/** Stands in everything that a caller sends and nobody else may read. */
const MARK = 'm4rk3d';
/** A place that a caller told of. */
const LON = '12.345678';

test('nothing that a caller sends in confidence is in the log, at its most talkative', {
  timeout: 300_000,
}, async () => {
  const service = await startService({ outboundAllow: ['127.0.0.0/8'] });
  onTestFinished(() => service.stop());
  const send = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(`${service.url}${path}`, init);
    return { status: response.status, text: await response.text() };
  };
  const post = (path: string, body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}) =>
    send(path, { method: 'POST', body, headers });
  const json = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    post(path, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  const green = await colourImage(GREEN);

  // headers: keys that are wrong, cookies, names of requests, proxies' notes
  for (const headers of [
    { authorization: `Bearer geo2_${MARK}` },
    { 'x-api-key': `geo2_${MARK}` },
    { cookie: `session=${MARK}` },
    { 'user-agent': MARK, referer: `https://example.org/?${MARK}`, 'x-forwarded-for': `10.0.0.1, ${MARK}` },
    { traceparent: MARK, tracestate: `a=${MARK}`, 'x-request-id': `${MARK} with spaces` },
    { accept: `image/${MARK}`, 'if-none-match': `"${MARK}"`, prefer: `respond-async, ${MARK}=1` },
  ]) {
    await send('/v1/regions', { headers });
    await post('/v1/geolocate', green, { 'content-type': 'image/png', ...headers });
  }
  // addresses and query strings
  await post(`/v1/geolocate?near=${LON},1,50&token=${MARK}`, green, { 'content-type': 'image/png' });
  await post(`/v1/geolocate?near=${LON},1,50`, green, { 'content-type': 'image/png' });
  await send(`/v1/regions/${MARK}?key=${MARK}`);
  await send(`/${MARK}.js?${MARK}`);
  await send(`/v1/jobs/${MARK}`);
  await rawRequest(service.url, `${MARK} /${MARK} HTTP/1.1\r\n${MARK}\r\n\r\n`);
  await rawRequest(service.url, `GET /${MARK}?${MARK} HTTP/1.1\r\nHost: ${MARK}\r\nHost: b\r\n\r\n`);
  // images: their names, their metadata, their bytes
  const tagged = await sharp(green)
    .withExif({ IFD0: { ImageDescription: MARK, Artist: MARK }, IFD3: { GPSLatitudeRef: 'N' } })
    .jpeg()
    .toBuffer();
  await post('/v1/geolocate', new Uint8Array(tagged), { 'content-type': 'image/jpeg' });
  await post('/v1/geolocate', new TextEncoder().encode(MARK), { 'content-type': 'image/jpeg' });
  const form = new FormData();
  form.append('image', new Blob([green]), `${MARK}.png`);
  form.append(MARK, MARK);
  await post('/v1/embed', form);
  // bodies: options, addresses of images with credentials, what is no JSON
  await json('/v1/geolocate', { image: { base64: MARK }, [MARK]: MARK, regions: [MARK] });
  await json('/v1/embed', { view: 'ground', image: { url: `https://user:${MARK}@example.org/${MARK}?sig=${MARK}` } });
  await json('/v1/embed', { view: 'ground', image: { url: `http://127.0.0.1:9/${MARK}?sig=${MARK}` } });
  await post('/v1/geolocate', `{"${MARK}`, { 'content-type': 'application/json' });
  // what is stored: a key, a webhook with its secret, a named request, a job
  const key = z
    .object({ key: z.string() })
    .safeParse(JSON.parse((await json('/v1/keys', { name: MARK, tenant: 'acme' })).text));
  const webhook = await json('/v1/webhooks', {
    url: `http://127.0.0.1:9/${MARK}?sig=${MARK}`,
    events: ['job.succeeded'],
  });
  const secret = /whsec_[A-Za-z0-9+/=]+/.exec(webhook.text)?.[0];
  await post('/v1/geolocate', green, { 'content-type': 'image/png', 'idempotency-key': MARK });
  await post('/v1/geolocate', green, { 'content-type': 'image/png', 'idempotency-key': MARK });
  const job = await post(`/v1/geolocate?near=${LON},1,50`, green, {
    'content-type': 'image/png',
    prefer: 'respond-async',
  });
  if (key.success) await send('/v1/regions', { headers: { authorization: `Bearer ${key.data.key}` } });

  await pause(500); // a job that runs has something to tell
  const log = service.log.map((line) => JSON.stringify(line));
  expect(log.filter((line) => line.includes('"msg":"request"')).length).toBeGreaterThan(25);
  expect([webhook.status, job.status]).toEqual([201, 202]);
  const kept = [key.success ? key.data.key : undefined, secret].filter((text) => text !== undefined);
  expect(kept).toHaveLength(2);
  for (const told of [MARK, LON, 'near=', Buffer.from(MARK).toString('base64'), ...kept]) {
    expect(log.filter((line) => line.includes(told))).toEqual([]);
  }
});
