import type { GroundCanvas } from './panorama.ts';

/** Why an answer to this image deserves less trust; machine-readable. */
export type QualityReason = 'blurry' | 'dark' | 'overexposed' | 'narrow_fov' | 'sky_or_ground_only';

/** What is measured on the valid pixels of a canvas; luma is Rec. 601, 0..255. */
export interface CanvasStatistics {
  readonly meanLuma: number;
  /** Share of pixels at or above 250. */
  readonly whiteShare: number;
  /** Standard deviation of the luma. */
  readonly contrast: number;
  /** Energy of the finest detail over that of all detail: sharp images are high, out of focus or shaken ones low. */
  readonly sharpness: number;
  /** Share of columns in which something stands out against its surroundings (an edge of at least 12 levels). */
  readonly structuredColumns: number;
}

/**
 * Thresholds, set on ten street photos of Helsinki and their blurred, darkened and cropped copies: sharpness is 0.18-0.27 as
 * taken, 0.13 blurred by 0.75 canvas pixels, 0.09 by 1.5, and 0.0625 is the limit of a perfectly smooth image.
 */
const DARK_MEAN_LUMA = 30;
const WHITE_SHARE = 0.6;
const BLURRY_SHARPNESS = 0.11;
/** Asphalt, lawn or cloud alone: light hardly varies, whatever the exposure. Street views lie above 0.3. */
const FLAT_RELATIVE_CONTRAST = 0.12;
const STRUCTURED_COLUMNS = 0.15;
const EDGE_LEVELS = 12;
/** Energy that rounding to 8 bits twice puts into the second differences of a pixel. */
const ROUNDING_ENERGY = 1;

/** Judges what the model will see, at the resolution at which it sees it. */
export function assessQuality(canvas: GroundCanvas, view: { fovDeg: number; minFovDeg: number }): QualityReason[] {
  const reasons: QualityReason[] = [];
  if (view.fovDeg < view.minFovDeg) reasons.push('narrow_fov');
  const measured = measureCanvas(canvas);
  if (measured === undefined) return [...reasons, 'sky_or_ground_only']; // nothing of the image is near the horizon
  if (measured.meanLuma < DARK_MEAN_LUMA) reasons.push('dark');
  if (measured.whiteShare > WHITE_SHARE) reasons.push('overexposed');
  const flat = measured.contrast < FLAT_RELATIVE_CONTRAST * measured.meanLuma;
  if (flat || measured.structuredColumns < STRUCTURED_COLUMNS) reasons.push('sky_or_ground_only');
  else if (measured.sharpness < BLURRY_SHARPNESS) reasons.push('blurry');
  return reasons;
}

/** Undefined when the canvas holds no data. */
export function measureCanvas(canvas: GroundCanvas): CanvasStatistics | undefined {
  const { mask, widthPx, heightPx } = canvas;
  const luma = lumaOf(canvas);
  let valid = 0;
  let sum = 0;
  let squares = 0;
  let white = 0;
  for (let p = 0; p < luma.length; p++) {
    if (mask[p] !== 1) continue;
    const value = luma[p] ?? 0;
    valid++;
    sum += value;
    squares += value * value;
    if (value >= 250) white++;
  }
  if (valid === 0) return undefined;

  let fine = 0;
  let coarse = 0;
  let inner = 0;
  const strongest = new Float32Array(widthPx).fill(-1); // edge of each column; -1: it holds no data
  for (let j = 2; j < heightPx - 2; j++) {
    for (let i = 2; i < widthPx - 2; i++) {
      const p = j * widthPx + i;
      if (!surrounded(mask, p, widthPx)) continue;
      inner++;
      const middle = 2 * (luma[p] ?? 0);
      const left = luma[p - 2] ?? 0;
      const right = luma[p + 2] ?? 0;
      const above = luma[p - 2 * widthPx] ?? 0;
      const below = luma[p + 2 * widthPx] ?? 0;
      const fineX = (luma[p - 1] ?? 0) + (luma[p + 1] ?? 0) - middle;
      const fineY = (luma[p - widthPx] ?? 0) + (luma[p + widthPx] ?? 0) - middle;
      fine += fineX * fineX + fineY * fineY;
      coarse += (left + right - middle) ** 2 + (above + below - middle) ** 2;
      const edge = Math.max(Math.abs(right - left), Math.abs(below - above));
      if (edge > (strongest[i] ?? 0)) strongest[i] = edge;
    }
  }
  const columns = strongest.filter((edge) => edge >= 0).length;
  const structured = strongest.filter((edge) => edge >= EDGE_LEVELS).length;
  const mean = sum / valid;
  return {
    meanLuma: mean,
    whiteShare: white / valid,
    contrast: Math.sqrt(Math.max(0, squares / valid - mean * mean)),
    sharpness: sharpnessOf(fine, coarse, inner),
    structuredColumns: columns === 0 ? 0 : structured / columns,
  };
}

function sharpnessOf(fine: number, coarse: number, pixels: number): number {
  const coarseDetail = coarse - ROUNDING_ENERGY * pixels;
  return coarseDetail <= 0 ? 0 : Math.max(0, fine - ROUNDING_ENERGY * pixels) / coarseDetail;
}

function lumaOf(canvas: GroundCanvas): Float32Array {
  const { rgb, mask } = canvas;
  const luma = new Float32Array(mask.length);
  for (let p = 0; p < luma.length; p++) {
    luma[p] = 0.299 * (rgb[p * 3] ?? 0) + 0.587 * (rgb[p * 3 + 1] ?? 0) + 0.114 * (rgb[p * 3 + 2] ?? 0);
  }
  return luma;
}

function surrounded(mask: Uint8Array, p: number, widthPx: number): boolean {
  return (
    mask[p] === 1 &&
    mask[p - 2] === 1 &&
    mask[p + 2] === 1 &&
    mask[p - 2 * widthPx] === 1 &&
    mask[p + 2 * widthPx] === 1
  );
}
