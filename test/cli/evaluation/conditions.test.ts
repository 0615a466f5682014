import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { distanceM } from '#core/geo/great-circle.ts';
import { angleBetweenDeg } from '#core/geo/units.ts';
import { decodeImage } from '#core/image/decode.ts';
import { readGroundQuery } from '#core/image/ground-query.ts';
import { DEFAULT_IMAGE_LIMITS as limits } from '#core/image/limits.ts';
import type { ViewSetQuery } from '#core/regions/view-set.ts';
import { isAskable, present } from '../../../src/cli/evaluation/conditions.ts';
import { gpanoXmp, waves } from '../../core/image/fixtures.ts';

const PANORAMA: ViewSetQuery = {
  id: 'q1',
  image: 'q1.png',
  kind: 'panorama',
  location: [0.01, -0.02],
  headingDeg: 40,
  fovDeg: 360,
  split: 'test',
};
const PHOTO: ViewSetQuery = { ...PANORAMA, kind: 'photo', fovDeg: 70 };

async function panorama(): Promise<Uint8Array> {
  const { rgb, widthPx, heightPx } = waves(768, 192);
  return sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } })
    .png()
    .toBuffer();
}

describe('a condition', () => {
  test('is asked only of queries whose labels allow it', () => {
    const noHeading = { ...PANORAMA, headingDeg: undefined };
    const noPlace = { ...PANORAMA, location: undefined };
    expect(isAskable(PANORAMA, 'aligned')).toBe(true);
    expect(isAskable(PANORAMA, 'photo')).toBe(false);
    expect(isAskable(noHeading, 'aligned')).toBe(false);
    expect(isAskable(noHeading, 'unknown_heading')).toBe(true);
    expect(isAskable(noPlace, 'near300')).toBe(false);
    expect(isAskable(noPlace, 'aligned')).toBe(true);
  });

  test('aligned gives the image as it is, with heading and field of view', async () => {
    const bytes = await panorama();
    const { request, truth } = await present(PANORAMA, { bytes, condition: 'aligned', limits });
    expect(request).toEqual({ image: bytes, headingDeg: 40, fovDeg: 360 });
    expect(truth).toEqual({ location: PANORAMA.location });
  });

  test('near300 gives a circle of 300 m that holds the truth, another one for each query', async () => {
    const bytes = await panorama();
    const centres = new Set<string>();
    for (let i = 0; i < 50; i++) {
      const query = { ...PANORAMA, id: `q${i}` };
      const { request } = await present(query, { bytes, condition: 'near300', limits });
      if (request.prior?.type !== 'circle') throw new Error('expected a circle');
      expect(distanceM(request.prior.center, [0.01, -0.02])).toBeLessThanOrEqual(300);
      centres.add(String(request.prior.center));
    }
    expect(centres.size).toBe(50);
  });

  test('unknown_heading turns a panorama by an angle that it remembers', async () => {
    const bytes = await panorama();
    const shown = await present(PANORAMA, { bytes, condition: 'unknown_heading', limits });
    expect(shown.request.headingDeg).toBeUndefined();
    const headingDeg = shown.truth.headingDeg ?? Number.NaN;
    expect(angleBetweenDeg(headingDeg, 40)).toBeGreaterThan(1);
    // with the angle given back, the north-up canvas is the same as that of the original
    const options = { limits, minFovDeg: 60, fovDeg: 360 };
    const before = await readGroundQuery(bytes, { ...options, headingDeg: 40 });
    const after = await readGroundQuery(shown.request.image, { ...options, headingDeg });
    const differences = before.canvas.rgb.map((value, i) => Math.abs(value - (after.canvas.rgb[i] ?? 0)));
    expect(Math.max(...differences)).toBeLessThanOrEqual(3);
    const again = await present(PANORAMA, { bytes, condition: 'unknown_heading', limits });
    expect(again.truth.headingDeg).toBe(headingDeg);
  });

  test('photo_unknown_heading keeps a photo that tells no heading', async () => {
    const bytes = await panorama();
    const shown = await present(PHOTO, { bytes, condition: 'photo_unknown_heading', limits });
    expect(shown.request).toEqual({ image: bytes, fovDeg: 70 });
    expect(shown.truth).toEqual({ location: PHOTO.location, headingDeg: 40 });
  });

  test('photo_unknown_heading takes the heading out of a file that tells it', async () => {
    const { rgb, widthPx, heightPx } = waves(400, 300);
    const bytes = await sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } })
      .withXmp(
        gpanoXmp({
          FullPanoWidthPixels: 2000,
          FullPanoHeightPixels: 1000,
          CroppedAreaImageWidthPixels: 400,
          CroppedAreaImageHeightPixels: 300,
          CroppedAreaLeftPixels: 800,
          CroppedAreaTopPixels: 350,
          PoseHeadingDegrees: 123,
        }),
      )
      .jpeg()
      .toBuffer();
    expect((await decodeImage(bytes, limits)).metadata.gpano?.headingDeg).toBe(123);
    const shown = await present(PHOTO, { bytes, condition: 'photo_unknown_heading', limits });
    const { metadata } = await decodeImage(shown.request.image, limits);
    expect(metadata.gpano?.headingDeg).toBeUndefined();
    expect(metadata.gpsHeadingDeg).toBeUndefined();
  });
});
