import fc from 'fast-check';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { decodeImage } from '#core/image/decode.ts';
import { DEFAULT_IMAGE_LIMITS } from '#core/image/limits.ts';
import { placeOnCanvas } from '#core/image/panorama.ts';
import { detectView } from '#core/image/view.ts';
import { gpanoXmp, pixelAt, waves } from './fixtures.ts';

const W = 384;
const H = 96;
const full = { kind: 'panorama', fovDeg: 360 } as const;

/** An image whose red says the azimuth (0 at its left edge) and green the row, painted by a function of its own angles. */
function painted(
  widthPx: number,
  heightPx: number,
  paint: (u: number, v: number) => readonly [number, number, number],
) {
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let y = 0; y < heightPx; y++) {
    for (let x = 0; x < widthPx; x++) rgb.set(paint((x + 0.5) / widthPx, (y + 0.5) / heightPx), (y * widthPx + x) * 3);
  }
  return { rgb, widthPx, heightPx };
}

function bounds(mask: Uint8Array): { left: number; right: number; top: number; bottom: number; count: number } {
  const found = { left: W, right: -1, top: H, bottom: -1, count: 0 };
  mask.forEach((valid, p) => {
    if (valid !== 1) return;
    found.count++;
    found.left = Math.min(found.left, p % W);
    found.right = Math.max(found.right, p % W);
    found.top = Math.min(found.top, Math.floor(p / W));
    found.bottom = Math.max(found.bottom, Math.floor(p / W));
  });
  return found;
}

describe('panoramas', () => {
  test('a 384 x 96 strip is the canvas itself', async () => {
    const strip = waves(W, H);
    const canvas = await placeOnCanvas(strip, full);
    expect(canvas.rgb).toEqual(strip.rgb);
    expect(canvas.mask.every((valid) => valid === 1)).toBe(true);
  });

  test('of a full sphere of 384 x 192 the rows between +45 and -45 degrees are taken as they are', async () => {
    const sphere = waves(W, 192);
    const canvas = await placeOnCanvas(sphere, full);
    expect(canvas.rgb).toEqual(sphere.rgb.slice(48 * W * 3, 144 * W * 3));
  });

  test('a larger sphere is averaged, not sampled: one-pixel stripes become their mean', async () => {
    const stripes = painted(W * 8, 192 * 8, (u) => (Math.floor(u * W * 8) % 2 === 0 ? [0, 0, 0] : [255, 255, 255]));
    const canvas = await placeOnCanvas(stripes, full);
    for (const level of canvas.rgb) expect(Math.abs(level - 127.5)).toBeLessThan(4);
  });

  test('a heading rolls it: the middle of the image lands at that azimuth, all around', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: -400, max: 800 }), async (columns) => {
        const strip = waves(W, H);
        const canvas = await placeOnCanvas(strip, { ...full, headingDeg: (columns * 360) / W });
        const x = (((W / 2 + columns) % W) + W) % W;
        expect(pixelAt(canvas, x, 40)).toEqual(pixelAt(strip, W / 2, 40));
        expect(canvas.mask.every((valid) => valid === 1)).toBe(true);
      }),
      { numRuns: 25 },
    );
  });

  test('a heading between columns mixes neighbours across the seam', async () => {
    const strip = painted(W, H, (u) => (u < 0.5 ? [0, 0, 0] : [200, 200, 200]));
    const canvas = await placeOnCanvas(strip, { ...full, headingDeg: 180 + 0.9375 / 2 });
    expect(pixelAt(canvas, W / 2, 10)).toEqual([100, 100, 100]);
  });

  test('a Photo Sphere crop covers its part of the sphere and no more', async () => {
    const xmp = gpanoXmp({
      FullPanoWidthPixels: 3840,
      FullPanoHeightPixels: 1920,
      CroppedAreaImageWidthPixels: 960,
      CroppedAreaImageHeightPixels: 480,
      CroppedAreaLeftPixels: 1920,
      CroppedAreaTopPixels: 720,
    });
    const { rgb, widthPx, heightPx } = painted(480, 240, () => [250, 120, 30]);
    const raw = { width: widthPx, height: heightPx, channels: 3 } as const;
    const image = await decodeImage(await sharp(rgb, { raw }).withXmp(xmp).png().toBuffer(), DEFAULT_IMAGE_LIMITS);
    const { view } = detectView(image);
    expect(view).toMatchObject({ fovDeg: 90, elevationTopDeg: 22.5, elevationBottomDeg: -22.5, centreDeg: 45 });
    const canvas = await placeOnCanvas(image, view);
    expect(bounds(canvas.mask)).toEqual({ left: 192, right: 287, top: 24, bottom: 71, count: 96 * 48 });
    expect(pixelAt(canvas, 240, 48)).toEqual([250, 120, 30]);
    expect(pixelAt(canvas, 100, 48)).toEqual([0, 0, 0]);
  });

  test('half a turn covers half the canvas, wherever it is headed', async () => {
    for (const headingDeg of [0, 90, 180, 271.3]) {
      const canvas = await placeOnCanvas(waves(600, 300), { kind: 'panorama', fovDeg: 180, headingDeg });
      const columns = canvas.mask.subarray(48 * W, 49 * W).reduce((sum, valid) => sum + valid, 0);
      expect(Math.abs(columns - W / 2)).toBeLessThanOrEqual(1);
    }
  });
});

describe('photos', () => {
  test('a 90 degree photo spans a quarter of the canvas around its middle', async () => {
    const canvas = await placeOnCanvas(waves(640, 640), { kind: 'photo', fovDeg: 90 });
    expect(bounds(canvas.mask)).toMatchObject({ left: 144, right: 239, top: 0, bottom: 95 });
  });

  test('with a heading its middle lands at that azimuth, north being the middle of the canvas', async () => {
    const photo = painted(400, 300, (u, v) =>
      Math.abs(u - 0.5) < 0.1 && Math.abs(v - 0.5) < 0.1 ? [255, 0, 0] : [0, 0, 255],
    );
    const at = async (headingDeg: number) => placeOnCanvas(photo, { kind: 'photo', fovDeg: 70, headingDeg });
    expect(pixelAt(await at(90), W / 2 + 96, 47)).toEqual([255, 0, 0]);
    expect(pixelAt(await at(-90), W / 2 - 96, 47)).toEqual([255, 0, 0]);
    expect(pixelAt(await at(180), 0, 47)).toEqual([255, 0, 0]);
    expect(pixelAt(await at(180), W - 1, 47)).toEqual([255, 0, 0]);
  });

  test('every canvas pixel shows the photo pixel of its direction (pinhole camera)', async () => {
    const fovDeg = 80;
    const [w, h] = [800, 600];
    const focal = w / 2 / Math.tan((fovDeg * Math.PI) / 360);
    const photo = painted(w, h, (u, v) => [Math.round(u * 255), Math.round(v * 255), 77]);
    const canvas = await placeOnCanvas(photo, { kind: 'photo', fovDeg });
    let compared = 0;
    for (let j = 0; j < H; j++) {
      for (let i = 0; i < W; i++) {
        const az = ((i + 0.5) / W - 0.5) * 2 * Math.PI;
        const el = ((45 - (j + 0.5) * 0.9375) * Math.PI) / 180;
        const [east, north, up] = [Math.sin(az) * Math.cos(el), Math.cos(az) * Math.cos(el), Math.sin(el)];
        const x = w / 2 + (focal * east) / north;
        const y = h / 2 - (focal * up) / north;
        const inside = north > 0 && x >= 0 && x <= w && y >= 0 && y <= h;
        const nearEdge = Math.min(Math.abs(x), Math.abs(x - w), Math.abs(y), Math.abs(y - h)) < 0.01 * w;
        if (nearEdge) continue;
        expect(canvas.mask[j * W + i], `${i},${j}`).toBe(inside ? 1 : 0);
        if (!inside) continue;
        const [r, g, b] = pixelAt(canvas, i, j);
        expect(Math.abs(r - (x / w) * 255)).toBeLessThan(3);
        expect(Math.abs(g - (y / h) * 255)).toBeLessThan(3);
        expect(b).toBe(77);
        compared++;
      }
    }
    expect(compared).toBeGreaterThan(3000);
  });

  test('fine detail is averaged away and not aliased', async () => {
    const checks = painted(1600, 1200, (u, v) =>
      (Math.floor(u * 1600) + Math.floor(v * 1200)) % 2 === 0 ? [0, 0, 0] : [255, 255, 255],
    );
    const canvas = await placeOnCanvas(checks, { kind: 'photo', fovDeg: 60 });
    canvas.mask.forEach((valid, p) => {
      if (valid === 1) expect(Math.abs((canvas.rgb[p * 3] ?? 0) - 127.5)).toBeLessThan(6);
    });
  });

  test('where there is no data pixels and mask are zero', async () => {
    const canvas = await placeOnCanvas(waves(300, 400), { kind: 'photo', fovDeg: 50, headingDeg: 33 });
    canvas.mask.forEach((valid, p) => {
      if (valid === 0) expect(pixelAt(canvas, p % W, Math.floor(p / W))).toEqual([0, 0, 0]);
    });
  });
});
