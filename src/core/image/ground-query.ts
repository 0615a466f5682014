import { throwIfCanceled } from '../errors.ts';
import { decodeImage } from './decode.ts';
import type { ImageLimits } from './limits.ts';
import { type GroundCanvas, placeOnCanvas } from './panorama.ts';
import { assessQuality, type QualityReason } from './quality.ts';
import { detectView, type GroundView, type ViewReason } from './view.ts';

/** A ground image ready for the model, with everything that was understood on the way. */
export interface GroundQuery {
  readonly canvas: GroundCanvas;
  readonly view: GroundView;
  /** Azimuth of the image's middle in degrees clockwise from north, when anything tells it; then the canvas' middle is north. */
  readonly headingDeg?: number;
  /** Who told the heading: the caller, Photo Sphere metadata, or the camera's compass. */
  readonly headingSource?: 'request' | 'gpano' | 'compass';
  /** Worked out at its first use: a query can be embedded meanwhile. */
  readonly reasons: readonly GroundReason[];
}

export type GroundReason = ViewReason | QualityReason;

export interface GroundQueryOptions {
  readonly limits: ImageLimits;
  /** The caller's word, which overrides the file's. */
  readonly headingDeg?: number | undefined;
  readonly fovDeg?: number | undefined;
  /** The narrowest field of view the model was trained for, in degrees; below it `narrow_fov` is a reason. */
  readonly minFovDeg: number;
  readonly signal?: AbortSignal | undefined;
}

/** Bytes to canvas: decode, understand the view, place, judge. Errors: those of `decodeImage`. */
export async function readGroundQuery(bytes: Uint8Array, options: GroundQueryOptions): Promise<GroundQuery> {
  const image = await decodeImage(bytes, options.limits, { signal: options.signal });
  const { view, reasons } = detectView(image, { fovDeg: options.fovDeg });
  const heading = headingOf(image.metadata, options.headingDeg);
  const canvas = await placeOnCanvas(image, { ...view, headingDeg: heading.headingDeg });
  throwIfCanceled(options.signal);
  let all: readonly GroundReason[] | undefined;
  return {
    canvas,
    view,
    ...heading,
    get reasons() {
      all ??= [...reasons, ...assessQuality(canvas, { fovDeg: view.fovDeg, minFovDeg: options.minFovDeg })];
      return all;
    },
  };
}

function headingOf(
  metadata: { gpano?: { headingDeg?: number }; gpsHeadingDeg?: number },
  asked: number | undefined,
): Pick<GroundQuery, 'headingDeg' | 'headingSource'> {
  if (asked !== undefined) return { headingDeg: asked, headingSource: 'request' };
  if (metadata.gpano?.headingDeg !== undefined) {
    return { headingDeg: metadata.gpano.headingDeg, headingSource: 'gpano' };
  }
  if (metadata.gpsHeadingDeg !== undefined) return { headingDeg: metadata.gpsHeadingDeg, headingSource: 'compass' };
  return {};
}
