import type { DecodedImage } from './decode.ts';
import { reduceTo } from './reduce.ts';

/** The satellite graph's input: one tile, north (or the orientation's heading) up. */
export interface SatelliteTile {
  /** widthPx x heightPx x 3. */
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

export const TILE_SIZE_PX = 128;

/** Scales an aerial image that shows one tile to the graph's 128 x 128 px; of a longer image the middle square is taken. */
export async function satelliteTile(image: Pick<DecodedImage, 'rgb' | 'widthPx' | 'heightPx'>): Promise<SatelliteTile> {
  return reduceTo(middleSquare(image), { widthPx: TILE_SIZE_PX, heightPx: TILE_SIZE_PX });
}

function middleSquare(image: Pick<DecodedImage, 'rgb' | 'widthPx' | 'heightPx'>): SatelliteTile {
  const { rgb, widthPx, heightPx } = image;
  if (widthPx === heightPx) return { rgb, widthPx, heightPx };
  const sidePx = Math.min(widthPx, heightPx);
  const left = Math.floor((widthPx - sidePx) / 2);
  const top = Math.floor((heightPx - sidePx) / 2);
  const square = new Uint8Array(sidePx * sidePx * 3);
  for (let y = 0; y < sidePx; y++) {
    const start = ((top + y) * widthPx + left) * 3;
    square.set(rgb.subarray(start, start + sidePx * 3), y * sidePx * 3);
  }
  return { rgb: square, widthPx: sidePx, heightPx: sidePx };
}
