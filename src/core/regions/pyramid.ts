import sharp, { type OverlayOptions } from 'sharp';
import { throwIfCanceled } from '../errors.ts';
import { type Bounds, centreOf, unionOf } from '../geo/bounds.ts';
import {
  fromWorld,
  MAP_TILE_PX,
  type MapTile,
  mapTileBounds,
  mapTilesIn,
  metresPerPixel,
} from '../geo/web-mercator.ts';
import { heightM, type ImagerySource } from './imagery-source.ts';
import type { ArchivedTile } from './pmtiles-archive.ts';

/** Map zooms of a region's imagery. */
export interface ZoomRange {
  readonly minZoom: number;
  readonly maxZoom: number;
}

export interface PyramidOptions extends ZoomRange {
  readonly source: ImagerySource;
  readonly bounds: Bounds;
  readonly onTile: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** A map pixel may be this much coarser than the imagery. */
const COARSER = 1.15;
const QUALITY = 60;
const DEEPEST = 22;

/** From the zoom that shows the imagery's own resolution up to the one where the region is about a tile. */
export async function zoomRangeOf(source: ImagerySource, bounds: Bounds, signal?: AbortSignal): Promise<ZoomRange> {
  const [image] = source.images;
  if (image === undefined) return { minZoom: 0, maxZoom: 0 };
  const { heightPx } = await image.read(signal);
  const nativeM = heightM(image.bounds) / heightPx;
  const lat = centreOf(bounds)[1];
  let maxZoom = 0;
  while (maxZoom < DEEPEST && metresPerPixel(lat, maxZoom) > nativeM * COARSER) maxZoom++;
  let minZoom = maxZoom;
  while (minZoom > 0 && [...mapTilesIn(bounds, minZoom)].length > 1 && maxZoom - minZoom < 8) minZoom--;
  return { minZoom, maxZoom };
}

/** Web Mercator tiles of the imagery as WebP, transparent where there is none; empty tiles are left out. */
export async function renderPyramid(options: PyramidOptions): Promise<ArchivedTile[]> {
  const { source, minZoom, maxZoom, signal, onTile } = options;
  const bounds = unionOf(source.images.map((image) => image.bounds)) ?? options.bounds;
  const wanted = [...mapTilesIn(bounds, maxZoom)];
  const tiles: ArchivedTile[] = [];
  let level = new Map<string, { tile: MapTile; rgba: Uint8Array }>();
  for (const [done, tile] of wanted.entries()) {
    throwIfCanceled(signal);
    const rgba = await renderTile(source, tile, signal);
    if (hasAny(rgba)) {
      level.set(keyOf(tile), { tile, rgba });
      tiles.push({ ...tile, bytes: await encode(rgba) });
    }
    onTile(done + 1, wanted.length);
  }
  for (let z = maxZoom - 1; z >= minZoom; z--) {
    throwIfCanceled(signal);
    level = await halved(level);
    for (const { tile, rgba } of level.values()) tiles.push({ ...tile, bytes: await encode(rgba) });
  }
  return tiles;
}

async function renderTile(source: ImagerySource, tile: MapTile, signal: AbortSignal | undefined): Promise<Uint8Array> {
  const count = 2 ** tile.z;
  const lons = new Float64Array(MAP_TILE_PX * MAP_TILE_PX);
  const lats = new Float64Array(MAP_TILE_PX * MAP_TILE_PX);
  for (let row = 0; row < MAP_TILE_PX; row++) {
    const [, lat] = fromWorld({ x: 0, y: (tile.y + (row + 0.5) / MAP_TILE_PX) / count });
    for (let column = 0; column < MAP_TILE_PX; column++) {
      const i = row * MAP_TILE_PX + column;
      lons[i] = ((tile.x + (column + 0.5) / MAP_TILE_PX) / count) * 360 - 180;
      lats[i] = lat;
    }
  }
  const bounds = mapTileBounds(tile);
  return source.sample({ lons, lats }, { bounds, metresPerPx: metresPerPixel(centreOf(bounds)[1], tile.z), signal });
}

/** The next coarser level: four tiles make one, each pixel the mean of the four it covers. */
async function halved(
  level: ReadonlyMap<string, { tile: MapTile; rgba: Uint8Array }>,
): Promise<Map<string, { tile: MapTile; rgba: Uint8Array }>> {
  const parents = new Map<string, { tile: MapTile; parts: OverlayOptions[] }>();
  for (const { tile, rgba } of level.values()) {
    const parent = { z: tile.z - 1, x: tile.x >> 1, y: tile.y >> 1 };
    const group = parents.get(keyOf(parent)) ?? { tile: parent, parts: [] };
    group.parts.push({
      input: Buffer.from(rgba.buffer, rgba.byteOffset, rgba.byteLength),
      raw: { width: MAP_TILE_PX, height: MAP_TILE_PX, channels: 4 },
      left: (tile.x & 1) * MAP_TILE_PX,
      top: (tile.y & 1) * MAP_TILE_PX,
    });
    parents.set(keyOf(parent), group);
  }
  const coarser = new Map<string, { tile: MapTile; rgba: Uint8Array }>();
  for (const [key, { tile, parts }] of parents) {
    const side = 2 * MAP_TILE_PX;
    const background = { r: 0, g: 0, b: 0, alpha: 0 };
    const whole = await sharp({ create: { width: side, height: side, channels: 4, background } })
      .composite(parts)
      .raw()
      .toBuffer();
    const rgba = await sharp(whole, { raw: { width: side, height: side, channels: 4 } })
      .resize(MAP_TILE_PX, MAP_TILE_PX, { kernel: 'linear' })
      .raw()
      .toBuffer();
    coarser.set(key, { tile, rgba: new Uint8Array(rgba) });
  }
  return coarser;
}

async function encode(rgba: Uint8Array): Promise<Uint8Array> {
  const raw = { width: MAP_TILE_PX, height: MAP_TILE_PX, channels: 4 as const };
  return new Uint8Array(await sharp(rgba, { raw }).webp({ quality: QUALITY, effort: 4 }).toBuffer());
}

function hasAny(rgba: Uint8Array): boolean {
  for (let i = 3; i < rgba.length; i += 4) if (rgba[i] !== 0) return true;
  return false;
}

function keyOf({ z, x, y }: MapTile): string {
  return `${z}/${x}/${y}`;
}
