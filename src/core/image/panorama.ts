import type { DecodedImage } from './decode.ts';
import { reduceTo } from './reduce.ts';
import type { GroundView, PanoramaView } from './view.ts';

/** The ground graph's input: an equirectangular strip with a mask of the pixels that hold data. */
export interface GroundCanvas {
  /** widthPx x heightPx x 3, 0 where the mask is 0. */
  readonly rgb: Uint8Array;
  /** widthPx x heightPx, 1 = valid. */
  readonly mask: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

export const CANVAS_WIDTH_PX = 384;
export const CANVAS_HEIGHT_PX = 96;
const CANVAS_TOP_DEG = 45;
const DEG_PER_PX = 360 / CANVAS_WIDTH_PX;
const RAD = Math.PI / 180;

/**
 * Places an image on the canvas. Pixel centre (i, j) looks at azimuth ((i + 0.5) / 384 - 0.5) x 360, clockwise to the
 * right, and elevation 45 - (j + 0.5) x 0.9375 degrees. With a heading (azimuth of the image's middle) the canvas' middle
 * is north; without one it is the image's middle. The image is first reduced to the canvas' resolution at its middle, then
 * sampled bilinearly; `models/geo2/data/canvas.py` holds the same formula and both run the same golden sample.
 */
export async function placeOnCanvas(
  image: Pick<DecodedImage, 'rgb' | 'widthPx' | 'heightPx'>,
  view: GroundView & { headingDeg?: number | undefined },
): Promise<GroundCanvas> {
  const headingDeg = view.headingDeg ?? 0;
  return view.kind === 'photo'
    ? placePhoto(image, view.fovDeg, headingDeg)
    : placePanorama(image, view, headingDeg + (view.centreDeg ?? 0));
}

type Pixels = Pick<DecodedImage, 'rgb' | 'widthPx' | 'heightPx'>;

async function placePhoto(image: Pixels, fovDeg: number, headingDeg: number): Promise<GroundCanvas> {
  const focalOnCanvasPx = 1 / (DEG_PER_PX * RAD);
  const focalPx = image.widthPx / 2 / Math.tan((fovDeg / 2) * RAD);
  const scale = Math.min(1, focalOnCanvasPx / focalPx);
  const source = await reduceTo(image, {
    widthPx: Math.max(1, Math.round(image.widthPx * scale)),
    heightPx: Math.max(1, Math.round(image.heightPx * scale)),
  });
  // square pixels in the original; after rounding each axis keeps its own focal length
  const focalXPx = (focalPx * source.widthPx) / image.widthPx;
  const focalYPx = (focalPx * source.heightPx) / image.heightPx;
  const canvas = emptyCanvas();
  for (let i = 0; i < CANVAS_WIDTH_PX; i++) {
    const azimuthRad = wrapDeg(azimuthDegOf(i) - headingDeg) * RAD;
    const cosine = Math.cos(azimuthRad);
    if (cosine <= 1e-6) continue;
    const column = between(source.widthPx / 2 + focalXPx * Math.tan(azimuthRad) - 0.5, source.widthPx, false);
    if (column === undefined) continue;
    for (let j = 0; j < CANVAS_HEIGHT_PX; j++) {
      const y = source.heightPx / 2 - (focalYPx * Math.tan(elevationDegOf(j) * RAD)) / cosine - 0.5;
      const row = between(y, source.heightPx, false);
      if (row !== undefined) blend(source, column, row, canvas, j * CANVAS_WIDTH_PX + i);
    }
  }
  return canvas;
}

async function placePanorama(image: Pixels, view: PanoramaView, middleDeg: number): Promise<GroundCanvas> {
  const heightDeg = Math.min(180, (view.fovDeg * image.heightPx) / image.widthPx);
  const topDeg = view.elevationTopDeg ?? heightDeg / 2;
  const bottomDeg = view.elevationBottomDeg ?? -heightDeg / 2;
  const source = await reduceTo(image, {
    widthPx: Math.min(image.widthPx, Math.max(1, Math.round(view.fovDeg / DEG_PER_PX))),
    heightPx: Math.min(image.heightPx, Math.max(1, Math.round((topDeg - bottomDeg) / DEG_PER_PX))),
  });
  const wraps = view.fovDeg >= 360 - 1e-9;
  const canvas = emptyCanvas();
  const columns = Array.from({ length: CANVAS_WIDTH_PX }, (_, i) =>
    between((wrapDeg(azimuthDegOf(i) - middleDeg) / view.fovDeg + 0.5) * source.widthPx - 0.5, source.widthPx, wraps),
  );
  for (let j = 0; j < CANVAS_HEIGHT_PX; j++) {
    const y = ((topDeg - elevationDegOf(j)) / (topDeg - bottomDeg)) * source.heightPx - 0.5;
    const row = between(y, source.heightPx, false);
    if (row === undefined) continue;
    for (let i = 0; i < CANVAS_WIDTH_PX; i++) {
      const column = columns[i];
      if (column !== undefined) blend(source, column, row, canvas, j * CANVAS_WIDTH_PX + i);
    }
  }
  return canvas;
}

function azimuthDegOf(column: number): number {
  return ((column + 0.5) / CANVAS_WIDTH_PX - 0.5) * 360;
}

function elevationDegOf(row: number): number {
  return CANVAS_TOP_DEG - (row + 0.5) * DEG_PER_PX;
}

/** Into [-180, 180). */
function wrapDeg(angleDeg: number): number {
  return ((((angleDeg + 180) % 360) + 360) % 360) - 180;
}

function emptyCanvas(): GroundCanvas {
  return {
    rgb: new Uint8Array(CANVAS_WIDTH_PX * CANVAS_HEIGHT_PX * 3),
    mask: new Uint8Array(CANVAS_WIDTH_PX * CANVAS_HEIGHT_PX),
    widthPx: CANVAS_WIDTH_PX,
    heightPx: CANVAS_HEIGHT_PX,
  };
}

/** The two source pixels on either side of a position along one axis, and the share of the second. */
interface Between {
  readonly first: number;
  readonly second: number;
  readonly share: number;
}

/** Of a position in pixel-centre coordinates; edges replicate or wrap; undefined outside the image. */
function between(at: number, lengthPx: number, wraps: boolean): Between | undefined {
  if (!(at >= -0.5 && at <= lengthPx - 0.5)) return undefined;
  const before = Math.floor(at);
  return {
    first: wraps ? (before + lengthPx) % lengthPx : Math.max(before, 0),
    second: wraps ? (before + 1) % lengthPx : Math.min(before + 1, lengthPx - 1),
    share: at - before,
  };
}

/** Writes the bilinear sample between two columns and two rows into a canvas pixel. */
function blend({ rgb, widthPx }: Pixels, column: Between, row: Between, canvas: GroundCanvas, pixel: number): void {
  const upper = row.first * widthPx;
  const lower = row.second * widthPx;
  const upperLeft = 3 * (upper + column.first);
  const upperRight = 3 * (upper + column.second);
  const lowerLeft = 3 * (lower + column.first);
  const lowerRight = 3 * (lower + column.second);
  const right = column.share;
  const down = row.share;
  const left = 1 - right;
  const up = 1 - down;
  const { rgb: to, mask } = canvas;
  for (let c = 0; c < 3; c++) {
    const above = (rgb[upperLeft + c] ?? 0) * left + (rgb[upperRight + c] ?? 0) * right;
    const below = (rgb[lowerLeft + c] ?? 0) * left + (rgb[lowerRight + c] ?? 0) * right;
    to[pixel * 3 + c] = (above * up + below * down + 0.5) | 0;
  }
  mask[pixel] = 1;
}
