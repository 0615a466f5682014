import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '#core/image/decode.ts';
import { DEFAULT_IMAGE_LIMITS, FULL_RESOLUTION_LIMITS } from '#core/image/limits.ts';
import { hugePng, pixelAt, quadrants, waves } from './fixtures.ts';

const decode = (bytes: Uint8Array) => decodeImage(bytes, DEFAULT_IMAGE_LIMITS);
const failure = (code: string) => expect.objectContaining({ name: 'Geo2Error', code });

function expectClose(got: readonly number[], expected: readonly number[], tolerance = 12): void {
  got.forEach((value, i) => {
    expect(Math.abs(value - (expected[i] ?? 0)), `${got} is not close to ${expected}`).toBeLessThanOrEqual(tolerance);
  });
}

describe('what is decoded', () => {
  test.each([
    ['a JPEG', async () => (await quadrants()).jpeg({ quality: 95, chromaSubsampling: '4:4:4' }).toBuffer()],
    ['a progressive JPEG', async () => (await quadrants()).jpeg({ quality: 95, progressive: true }).toBuffer()],
    ['a PNG', async () => (await quadrants()).png().toBuffer()],
    ['an interlaced palette PNG', async () => (await quadrants()).png({ palette: true, progressive: true }).toBuffer()],
    ['a 16-bit PNG', async () => (await quadrants()).toColourspace('rgb16').png().toBuffer()],
    ['a WebP', async () => (await quadrants()).webp({ quality: 95 }).toBuffer()],
    ['a lossless WebP', async () => (await quadrants()).webp({ lossless: true }).toBuffer()],
  ])('%s becomes upright RGB', async (_, make) => {
    const image = await decode(await make());
    expect([image.widthPx, image.heightPx, image.rgb.length]).toEqual([120, 80, 120 * 80 * 3]);
    expectClose(pixelAt(image, 20, 20), [255, 0, 0], 16);
    expectClose(pixelAt(image, 100, 20), [0, 255, 0], 16);
    expectClose(pixelAt(image, 100, 60), [255, 255, 255], 16);
  });

  test.each([
    ['brick', [176, 96, 74]],
    ['grass', [90, 128, 64]],
    ['sky', [144, 184, 224]],
  ])('a CMYK JPEG of %s has the colour that was printed', async (_, [r = 0, g = 0, b = 0]) => {
    const flat = sharp({ create: { width: 64, height: 64, channels: 3, background: { r, g, b } } });
    const bytes = await flat.toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe('cmyk');
    expectClose(pixelAt(await decode(bytes), 30, 30), [r, g, b], 20);
  });

  test('grey PNGs of 8 and 16 bits have three equal channels', async () => {
    const grey = (await quadrants()).greyscale();
    for (const bytes of [
      await grey.clone().png().toBuffer(),
      await grey.clone().toColourspace('grey16').png().toBuffer(),
    ]) {
      const image = await decode(bytes);
      const [r, g, b] = pixelAt(image, 20, 20);
      expect([g, b]).toEqual([r, r]);
      expect(r).toBeGreaterThan(20);
      expect(pixelAt(image, 100, 60)).toEqual([255, 255, 255]);
    }
  });

  test('transparent pixels become mid grey', async () => {
    const clear = sharp({
      create: { width: 40, height: 40, channels: 4, background: { r: 255, g: 0, b: 0, alpha: 0 } },
    });
    for (const bytes of [await clear.clone().png().toBuffer(), await clear.clone().webp().toBuffer()]) {
      expect(pixelAt(await decode(bytes), 20, 20)).toEqual([128, 128, 128]);
    }
  });

  test('an animated WebP is its first frame', async () => {
    const frames = [
      await sharp({ create: { width: 64, height: 48, channels: 3, background: '#f00' } })
        .png()
        .toBuffer(),
      await sharp({ create: { width: 64, height: 48, channels: 3, background: '#00f' } })
        .png()
        .toBuffer(),
    ];
    const bytes = await sharp(frames, { join: { animated: true } })
      .webp({ lossless: true })
      .toBuffer();
    expect((await sharp(bytes, { animated: true }).metadata()).pages).toBe(2);
    const image = await decode(bytes);
    expect([image.widthPx, image.heightPx]).toEqual([64, 48]);
    expect(pixelAt(image, 30, 30)).toEqual([255, 0, 0]);
  });

  test.each([
    [1, 'top left'],
    [2, 'top right'],
    [3, 'bottom right'],
    [4, 'bottom left'],
    [5, 'top left'],
    [6, 'top right'],
    [7, 'bottom right'],
    [8, 'bottom left'],
  ])('EXIF orientation %i is applied: the stored first corner lands %s', async (orientation, corner) => {
    const bytes = await (await quadrants()).withMetadata({ orientation }).jpeg({ quality: 95 }).toBuffer();
    const image = await decode(bytes);
    const turned = orientation >= 5;
    expect([image.widthPx, image.heightPx]).toEqual(turned ? [80, 120] : [120, 80]);
    expect(image.metadata).toMatchObject({
      orientation,
      sourceWidthPx: image.widthPx,
      sourceHeightPx: image.heightPx,
    });
    const x = corner.includes('left') ? 10 : image.widthPx - 10;
    const y = corner.includes('top') ? 10 : image.heightPx - 10;
    expectClose(pixelAt(image, x, y), [255, 0, 0], 16);
  });

  test('a large image is reduced while decoding, and kept whole when all of it is wanted', async () => {
    const { rgb, widthPx, heightPx } = waves(2000, 1500);
    const bytes = await sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } })
      .jpeg()
      .toBuffer();
    const reduced = await decode(bytes);
    expect([reduced.widthPx, reduced.heightPx]).toEqual([768, 576]);
    expect(reduced.metadata).toMatchObject({ sourceWidthPx: 2000, sourceHeightPx: 1500 });
    const whole = await decodeImage(bytes, FULL_RESOLUTION_LIMITS);
    expect([whole.widthPx, whole.heightPx]).toEqual([2000, 1500]);
  });
});

describe('what is refused', () => {
  test('no bytes', async () => {
    await expect(decode(new Uint8Array(0))).rejects.toEqual(failure('IMAGE_EMPTY'));
  });

  test.each([
    ['text', Buffer.from('hello, this is not an image at all')],
    [
      'an SVG',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="9" height="9"/></svg>'),
    ],
    ['an AVIF box', Buffer.from('\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf', 'latin1')],
    ['random bytes', Buffer.from(Array.from({ length: 999 }, (_, i) => (i * 7919) % 251))],
  ])('%s', async (_, bytes) => {
    await expect(decode(bytes)).rejects.toEqual(failure('IMAGE_UNSUPPORTED'));
  });

  test.each(['gif', 'tiff', 'avif'] as const)('a real %s', async (format) => {
    const bytes = await (await quadrants()).toFormat(format).toBuffer();
    await expect(decode(bytes)).rejects.toEqual(failure('IMAGE_UNSUPPORTED'));
  });

  test.each([
    ['JPEG', async () => (await quadrants(400, 300)).jpeg().toBuffer()],
    ['progressive JPEG', async () => (await quadrants(400, 300)).jpeg({ progressive: true }).toBuffer()],
    ['PNG', async () => (await quadrants(400, 300)).png().toBuffer()],
    ['WebP', async () => (await quadrants(400, 300)).webp().toBuffer()],
    ['large JPEG that is reduced', async () => (await quadrants(3000, 2000)).jpeg().toBuffer()],
  ])('a %s cut off anywhere', async (_, make) => {
    const bytes = await make();
    for (const share of [0.03, 0.3, 0.6, 0.9]) {
      const cut = bytes.subarray(0, Math.max(12, Math.floor(bytes.length * share)));
      await expect(decode(cut), `${share} of it`).rejects.toEqual(failure('IMAGE_TRUNCATED'));
    }
  });

  test('more bytes than the limit, before they are looked at', async () => {
    const bytes = new Uint8Array(1001);
    await expect(decodeImage(bytes, { ...DEFAULT_IMAGE_LIMITS, maxBytes: 1000 })).rejects.toEqual(
      failure('IMAGE_TOO_LARGE'),
    );
  });

  test('a 30,000 x 30,000 PNG of one colour, quickly and without its memory', async () => {
    const bytes = await hugePng(30_000, 30_000);
    expect(bytes.length).toBeLessThan(500_000);
    const before = process.memoryUsage.rss();
    const startedAt = performance.now();
    await expect(decode(bytes)).rejects.toEqual(failure('IMAGE_TOO_LARGE'));
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(process.memoryUsage.rss() - before).toBeLessThan(50e6);
  });

  test('an image of a few pixels', async () => {
    const bytes = await sharp({ create: { width: 400, height: 4, channels: 3, background: '#888' } })
      .png()
      .toBuffer();
    await expect(decode(bytes)).rejects.toEqual(failure('IMAGE_TOO_SMALL'));
  });

  test('a request whose caller has left', async () => {
    const bytes = await (await quadrants()).png().toBuffer();
    const decoding = decodeImage(bytes, DEFAULT_IMAGE_LIMITS, { signal: AbortSignal.abort() });
    await expect(decoding).rejects.toEqual(failure('CANCELED'));
  });
});

test('many damaged images at once neither harm the good ones between them nor mix them up', async () => {
  const good = await (await quadrants()).jpeg({ quality: 95 }).toBuffer();
  const bad = good.subarray(0, good.length / 2);
  const results = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => decode(i % 2 === 0 ? good : bad)));
  results.forEach((result, i) => {
    expect(result.status).toBe(i % 2 === 0 ? 'fulfilled' : 'rejected');
    if (result.status === 'fulfilled') expectClose(pixelAt(result.value, 20, 20), [255, 0, 0]);
  });
});
