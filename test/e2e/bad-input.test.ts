import sharp, { type Metadata, type Sharp } from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Prior } from '../../clients/typescript/src/index.ts';
import { problemOf } from '../app-under-test.ts';
import { hugePng, quadrants } from '../core/image/fixtures.ts';
import { answerOf, colourImage, GREEN, postImage, type Service, startService, tileOf } from './service.ts';

/** Everything that strangers send. Nothing of it is a 500, costs memory, or harms the next request. */
let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** The service is well: a good photo sent now is found. */
async function expectWell(): Promise<void> {
  const answer = await service.client.geolocate(await colourImage(GREEN));
  expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
}

async function jpeg(): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await (await quadrants(640, 480)).jpeg({ quality: 90 }).toBuffer());
}

const half = (bytes: Uint8Array) => bytes.subarray(0, Math.floor(bytes.length / 2));

describe('an image that cannot be used is refused with its problem', () => {
  test.each<[string, () => Promise<Uint8Array> | Uint8Array, number, string]>([
    ['no byte', () => new Uint8Array(0), 422, 'IMAGE_EMPTY'],
    ['no image', () => new TextEncoder().encode('not an image at all'), 415, 'IMAGE_UNSUPPORTED'],
    ['a GIF', async () => new Uint8Array(await (await quadrants()).gif().toBuffer()), 415, 'IMAGE_UNSUPPORTED'],
    ['an SVG', () => new TextEncoder().encode('<svg xmlns="http://www.w3.org/2000/svg"/>'), 415, 'IMAGE_UNSUPPORTED'],
    ['a JPEG cut in half', async () => half(await jpeg()), 422, 'IMAGE_TRUNCATED'],
    ['a JPEG’s first bytes', async () => (await jpeg()).subarray(0, 20), 422, 'IMAGE_TRUNCATED'],
    ['a PNG cut in half', async () => half(await (await quadrants()).png().toBuffer()), 422, 'IMAGE_TRUNCATED'],
    ['30,000 x 30,000 pixels of one colour', () => hugePng(30_000, 30_000), 413, 'IMAGE_TOO_LARGE'],
    [
      '4 x 4 pixels',
      async () => new Uint8Array(await (await quadrants(4, 4)).png().toBuffer()),
      422,
      'IMAGE_TOO_SMALL',
    ],
  ])('%s', async (_name, make, status, code) => {
    const bytes = new Uint8Array(await make());
    const before = process.memoryUsage.rss();
    const problem = await problemOf(await postImage(service, bytes));
    expect(problem).toMatchObject({ status, code, retryable: false });
    expect(problem.pointers).toEqual(['#/image']);
    expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 1024 * 1024);
    await expectWell();
  });
});

describe('an unusual image is answered', () => {
  test.each<[string, () => Promise<Buffer>, Partial<Metadata>]>([
    ['an animated WebP (its first frame)', animated, { pages: 2 }],
    [
      'a CMYK JPEG',
      async () => (await coloured()).withIccProfile('cmyk').jpeg({ quality: 100 }).toBuffer(),
      { space: 'cmyk' },
    ],
    ['a 16-bit PNG', async () => (await coloured()).toColourspace('rgb16').png().toBuffer(), { depth: 'ushort' }],
    ['a PNG with transparency', async () => (await coloured()).ensureAlpha(1).png().toBuffer(), { hasAlpha: true }],
    [
      'a progressive JPEG',
      async () => (await coloured()).jpeg({ progressive: true }).toBuffer(),
      { isProgressive: true },
    ],
    ['a WebP', async () => (await coloured()).webp({ quality: 100 }).toBuffer(), { format: 'webp' }],
    ['a palette PNG', async () => (await coloured()).png({ palette: true }).toBuffer(), { isPalette: true }],
  ])('%s', async (_name, make, facts) => {
    const bytes = new Uint8Array(await make());
    expect(await sharp(bytes).metadata()).toMatchObject(facts); // it is what its name says
    const answer = await service.client.geolocate(bytes);
    expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
  });

  test('a grey PNG, 8 and 16 bit', async () => {
    const grey = (await quadrants(256, 192)).greyscale();
    for (const space of ['b-w', 'grey16']) {
      const bytes = new Uint8Array(await grey.clone().toColourspace(space).png().toBuffer());
      expect(await sharp(bytes).metadata()).toMatchObject({ channels: 1, depth: space === 'b-w' ? 'uchar' : 'ushort' });
      expect((await service.client.geolocate(bytes)).status).toMatch(/^(matched|ambiguous|no_match)$/);
    }
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])('EXIF orientation %i', async (orientation) => {
    const bytes = await (await coloured()).withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer();
    const answer = await service.client.geolocate(bytes);
    expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
  });

  test.each(['image/png', 'image/heic', 'application/octet-stream', 'IMAGE/JPEG; charset=binary'])(
    'a JPEG that says it is %s: the bytes decide',
    async (type) => {
      const bytes = new Uint8Array(await (await coloured()).jpeg({ quality: 100 }).toBuffer());
      expect((await answerOf(await postImage(service, bytes, '', { 'content-type': type }))).status).toBeDefined();
    },
  );
});

async function animated(): Promise<Buffer> {
  const frames = await Promise.all(
    ['#00c832', '#0028dc'].map((background) =>
      sharp({ create: { width: 256, height: 192, channels: 3, background } })
        .png()
        .toBuffer(),
    ),
  );
  return sharp(frames, { join: { animated: true } })
    .webp({ lossless: true })
    .toBuffer();
}

async function coloured(): Promise<Sharp> {
  return sharp(await colourImage(GREEN));
}

describe('a request that is wrong is refused', () => {
  test.each([
    ['an unknown option', '?haeding=90', 422, 'INVALID_REQUEST'],
    ['a longitude out of range', '?near=181,0,100', 422, 'INVALID_REQUEST'],
    ['a latitude out of range', '?near=0,91,100', 422, 'INVALID_REQUEST'],
    ['an inverted bbox', '?bbox=0,1,1,-1', 422, 'INVALID_REQUEST'],
    ['a bbox the wrong way round', '?bbox=1,-1,0,1', 422, 'INVALID_REQUEST'],
    ['a region that there is not', '?regions=atlantis', 422, 'UNKNOWN_REGION'],
  ])('%s', async (_name, query, status, code) => {
    expect(await problemOf(await postImage(service, await colourImage(GREEN), query))).toMatchObject({ status, code });
    await expectWell();
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/xml', 'video/mp4'])(
    'the content type %s',
    async (type) => {
      const response = await postImage(service, await colourImage(GREEN), '', { 'content-type': type });
      expect(await problemOf(response)).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
    },
  );

  test('a form that says it is JSON, and JSON that says it is a form', async () => {
    for (const type of ['application/json', 'multipart/form-data; boundary=x']) {
      const response = await postImage(service, await colourImage(GREEN), '', { 'content-type': type });
      expect(await problemOf(response)).toMatchObject({ status: 400, code: 'MALFORMED_BODY' });
    }
  });

  test('a body beyond the limit, while it is sent', async () => {
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const response = await fetch(`${service.url}/v1/geolocate`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'image/jpeg' },
      duplex: 'half',
    }).catch(() => undefined); // the connection may be closed before the answer is read
    if (response !== undefined)
      expect(await problemOf(response)).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' });
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    await expectWell();
  });
});

describe('a prior outside every region', () => {
  test.each<[string, Prior]>([
    ['a circle', { type: 'circle', center: [100, 50], radiusM: 1000 }],
    ['a box', { type: 'bbox', bbox: [100, 50, 101, 51] }],
  ])('(%s) is out of coverage, which is an answer', async (_name, prior) => {
    const answer = await service.client.geolocate(await colourImage(GREEN), { prior });
    expect(answer).toMatchObject({ status: 'out_of_coverage', candidates: [] });
    expect(answer.location).toBeUndefined();
    expect(answer.accuracy).toBeUndefined();
  });
});
