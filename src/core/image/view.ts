import type { DecodedImage } from './decode.ts';
import { fovFromFocalLength } from './lens.ts';

/** A perspective photo with square pixels, level, its principal point in the middle. */
export interface PhotoView {
  readonly kind: 'photo';
  /** Horizontal field of view in degrees. */
  readonly fovDeg: number;
}

/** An equirectangular image, whole or a part of the sphere. */
export interface PanoramaView {
  readonly kind: 'panorama';
  /** Horizontal extent in degrees, at most 360. */
  readonly fovDeg: number;
  /** Elevation of the top and bottom edges in degrees; without them square pixels centred on the horizon. */
  readonly elevationTopDeg?: number;
  readonly elevationBottomDeg?: number;
  /** Azimuth of the image's middle relative to the direction that `headingDeg` names; 0 unless cropped off-centre. */
  readonly centreDeg?: number;
}

export type GroundView = PhotoView | PanoramaView;

export type ViewReason = 'assumed_fov';

/** A caller's field of view beyond this is a panorama: no perspective photo is wider. */
const PANORAMA_MIN_FOV_DEG = 150;
/** Phones' main cameras are close to 26 mm: 67 degrees across a 4:3 landscape photo, 53 across a portrait. */
export const ASSUMED_FOCAL_LENGTH_35MM = 26;
/** Vertical field of view assumed for a swept panorama that says nothing about itself. */
const ASSUMED_SWEEP_VERTICAL_DEG = 60;
const SWEEP_MIN_ASPECT = 2.5;
const ASPECT_TOLERANCE = 0.01;

/**
 * How an image sees the world. In order: the caller's field of view (beyond 150 degrees: a panorama), Photo Sphere
 * metadata, the focal length of a photo, the shape of a full panorama (2:1 is the sphere, 4:1 is 360 degrees at +-45), a
 * long sweep, and at last a 26 mm lens. The last two are guesses and say so with `assumed_fov`.
 */
export function detectView(
  image: Pick<DecodedImage, 'metadata'>,
  options: { fovDeg?: number | undefined } = {},
): { view: GroundView; reasons: ViewReason[] } {
  const { gpano, fovDeg: fovFromLensDeg, sourceWidthPx, sourceHeightPx } = image.metadata;
  const aspect = sourceWidthPx / sourceHeightPx;
  const { fovDeg } = options;

  if (fovDeg !== undefined && fovDeg <= PANORAMA_MIN_FOV_DEG) return { view: { kind: 'photo', fovDeg }, reasons: [] };
  if (gpano !== undefined) {
    const degPerPxX = 360 / gpano.fullWidthPx;
    const degPerPxY = 180 / gpano.fullHeightPx;
    return {
      view: {
        kind: 'panorama',
        fovDeg: Math.min(360, gpano.cropWidthPx * degPerPxX),
        elevationTopDeg: 90 - gpano.cropTopPx * degPerPxY,
        elevationBottomDeg: 90 - (gpano.cropTopPx + gpano.cropHeightPx) * degPerPxY,
        centreDeg: (gpano.cropLeftPx + gpano.cropWidthPx / 2) * degPerPxX - 180,
      },
      reasons: [],
    };
  }
  if (fovDeg !== undefined) return { view: { kind: 'panorama', fovDeg: Math.min(360, fovDeg) }, reasons: [] };
  if (fovFromLensDeg !== undefined && aspect < SWEEP_MIN_ASPECT) {
    return { view: { kind: 'photo', fovDeg: fovFromLensDeg }, reasons: [] };
  }
  if (isAspect(aspect, 2) || isAspect(aspect, 4)) return { view: { kind: 'panorama', fovDeg: 360 }, reasons: [] };
  if (aspect >= SWEEP_MIN_ASPECT) {
    const sweptDeg = Math.min(360, ASSUMED_SWEEP_VERTICAL_DEG * aspect);
    return { view: { kind: 'panorama', fovDeg: sweptDeg }, reasons: ['assumed_fov'] };
  }
  const assumedDeg = fovFromFocalLength(ASSUMED_FOCAL_LENGTH_35MM, sourceWidthPx, sourceHeightPx);
  return { view: { kind: 'photo', fovDeg: assumedDeg }, reasons: ['assumed_fov'] };
}

function isAspect(aspect: number, expected: number): boolean {
  return Math.abs(aspect / expected - 1) <= ASPECT_TOLERANCE;
}
