import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { readGroundQuery } from '#core/image/ground-query.ts';
import { DEFAULT_IMAGE_LIMITS } from '#core/image/limits.ts';
import { quadrants } from './fixtures.ts';

const reasonsOf = async (bytes: Uint8Array, options: { fovDeg?: number; minFovDeg?: number } = {}) =>
  (await readGroundQuery(bytes, { limits: DEFAULT_IMAGE_LIMITS, minFovDeg: 60, fovDeg: 75, ...options })).reasons;

/** A street scene by shapes: sky, ground, house fronts with windows, all with hard edges and some grain. */
async function street(): Promise<Buffer> {
  const [w, h] = [800, 600];
  const rgb = Buffer.alloc(w * h * 3);
  for (let y = 0; y < h; y++) {
    for (let x = 0; x < w; x++) {
      const house = Math.floor(x / 130);
      const roof = 200 - ((house * 37) % 90);
      const window = x % 26 < 12 && y % 30 < 16;
      const colour =
        y > 380 ? [96, 92, 88] : y < roof ? [150, 185, 225] : window ? [40, 45, 60] : [150 + house * 9, 120, 90];
      const grain = ((x * 7919 + y * 104729) % 17) - 8;
      rgb.set(
        colour.map((level) => level + grain),
        (y * w + x) * 3,
      );
    }
  }
  return sharp(rgb, { raw: { width: w, height: h, channels: 3 } })
    .png()
    .toBuffer();
}

describe('an image is judged as the model will see it', () => {
  test('a street has nothing against it', async () => {
    expect(await reasonsOf(await street())).toEqual([]);
  });

  test('blurred beyond recognition it is blurry, a little blur does not matter', async () => {
    expect(
      await reasonsOf(
        await sharp(await street())
          .blur(2)
          .toBuffer(),
      ),
    ).toEqual([]);
    expect(
      await reasonsOf(
        await sharp(await street())
          .blur(40)
          .toBuffer(),
      ),
    ).toContain('blurry');
  });

  test('at night it is dark, in glare overexposed', async () => {
    expect(
      await reasonsOf(
        await sharp(await street())
          .linear(0.15, 0)
          .toBuffer(),
      ),
    ).toContain('dark');
    expect(
      await reasonsOf(
        await sharp(await street())
          .linear(2, 160)
          .toBuffer(),
      ),
    ).toContain('overexposed');
  });

  test('only sky and only ground have no place', async () => {
    const sky = sharp({ create: { width: 800, height: 600, channels: 3, background: { r: 150, g: 185, b: 225 } } });
    expect(await reasonsOf(await sky.png().toBuffer())).toContain('sky_or_ground_only');
    const noise = { type: 'gaussian', mean: 100, sigma: 25 } as const;
    const asphalt = sharp({ create: { width: 800, height: 600, channels: 3, background: '#888', noise } });
    expect(await reasonsOf(await asphalt.png().toBuffer())).toContain('sky_or_ground_only');
  });

  test('a field of view below what the model knows is narrow', async () => {
    expect(await reasonsOf(await street(), { fovDeg: 40 })).toContain('narrow_fov');
    expect(await reasonsOf(await street(), { fovDeg: 40, minFovDeg: 30 })).not.toContain('narrow_fov');
  });

  test('a guessed lens is said', async () => {
    const bytes = await (await quadrants(400, 300)).jpeg().toBuffer();
    const query = await readGroundQuery(bytes, { limits: DEFAULT_IMAGE_LIMITS, minFovDeg: 60 });
    expect(query.reasons).toContain('assumed_fov');
  });
});

describe('who tells the heading', () => {
  const compass = { IFD3: { GPSImgDirection: '90/1', GPSImgDirectionRef: 'T' } };

  test.each([
    ['nobody', undefined, async () => street(), {}],
    [
      'the compass',
      undefined,
      async () =>
        sharp(await street())
          .withExif(compass)
          .toBuffer(),
      { headingDeg: 90, headingSource: 'compass' },
    ],
    [
      'the caller, over the compass',
      12,
      async () =>
        sharp(await street())
          .withExif(compass)
          .toBuffer(),
      { headingDeg: 12, headingSource: 'request' },
    ],
  ])('%s', async (_, headingDeg, make, expected) => {
    const query = await readGroundQuery(await make(), {
      limits: DEFAULT_IMAGE_LIMITS,
      minFovDeg: 60,
      fovDeg: 75,
      headingDeg,
    });
    expect(query).toMatchObject(expected);
    expect('headingDeg' in query).toBe('headingDeg' in expected);
    const middleColumn = 48 * 384 + Math.round(192 + (query.headingDeg ?? 0) / 0.9375);
    expect(query.canvas.mask[middleColumn]).toBe(1);
  });
});

const pairs = join(import.meta.dirname, '../../../../shared/data/helsinki-pairs');

describe.skipIf(!existsSync(pairs))('ten street photos of Helsinki', () => {
  const photos = existsSync(pairs) ? readdirSync(pairs).filter((name) => name.endsWith('_ground.jpg')) : [];

  test.each(photos)('%s is fine as taken, blurry when blurred, dark when darkened', async (name) => {
    const bytes = readFileSync(join(pairs, name));
    expect(await reasonsOf(bytes)).toEqual([]);
    expect(await reasonsOf(await sharp(bytes).blur(20).jpeg().toBuffer())).toEqual(['blurry']);
    expect(await reasonsOf(await sharp(bytes).linear(0.15, 0).jpeg().toBuffer())).toContain('dark');
  });
});
