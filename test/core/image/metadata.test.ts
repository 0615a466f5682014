import { describe, expect, test } from 'vitest';
import { decodeImage } from '#core/image/decode.ts';
import { DEFAULT_IMAGE_LIMITS } from '#core/image/limits.ts';
import { readMetadata } from '#core/image/metadata.ts';
import { gpanoXmp, quadrants } from './fixtures.ts';

const decode = (bytes: Uint8Array) => decodeImage(bytes, DEFAULT_IMAGE_LIMITS);

const phone = {
  IFD2: { FocalLengthIn35mmFilm: '26' },
  IFD3: {
    GPSImgDirection: '2475/10',
    GPSImgDirectionRef: 'M',
    GPSLatitudeRef: 'N',
    GPSLatitude: '60/1 10/1 0/1',
    GPSLongitudeRef: 'E',
    GPSLongitude: '24/1 56/1 0/1',
  },
};

describe('EXIF', () => {
  test('the focal length gives the field of view across, by the diagonal', async () => {
    const bytes = await (await quadrants(400, 300)).withExif(phone).jpeg().toBuffer();
    const { metadata } = await decode(bytes);
    expect(metadata.focalLength35mm).toBe(26);
    expect(metadata.fovDeg).toBeCloseTo(67.3, 0);
  });

  test('a 3:2 frame at 18 mm spans the textbook 90 degrees', async () => {
    const bytes = await (await quadrants(300, 200))
      .withExif({ IFD2: { FocalLengthIn35mmFilm: '18' } })
      .jpeg()
      .toBuffer();
    expect((await decode(bytes)).metadata.fovDeg).toBeCloseTo(90, 6);
  });

  test('a photo stored sideways has the narrower field of view of the portrait it is', async () => {
    const bytes = await (await quadrants(400, 300)).withExif(phone).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { metadata } = await decode(bytes);
    expect(metadata.focalLength35mm).toBe(26);
    expect(metadata.fovDeg).toBeCloseTo(53.1, 0);
  });

  test.each(['jpeg', 'png', 'webp'] as const)('the compass of a %s is read with its north', async (format) => {
    const bytes = await (await quadrants()).withExif(phone).toFormat(format).toBuffer();
    expect((await decode(bytes)).metadata).toMatchObject({ gpsHeadingDeg: 247.5, gpsHeadingReference: 'magnetic' });
  });

  test('the position never leaves the file', async () => {
    const bytes = await (await quadrants()).withExif(phone).jpeg().toBuffer();
    const text = JSON.stringify((await decode(bytes)).metadata);
    expect(text).toContain('247.5');
    expect(text).not.toMatch(/60|24\.9|latitude|longitude/i);
  });

  test('damaged and absurd values are left out', () => {
    const header = { widthPx: 400, heightPx: 300 };
    expect(readMetadata({ ...header, exif: Buffer.from('Exif\0\0garbage that is no TIFF at all') })).toEqual({
      orientation: 1,
      sourceWidthPx: 400,
      sourceHeightPx: 300,
    });
    expect(readMetadata({ ...header, exif: Buffer.alloc(3) }).fovDeg).toBeUndefined();
  });

  test('a direction of 360 degrees is north and one of 400 is nothing', async () => {
    const at = async (direction: string) => {
      const bytes = await (await quadrants())
        .withExif({ IFD3: { GPSImgDirection: direction } })
        .jpeg()
        .toBuffer();
      return (await decode(bytes)).metadata.gpsHeadingDeg;
    };
    expect(await at('360/1')).toBe(0);
    expect(await at('400/1')).toBeUndefined();
    expect(await at('10/0')).toBeUndefined();
  });
});

describe('Photo Sphere XMP', () => {
  test.each(['jpeg', 'png', 'webp'] as const)('of a %s is read', async (format) => {
    const xmp = gpanoXmp({
      FullPanoWidthPixels: 400,
      FullPanoHeightPixels: 200,
      CroppedAreaImageWidthPixels: 120,
      CroppedAreaImageHeightPixels: 80,
      CroppedAreaLeftPixels: 100,
      CroppedAreaTopPixels: 60,
      PoseHeadingDegrees: 350.5,
    });
    const bytes = await (await quadrants()).withXmp(xmp).toFormat(format).toBuffer();
    expect((await decode(bytes)).metadata.gpano).toEqual({
      projection: 'equirectangular',
      fullWidthPx: 400,
      fullHeightPx: 200,
      cropWidthPx: 120,
      cropHeightPx: 80,
      cropLeftPx: 100,
      cropTopPx: 60,
      headingDeg: 350.5,
    });
  });

  test('written as elements means the same', () => {
    const xmp = Buffer.from(
      '<rdf:Description><GPano:ProjectionType>equirectangular</GPano:ProjectionType><GPano:PoseHeadingDegrees> 12.5 </GPano:PoseHeadingDegrees></rdf:Description>',
    );
    expect(readMetadata({ widthPx: 400, heightPx: 200, xmp }).gpano).toMatchObject({
      fullWidthPx: 400,
      headingDeg: 12.5,
    });
  });

  test.each([
    ['another projection', { ProjectionType: 'cylindrical' }],
    ['a crop outside the sphere', { FullPanoWidthPixels: 100, FullPanoHeightPixels: 50 }],
    [
      'a crop of another shape than the image',
      { CroppedAreaImageWidthPixels: 50, CroppedAreaImageHeightPixels: 80, FullPanoWidthPixels: 400 },
    ],
    ['numbers that are none', { CroppedAreaImageWidthPixels: 'NaN', FullPanoWidthPixels: '-5' }],
  ])('%s is ignored', (_, fields) => {
    const xmp = Buffer.from(gpanoXmp(fields));
    expect(readMetadata({ widthPx: 120, heightPx: 80, xmp }).gpano).toBeUndefined();
  });

  test('a hostile packet costs no time', () => {
    const xmp = Buffer.from(
      `GPano:ProjectionType="equirectangular" ${'GPano:PoseHeadingDegrees=       '.repeat(8000)}`,
    );
    const startedAt = performance.now();
    readMetadata({ widthPx: 200, heightPx: 100, xmp });
    expect(performance.now() - startedAt).toBeLessThan(100);
  });
});
