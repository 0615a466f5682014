import sharp from 'sharp';
import { throwIfCanceled } from '../errors.ts';
import { type Bounds, centreOf, widthDeg } from '../geo/bounds.ts';
import { fromWorld, MAP_TILE_PX, type MapTile, mapTileBounds, metresPerPixel, toWorld } from '../geo/web-mercator.ts';
import type { ImagerySource } from './imagery-source.ts';

/** Map zooms of a region's imagery. */
export interface ZoomRange {
  readonly minZoom: number;
  readonly maxZoom: number;
}

/** A map pixel may be this much coarser than the imagery. */
const COARSER = 1.15;
const QUALITY = 90;
const DEEPEST = 22;

/**
 * From the zoom where the region is no larger than a tile down to the one that shows the imagery's own resolution, or four times
 * what the model sees where imagery is finer still.
 */
export async function zoomRangeOf(
  source: ImagerySource,
  bounds: Bounds,
  { modelMetresPerPx }: { modelMetresPerPx: number },
): Promise<ZoomRange> {
  const lat = centreOf(bounds)[1];
  const shownM = Math.max(await source.metresPerPx(lat), modelMetresPerPx / 4);
  let maxZoom = 0;
  while (maxZoom < DEEPEST && metresPerPixel(lat, maxZoom) > shownM * COARSER) maxZoom++;
  const top = toWorld([bounds.west, bounds.north]).y;
  const bottom = toWorld([bounds.west, bounds.south]).y;
  const extent = Math.max(widthDeg(bounds) / 360, bottom - top); // of the world square's side
  const minZoom = Math.min(maxZoom, Math.max(0, Math.floor(-Math.log2(extent))));
  return { minZoom, maxZoom };
}

/** A map tile of the imagery as WebP, transparent where there is none; undefined where there is nothing at all. */
export async function renderMapTile(
  source: ImagerySource,
  tile: MapTile,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  const rgba = await drawTile(source, tile, signal);
  return isEmpty(rgba) ? undefined : encode(rgba);
}

export interface UpperZoomsOptions extends ZoomRange {
  /** x and y of every tile of the deepest zoom, each once. */
  readonly deepest: Iterable<readonly [x: number, y: number]>;
  /** One of these, encoded. */
  read(tile: MapTile): Promise<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The tiles of the deepest zoom and of all above, each of which is made of the four below it. They come in no particular order,
 * each before the one above it; only one path of the pyramid is in memory at a time.
 */
export async function* renderPyramid(options: UpperZoomsOptions): AsyncGenerator<{ tile: MapTile; bytes: Uint8Array }> {
  const { minZoom, maxZoom, deepest, read, signal } = options;
  const shown = new Map<number, Set<number>>([[maxZoom, new Set(Array.from(deepest, ([x, y]) => keyOf(x, y)))]]);
  for (let z = maxZoom - 1; z >= minZoom; z--) {
    const below = shown.get(z + 1) ?? [];
    shown.set(z, new Set(Array.from(below, (key) => keyOf(xOf(key) >> 1, yOf(key) >> 1))));
  }

  async function* draw(tile: MapTile): AsyncGenerator<{ tile: MapTile; bytes: Uint8Array }, Uint8Array> {
    throwIfCanceled(signal);
    if (tile.z === maxZoom) {
      const bytes = await read(tile);
      yield { tile, bytes };
      return tile.z === minZoom ? new Uint8Array(0) : decode(bytes);
    }
    const rgba = new Uint8Array(MAP_TILE_PX * MAP_TILE_PX * 4);
    for (const child of childrenOf(tile)) {
      if (shown.get(child.z)?.has(keyOf(child.x, child.y)) === true) putQuarter(yield* draw(child), rgba, child);
    }
    yield { tile, bytes: await encode(rgba) };
    return rgba;
  }

  for (const key of shown.get(minZoom) ?? []) yield* draw({ z: minZoom, x: xOf(key), y: yOf(key) });
}

/** Of a column and a row below 2^24, as one number. */
const COLUMN = 2 ** 24;
const keyOf = (x: number, y: number): number => x * COLUMN + y;
const xOf = (key: number): number => Math.floor(key / COLUMN);
const yOf = (key: number): number => key % COLUMN;

function childrenOf({ z, x, y }: MapTile): MapTile[] {
  return [0, 1].flatMap((south) => [0, 1].map((east) => ({ z: z + 1, x: 2 * x + east, y: 2 * y + south })));
}

function drawTile(source: ImagerySource, tile: MapTile, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const count = 2 ** tile.z;
  const middles = Float64Array.from({ length: MAP_TILE_PX }, (_, i) => (i + 0.5) / MAP_TILE_PX);
  const bounds = mapTileBounds(tile);
  return source.draw({
    lons: middles.map((x) => fromWorld({ x: (tile.x + x) / count, y: 0 })[0]),
    lats: middles.map((y) => fromWorld({ x: 0, y: (tile.y + y) / count })[1]),
    bounds,
    metresPerPx: metresPerPixel(centreOf(bounds)[1], tile.z),
    signal,
  });
}

/** Draws a tile at half its size into its quarter of the one above: each pixel the mean of the four it covers, by their alpha. */
function putQuarter(part: Uint8Array, into: Uint8Array, { x, y }: MapTile): void {
  const half = MAP_TILE_PX / 2;
  const [left, top] = [(x % 2) * half, (y % 2) * half];
  for (let row = 0; row < half; row++) {
    for (let column = 0; column < half; column++) {
      const upper = (2 * row * MAP_TILE_PX + 2 * column) * 4;
      const lower = upper + MAP_TILE_PX * 4;
      const four = [upper, upper + 4, lower, lower + 4];
      let alpha = 0;
      for (const at of four) alpha += part[at + 3] ?? 0;
      if (alpha === 0) continue;
      const target = ((top + row) * MAP_TILE_PX + left + column) * 4;
      for (let c = 0; c < 3; c++) {
        let sum = 0;
        for (const at of four) sum += (part[at + c] ?? 0) * (part[at + 3] ?? 0);
        into[target + c] = Math.round(sum / alpha);
      }
      into[target + 3] = Math.round(alpha / 4);
    }
  }
}

async function encode(rgba: Uint8Array): Promise<Uint8Array> {
  const raw = { width: MAP_TILE_PX, height: MAP_TILE_PX, channels: 4 as const };
  return new Uint8Array(await sharp(rgba, { raw }).webp({ quality: QUALITY, effort: 4 }).toBuffer());
}

async function decode(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await sharp(bytes).ensureAlpha().raw().toBuffer());
}

function isEmpty(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 0) return false;
  return true;
}
