import { LRUCache } from 'lru-cache';
import { throwIfCanceled } from '../errors.ts';
import { intersects } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import type { LonLat } from '../geo/units.ts';
import { reduceTo } from '../image/reduce.ts';
import type { ImagerySource, ImagerySourceOptions, Lattice } from './imagery-source.ts';
import {
  type Block,
  fillMissing,
  type GridLevel,
  type Patch,
  type PixelGrid,
  type PixelPoint,
  patchOf,
  type ReadBlock,
  windowAround,
} from './pixel-grid.ts';
import { cutPlaced, type PlacedPixels, samplePixel } from './raster.ts';

const CACHE_BYTES = 256 * 1024 * 1024;
/** A level may be this much coarser than what is asked: less than a pixel's blur, and a quarter of the pixels to read. */
const COARSER = 1.1;
/** A patch that is finer than what is asked by more than this is reduced first. */
const FINER = 1.2;
/** Share of a tile's square that may show nothing (a speckle of nodata): with more there is no tile. */
const MAX_MISSING = 0.01;
/** Squares whose pixels are kept for their other orientations. */
const KEPT_PATCHES = 8;
/** Beyond a patch's corners, for the filters at its edges. */
const MARGIN_PX = 2;
/** Places on a lattice's side that are projected; between them its pixels are interpolated. */
const CONTROL_POINTS = 9;

/** One large picture as imagery: tiles are cut from all of its extent. Closing it closes the grid. */
export function gridImagery(grid: PixelGrid, { cacheBytes = CACHE_BYTES }: ImagerySourceOptions = {}): ImagerySource {
  const readers = new Map(grid.levels.map((level, i) => [level, keepBlocks(level, i)]));
  const blocks = new LRUCache<string, Block>({ maxSize: cacheBytes, sizeCalculation: ({ rgb }) => rgb.length + 1 });
  const patches = new LRUCache<string, Promise<PlacedPixels | undefined>>({ max: KEPT_PATCHES });

  /** Whoever asks for a block that is just being read waits for the same reading. */
  function keepBlocks(level: GridLevel, index: number): (signal: AbortSignal | undefined) => ReadBlock {
    const reading = new Map<string, Promise<Block | undefined>>();
    const readAndKeep = async (key: string, column: number, row: number, signal: AbortSignal | undefined) => {
      const block = await level.block(column, row, signal);
      if (block !== undefined) blocks.set(key, block);
      return block;
    };
    return (signal) => async (column, row) => {
      const key = `${index}/${column}/${row}`;
      const found = blocks.get(key);
      if (found !== undefined) return found;
      const flight = reading.get(key) ?? readAndKeep(key, column, row, signal).finally(() => reading.delete(key));
      reading.set(key, flight);
      return flight;
    };
  }

  /** The coarsest level that shows enough. */
  function levelFor(metresPerPx: number, latDeg: number): GridLevel {
    const [finest, ...coarser] = grid.levels;
    return coarser.findLast((level) => level.metresPerPx(latDeg) <= metresPerPx * COARSER) ?? finest;
  }

  function read(level: GridLevel, signal: AbortSignal | undefined): ReadBlock {
    return readers.get(level)?.(signal) ?? ((column, row) => level.block(column, row, signal));
  }

  /** The ground around a square, wherever up is; undefined where too much of the square shows nothing. */
  async function groundAround(
    { centre, sizeM, sizePx }: { centre: LonLat; sizeM: number; sizePx: number },
    signal: AbortSignal | undefined,
  ): Promise<PlacedPixels | undefined> {
    const askedM = sizeM / sizePx;
    const level = levelFor(askedM, centre[1]);
    const corners = (sideM: number): PixelPoint[] => cornersOf(centre, sideM).map((corner) => level.toPixel(corner));
    const window = windowAround(corners(sizeM * Math.SQRT2), MARGIN_PX);
    const patch = await patchOf(window, level.blockPx, read(level, signal));
    if (missingShare(patch, corners(sizeM)) > MAX_MISSING) return undefined;
    fillMissing(patch);
    const { widthPx, heightPx } = patch.pixels;
    const share = Math.min(1, level.metresPerPx(centre[1]) / askedM);
    const size =
      share * FINER >= 1
        ? { widthPx, heightPx }
        : { widthPx: Math.round(widthPx * share), heightPx: Math.round(heightPx * share) };
    return {
      pixels: await reduceTo(patch.pixels, size),
      toPixel(point) {
        const { x, y } = level.toPixel(point);
        return {
          x: ((x - patch.left) * size.widthPx) / widthPx,
          y: ((y - patch.top) * size.heightPx) / heightPx,
        };
      },
    };
  }

  return {
    images: [],
    extent: grid.bounds,

    metresPerPx: async (latDeg) => grid.levels[0].metresPerPx(latDeg),

    touches: (bounds) => intersects(bounds, grid.bounds),

    async crop({ signal, ...square }) {
      throwIfCanceled(signal);
      const { centre, sizeM, sizePx } = square;
      const key = `${centre.join()} ${sizeM} ${sizePx}`;
      const kept = patches.get(key);
      const ground = kept ?? groundAround(square, signal);
      if (kept === undefined) {
        patches.set(key, ground);
        ground.catch(() => patches.delete(key));
      }
      const placed = await ground;
      return placed === undefined ? undefined : cutPlaced(placed, square);
    },

    async draw({ signal, ...lattice }) {
      throwIfCanceled(signal);
      const level = levelFor(lattice.metresPerPx, (lattice.bounds.south + lattice.bounds.north) / 2);
      const control = controlPoints(lattice, level);
      const window = windowAround(control.flat(), MARGIN_PX);
      return drawPatch(await patchOf(window, level.blockPx, read(level, signal)), lattice, control);
    },

    close: () => grid.close(),
  };
}

function cornersOf(centre: LonLat, sideM: number): LonLat[] {
  const frame = createLocalFrame(centre);
  const half = sideM / 2;
  return [-half, half].flatMap((eastM) => [-half, half].map((northM) => frame.toLonLat({ eastM, northM })));
}

/** Of the pixels inside the rectangle that the corners span. */
function missingShare({ missing, missingCount, pixels, left, top }: Patch, corners: readonly PixelPoint[]): number {
  if (missingCount === 0) return 0;
  const inner = windowAround(corners, 0);
  let [count, absent] = [0, 0];
  for (let y = inner.top + 1; y < inner.bottom - 1; y++) {
    for (let x = inner.left + 1; x < inner.right - 1; x++) {
      count++;
      absent += missing[(y - top) * pixels.widthPx + (x - left)] ?? 1;
    }
  }
  return count === 0 ? 1 : absent / count;
}

/** Rows of points: places of the lattice, evenly spread, as pixels of the level. */
function controlPoints({ lons, lats }: Lattice, level: GridLevel): PixelPoint[][] {
  const at = (values: Float64Array, i: number): number =>
    values[Math.round((i * (values.length - 1)) / (CONTROL_POINTS - 1))] ?? 0;
  const steps = Array.from({ length: CONTROL_POINTS }, (_, i) => i);
  return steps.map((row) => steps.map((column) => level.toPixel([at(lons, column), at(lats, row)])));
}

function drawPatch(
  { pixels, missing, left, top }: Patch,
  { lons, lats }: Lattice,
  control: readonly (readonly PixelPoint[])[],
): Uint8Array {
  const rgba = new Uint8Array(lons.length * lats.length * 4);
  const { widthPx, heightPx } = pixels;
  const ends = (length: number) =>
    Array.from({ length: CONTROL_POINTS }, (_, i) => Math.round((i * (length - 1)) / (CONTROL_POINTS - 1)));
  const [columnsAt, rowsAt] = [ends(lons.length), ends(lats.length)];
  for (let row = 0; row < lats.length; row++) {
    const band = segmentOf(rowsAt, row);
    for (let column = 0; column < lons.length; column++) {
      const cell = segmentOf(columnsAt, column);
      const point = (down: number, across: number) => control[band.from + down]?.[cell.from + across] ?? { x: 0, y: 0 };
      const [nw, ne, sw, se] = [point(0, 0), point(0, 1), point(1, 0), point(1, 1)];
      const mix = (of: (corner: PixelPoint) => number): number =>
        (of(nw) * (1 - cell.share) + of(ne) * cell.share) * (1 - band.share) +
        (of(sw) * (1 - cell.share) + of(se) * cell.share) * band.share;
      const [x, y] = [mix((corner) => corner.x) - left, mix((corner) => corner.y) - top];
      if (!(x >= 0 && y >= 0 && x < widthPx && y < heightPx)) continue;
      if (missing[Math.floor(y) * widthPx + Math.floor(x)] !== 0) continue;
      const offset = (row * lons.length + column) * 4;
      samplePixel(pixels, x, y, rgba, offset);
      rgba[offset + 3] = 255;
    }
  }
  return rgba;
}

/** Which two of the ascending ends a place lies between, and how far along. */
function segmentOf(ends: readonly number[], at: number): { from: number; share: number } {
  let from = 0;
  while (from < ends.length - 2 && at >= (ends[from + 1] ?? 0)) from++;
  const [start = 0, end = 1] = [ends[from], ends[from + 1]];
  return { from, share: end === start ? 0 : (at - start) / (end - start) };
}
