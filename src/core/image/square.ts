import { CANVAS_HEIGHT_PX, CANVAS_WIDTH_PX, type GroundCanvas } from './panorama.ts';
import { reduceTo } from './reduce.ts';
import { type SatelliteTile, TILE_SIZE_PX } from './tile.ts';

interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Where a photo shows nothing; `models/geo2/data/pairs.py` holds the same colour. */
const FILL = [124, 116, 104] as const;

/** A ground view as synthesis takes it: the whole canvas, filled where it holds no data, resized to a square. */
export async function groundSquare(canvas: GroundCanvas, sizePx: number): Promise<Pixels> {
  const rgb = new Uint8Array(canvas.rgb);
  canvas.mask.forEach((valid, pixel) => {
    if (valid !== 1) rgb.set(FILL, pixel * 3);
  });
  return toSquare({ ...canvas, rgb }, sizePx);
}

/** A satellite tile as synthesis takes it. */
export async function satelliteSquare(tile: SatelliteTile, sizePx: number): Promise<Pixels> {
  return toSquare(tile, sizePx);
}

/** The other way: what came out of synthesis as a canvas that holds data everywhere. */
export async function canvasOfSquare(square: Pixels): Promise<GroundCanvas> {
  const { rgb } = await reduceTo(square, { widthPx: CANVAS_WIDTH_PX, heightPx: CANVAS_HEIGHT_PX });
  const mask = new Uint8Array(CANVAS_WIDTH_PX * CANVAS_HEIGHT_PX).fill(1);
  return { rgb, mask, widthPx: CANVAS_WIDTH_PX, heightPx: CANVAS_HEIGHT_PX };
}

/** The other way: what came out of synthesis as a tile. */
export async function tileOfSquare(square: Pixels): Promise<SatelliteTile> {
  return reduceTo(square, { widthPx: TILE_SIZE_PX, heightPx: TILE_SIZE_PX });
}

async function toSquare({ rgb, widthPx, heightPx }: Pixels, sizePx: number): Promise<Pixels> {
  return reduceTo({ rgb, widthPx, heightPx }, { widthPx: sizePx, heightPx: sizePx });
}
