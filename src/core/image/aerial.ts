import { type SatelliteTile, satelliteTile, TILE_SIZE_PX } from './tile.ts';

interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** What an aerial image leaves open, or lacks. */
export type AerialReason = 'assumed_ground_size' | 'cropped_to_square' | 'coarse_imagery';

/** Pixels of a tile's side below which its image shows too little. */
const COARSE_PX = TILE_SIZE_PX / 2;
const SQUARE_TOLERANCE = 0.01;

/**
 * The middle of an aerial image, north up, as the tile that the model knows. `groundSizeM` is what the image's shorter side measures
 * on the ground, `tileM` what a tile does; without the former they are taken for the same.
 */
export async function aerialTile(
  image: Pixels,
  { groundSizeM, tileM }: { readonly groundSizeM?: number | undefined; readonly tileM: number },
): Promise<{ tile: SatelliteTile; reasons: AerialReason[] }> {
  const shorterPx = Math.min(image.widthPx, image.heightPx);
  const sidePx = Math.max(1, Math.round(shorterPx * Math.min(1, tileM / (groundSizeM ?? tileM))));
  const reasons: AerialReason[] = [];
  if (groundSizeM === undefined) reasons.push('assumed_ground_size');
  if (Math.max(image.widthPx, image.heightPx) / shorterPx > 1 + SQUARE_TOLERANCE) reasons.push('cropped_to_square');
  if (sidePx < COARSE_PX) reasons.push('coarse_imagery');
  return { tile: await satelliteTile(middleOf(image, sidePx)), reasons };
}

function middleOf({ rgb, widthPx, heightPx }: Pixels, sidePx: number): Pixels {
  const left = Math.floor((widthPx - sidePx) / 2);
  const top = Math.floor((heightPx - sidePx) / 2);
  const square = new Uint8Array(sidePx * sidePx * 3);
  for (let y = 0; y < sidePx; y++) {
    const start = ((top + y) * widthPx + left) * 3;
    square.set(rgb.subarray(start, start + sidePx * 3), y * sidePx * 3);
  }
  return { rgb: square, widthPx: sidePx, heightPx: sidePx };
}
