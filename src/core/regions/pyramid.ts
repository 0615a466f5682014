import sharp from 'sharp';
import { throwIfCanceled } from '../errors.ts';
import { type Bounds, centreOf, intersects, widthDeg } from '../geo/bounds.ts';
import {
  fromWorld,
  MAP_TILE_PX,
  type MapTile,
  mapTileBounds,
  mapTilesIn,
  metresPerPixel,
  toWorld,
} from '../geo/web-mercator.ts';
import type { ImagerySource } from './imagery-source.ts';
import { heightM } from './raster.ts';

/** Map zooms of a region's imagery. */
export interface ZoomRange {
  readonly minZoom: number;
  readonly maxZoom: number;
}

export interface PyramidOptions extends ZoomRange {
  readonly source: ImagerySource;
  /** Tiles that do not touch it are left out. */
  readonly bounds: Bounds;
  /** Told after every tile of the deepest zoom. */
  readonly onTile: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A map pixel may be this much coarser than the imagery. */
const COARSER = 1.15;
const QUALITY = 90;
const DEEPEST = 22;

/** From the zoom where the region is no larger than a tile down to the one that shows the imagery's own resolution. */
export async function zoomRangeOf(source: ImagerySource, bounds: Bounds): Promise<ZoomRange> {
  const [image] = source.images;
  if (image === undefined) return { minZoom: 0, maxZoom: 0 };
  const { heightPx } = await image.read();
  const nativeM = heightM(image.bounds) / heightPx;
  const lat = centreOf(bounds)[1];
  let maxZoom = 0;
  while (maxZoom < DEEPEST && metresPerPixel(lat, maxZoom) > nativeM * COARSER) maxZoom++;
  const top = toWorld([bounds.west, bounds.north]).y;
  const bottom = toWorld([bounds.west, bounds.south]).y;
  const extent = Math.max(widthDeg(bounds) / 360, bottom - top); // of the world square's side
  const minZoom = Math.min(maxZoom, Math.max(0, Math.floor(-Math.log2(extent))));
  return { minZoom, maxZoom };
}

/**
 * Web Mercator tiles of the imagery as WebP, transparent where there is none; empty tiles are left out. They come in no
 * particular order, each before the one above it; only one path of the pyramid is in memory at a time.
 */
export async function* renderPyramid(options: PyramidOptions): AsyncGenerator<{ tile: MapTile; bytes: Uint8Array }> {
  const { source, bounds, minZoom, maxZoom, signal, onTile } = options;
  const isWanted = (tile: MapTile): boolean => {
    const area = mapTileBounds(tile);
    return intersects(area, bounds) && source.touches(area);
  };
  const roots = [...mapTilesIn(bounds, minZoom)].filter(isWanted);
  let total = 0;
  for (const root of roots) for (const _ of deepest(root)) total++;
  let done = 0;

  function* deepest(tile: MapTile): Generator<MapTile> {
    if (tile.z === maxZoom) yield tile;
    else for (const child of childrenOf(tile)) if (isWanted(child)) yield* deepest(child);
  }

  /** Yields a tile and all below it; returns its pixels, undefined when they are empty. */
  async function* draw(tile: MapTile): AsyncGenerator<{ tile: MapTile; bytes: Uint8Array }, Uint8Array | undefined> {
    throwIfCanceled(signal);
    let rgba: Uint8Array | undefined;
    if (tile.z === maxZoom) {
      rgba = await renderTile(source, tile, signal);
      done++;
      onTile(done, total);
    } else {
      rgba = new Uint8Array(MAP_TILE_PX * MAP_TILE_PX * 4);
      for (const child of childrenOf(tile)) {
        const part = isWanted(child) ? yield* draw(child) : undefined;
        if (part !== undefined) putQuarter(part, rgba, child);
      }
    }
    if (isEmpty(rgba)) return undefined;
    yield { tile, bytes: await encode(rgba) };
    return rgba;
  }

  for (const root of roots) yield* draw(root);
}

function childrenOf({ z, x, y }: MapTile): MapTile[] {
  return [0, 1].flatMap((south) => [0, 1].map((east) => ({ z: z + 1, x: 2 * x + east, y: 2 * y + south })));
}

function renderTile(source: ImagerySource, tile: MapTile, signal: AbortSignal | undefined): Promise<Uint8Array> {
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

function isEmpty(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 0) return false;
  return true;
}
