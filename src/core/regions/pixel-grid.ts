import type { Bounds } from '../geo/bounds.ts';
import type { LonLat } from '../geo/units.ts';
import type { Pixels } from './raster.ts';

/** Imagery as one large picture in square blocks, perhaps at several sizes, whatever file or server holds it. */
export interface PixelGrid {
  readonly bounds: Bounds;
  /** Finest first; at least one. */
  readonly levels: readonly [GridLevel, ...GridLevel[]];
  close(): Promise<void>;
}

/** The picture at one size. */
export interface GridLevel {
  /** Side of a block. */
  readonly blockPx: number;
  /** Pixels from the picture's north-west corner; outside of it they go on. */
  toPixel(point: LonLat): PixelPoint;
  /** Ground size of a pixel at a latitude. */
  metresPerPx(latDeg: number): number;
  /** Undefined where there is no imagery, also outside of the picture. Errors: SOURCE_INVALID, CANCELED. */
  block(column: number, row: number, signal?: AbortSignal): Promise<Block | undefined>;
}

/** From the north-west corner, x to the right and y down; a pixel's middle is at .5. */
export interface PixelPoint {
  readonly x: number;
  readonly y: number;
}

/** `blockPx` squared. */
export interface Block extends Pixels {
  /** A 1 for each pixel that shows nothing; undefined when all show something. */
  readonly missing?: Uint8Array | undefined;
}

/** A part of a level, cut out of its blocks. */
export interface Patch {
  readonly pixels: Pixels;
  /** A 1 for each pixel that shows nothing. */
  readonly missing: Uint8Array;
  readonly missingCount: number;
  /** Of its north-west corner in the level. */
  readonly left: number;
  readonly top: number;
}

/** Pixels of a level: whole numbers, right and bottom not included. */
export interface PixelWindow {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** The smallest window that holds the points, and `marginPx` around them. */
export function windowAround(points: readonly PixelPoint[], marginPx: number): PixelWindow {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  return {
    left: Math.floor(Math.min(...xs)) - marginPx,
    top: Math.floor(Math.min(...ys)) - marginPx,
    right: Math.ceil(Math.max(...xs)) + marginPx,
    bottom: Math.ceil(Math.max(...ys)) + marginPx,
  };
}

export type ReadBlock = (column: number, row: number) => Promise<Block | undefined>;

/** Puts the blocks that a window touches together; what no block shows is missing. */
export async function patchOf(window: PixelWindow, blockPx: number, read: ReadBlock): Promise<Patch> {
  const { left, top, right, bottom } = window;
  const [widthPx, heightPx] = [right - left, bottom - top];
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  const missing = new Uint8Array(widthPx * heightPx).fill(1);
  const places: { column: number; row: number }[] = [];
  for (let row = Math.floor(top / blockPx); row * blockPx < bottom; row++) {
    for (let column = Math.floor(left / blockPx); column * blockPx < right; column++) places.push({ column, row });
  }
  const blocks = await Promise.all(places.map(async (at) => ({ ...at, block: await read(at.column, at.row) })));
  for (const { column, row, block } of blocks) {
    if (block === undefined) continue;
    const fromX = Math.max(left, column * blockPx);
    const toX = Math.min(right, (column + 1) * blockPx);
    const fromY = Math.max(top, row * blockPx);
    const toY = Math.min(bottom, (row + 1) * blockPx);
    for (let y = fromY; y < toY; y++) {
      const source = (y - row * blockPx) * blockPx + (fromX - column * blockPx);
      const target = (y - top) * widthPx + (fromX - left);
      const length = toX - fromX;
      rgb.set(block.rgb.subarray(source * 3, (source + length) * 3), target * 3);
      if (block.missing === undefined) missing.fill(0, target, target + length);
      else missing.set(block.missing.subarray(source, source + length), target);
    }
  }
  const missingCount = missing.reduce((sum, one) => sum + one, 0);
  return { pixels: { rgb, widthPx, heightPx }, missing, missingCount, left, top };
}

/** Gives every missing pixel the colour of the nearest one of its row that shows something, and empty rows that of the nearest row. */
export function fillMissing({ pixels: { rgb, widthPx, heightPx }, missing, missingCount }: Patch): void {
  if (missingCount === 0 || missingCount === missing.length) return;
  const filled: number[] = [];
  for (let row = 0; row < heightPx; row++) {
    const start = row * widthPx;
    const shown: number[] = [];
    for (let x = 0; x < widthPx; x++) if (missing[start + x] === 0) shown.push(x);
    if (shown.length === 0) continue;
    filled.push(row);
    let nearest = 0;
    for (let x = 0; x < widthPx; x++) {
      const distance = (i: number): number => Math.abs((shown[i] ?? Number.POSITIVE_INFINITY) - x);
      while (distance(nearest + 1) < distance(nearest)) nearest++;
      if (missing[start + x] === 1) copyPixel(rgb, start + (shown[nearest] ?? 0), start + x);
    }
  }
  let nearest = 0;
  for (let row = 0; row < heightPx; row++) {
    const distance = (i: number): number => Math.abs((filled[i] ?? Number.POSITIVE_INFINITY) - row);
    while (distance(nearest + 1) < distance(nearest)) nearest++;
    const from = filled[nearest] ?? 0;
    if (from !== row) rgb.copyWithin(row * widthPx * 3, from * widthPx * 3, (from + 1) * widthPx * 3);
  }
}

function copyPixel(rgb: Uint8Array, from: number, to: number): void {
  rgb.copyWithin(to * 3, from * 3, from * 3 + 3);
}
