import { describe, expect, test } from 'vitest';
import { detectView } from '#core/image/view.ts';

const sized = (sourceWidthPx: number, sourceHeightPx: number, extra = {}) => ({
  metadata: { orientation: 1, sourceWidthPx, sourceHeightPx, ...extra },
});
const sphere = {
  projection: 'equirectangular',
  fullWidthPx: 4000,
  fullHeightPx: 2000,
  cropLeftPx: 0,
  cropTopPx: 0,
  cropWidthPx: 4000,
  cropHeightPx: 2000,
} as const;

describe('how an image sees the world', () => {
  test.each([
    ['the caller says 75 degrees', sized(4000, 3000), 75, { kind: 'photo', fovDeg: 75 }],
    ['the caller says 90 degrees of a 2:1 image', sized(4000, 2000), 90, { kind: 'photo', fovDeg: 90 }],
    ['the caller says 360 degrees', sized(3000, 1000), 360, { kind: 'panorama', fovDeg: 360 }],
    ['the caller says 200 degrees', sized(3000, 1000), 200, { kind: 'panorama', fovDeg: 200 }],
    [
      'a sphere by its metadata',
      sized(4000, 2000, { gpano: sphere }),
      undefined,
      { kind: 'panorama', fovDeg: 360, elevationTopDeg: 90, elevationBottomDeg: -90, centreDeg: 0 },
    ],
    [
      'a sphere by its metadata and the caller',
      sized(4000, 2000, { gpano: sphere }),
      360,
      { kind: 'panorama', fovDeg: 360, centreDeg: 0 },
    ],
    ['the caller against the metadata', sized(4000, 2000, { gpano: sphere }), 60, { kind: 'photo', fovDeg: 60 }],
    ['a lens', sized(4000, 3000, { fovDeg: 67 }), undefined, { kind: 'photo', fovDeg: 67 }],
    ['a lens on a 2:1 phone photo', sized(4000, 2000, { fovDeg: 70 }), undefined, { kind: 'photo', fovDeg: 70 }],
    ['the shape of a sphere', sized(4000, 2000), undefined, { kind: 'panorama', fovDeg: 360 }],
    ['the shape of a strip at +-45 degrees', sized(384, 96), undefined, { kind: 'panorama', fovDeg: 360 }],
  ])('%s', (_, image, fovDeg, expected) => {
    const { view, reasons } = detectView(image, { fovDeg });
    expect(view).toMatchObject(expected);
    expect(reasons).toEqual([]);
  });

  test.each([
    ['a landscape photo', sized(4000, 3000), 'photo', 67.3],
    ['a portrait photo', sized(3000, 4000), 'photo', 53],
    ['a long sweep', sized(9000, 3000), 'panorama', 180],
    ['a very long sweep', sized(9000, 1000), 'panorama', 360],
  ])('%s that says nothing is guessed, and the answer says so', (_, image, kind, fovDeg) => {
    const { view, reasons } = detectView(image);
    expect(view.kind).toBe(kind);
    expect(view.fovDeg).toBeCloseTo(fovDeg, 0);
    expect(reasons).toEqual(['assumed_fov']);
  });
});
