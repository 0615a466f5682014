import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { writeArrayBuffer } from 'geotiff';
import sharp from 'sharp';
import type { Bounds } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { LonLat } from '#core/geo/units.ts';
import { fromWorld, MAP_TILE_PX, type MapTile, mapTilesIn } from '#core/geo/web-mercator.ts';
import { openPmtilesWriter } from '#core/regions/pmtiles-writer.ts';

/** Ground whose colour tells where it is: red grows to the east and green to the north, both by 0.5 a metre. */
export const CENTRE: LonLat = [24.94, 60.17];
const frame = createLocalFrame(CENTRE);

export function colourAt(point: LonLat): [number, number, number] {
  const { eastM, northM } = frame.toLocal(point);
  const level = (metres: number): number => Math.min(255, Math.max(0, Math.round(128 + metres / 2)));
  return [level(eastM), level(northM), 90];
}

/** A square around the centre. */
export function groundOf(sideM: number): Bounds {
  const [west, south] = frame.toLonLat({ eastM: -sideM / 2, northM: -sideM / 2 });
  const [east, north] = frame.toLonLat({ eastM: sideM / 2, northM: sideM / 2 });
  return { west, south, east, north };
}

/** Map tiles of the ground, encoded; `isShown` decides which pixels are not transparent. */
export async function mapTilesOf(
  bounds: Bounds,
  zoom: number,
  isShown: (point: LonLat) => boolean = () => true,
): Promise<{ tile: MapTile; bytes: Uint8Array }[]> {
  return Promise.all(
    [...mapTilesIn(bounds, zoom)].map(async (tile) => {
      const rgba = new Uint8Array(MAP_TILE_PX * MAP_TILE_PX * 4);
      for (let i = 0; i < MAP_TILE_PX * MAP_TILE_PX; i++) {
        const x = (tile.x + ((i % MAP_TILE_PX) + 0.5) / MAP_TILE_PX) / 2 ** zoom;
        const y = (tile.y + (Math.floor(i / MAP_TILE_PX) + 0.5) / MAP_TILE_PX) / 2 ** zoom;
        const point = fromWorld({ x, y });
        if (isShown(point)) rgba.set([...colourAt(point), 255], i * 4);
      }
      const raw = { width: MAP_TILE_PX, height: MAP_TILE_PX, channels: 4 as const };
      return { tile, bytes: new Uint8Array(await sharp(rgba, { raw }).webp({ lossless: true }).toBuffer()) };
    }),
  );
}

type Tiles = readonly { readonly tile: MapTile; readonly bytes: Uint8Array }[];

export async function writePmtiles(path: string, tiles: Tiles, bounds: Bounds): Promise<void> {
  const writer = await openPmtilesWriter(path);
  for (const { tile, bytes } of tiles) await writer.add(tile, bytes);
  await writer.finish({ bounds, tileType: 'webp', metadata: {} });
}

export function writeMbtiles(path: string, tiles: Tiles): void {
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE metadata (name text, value text)');
  database.exec('CREATE TABLE tiles (zoom_level integer, tile_column integer, tile_row integer, tile_data blob)');
  database.exec("INSERT INTO metadata VALUES ('format', 'webp'), ('name', 'ground')");
  const insert = database.prepare('INSERT INTO tiles VALUES (?, ?, ?, ?)');
  for (const { tile, bytes } of tiles) insert.run(tile.z, tile.x, 2 ** tile.z - 1 - tile.y, bytes);
  database.close();
}

export async function writeXyz(dir: string, tiles: Tiles): Promise<void> {
  for (const { tile, bytes } of tiles) {
    const path = join(dir, String(tile.z), String(tile.x), `${tile.y}.webp`);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, bytes);
  }
}

export interface GeotiffOptions {
  /** What the GeoKeys say. */
  readonly keys: Readonly<Record<string, number>>;
  /** From the projection's plane. */
  readonly toLonLat: (point: { x: number; y: number }) => LonLat;
  readonly originX: number;
  readonly originY: number;
  /** Units of a pixel. */
  readonly stepX: number;
  readonly stepY: number;
  readonly sizePx: number;
  readonly isShown?: (point: LonLat) => boolean;
}

/** An RGB GeoTIFF of the ground; what is not shown has the nodata value 0. */
export async function writeGeotiff(path: string, options: GeotiffOptions): Promise<void> {
  const { keys, toLonLat, originX, originY, stepX, stepY, sizePx, isShown = () => true } = options;
  const rgb = new Uint8Array(sizePx * sizePx * 3);
  for (let row = 0; row < sizePx; row++) {
    for (let column = 0; column < sizePx; column++) {
      const point = toLonLat({ x: originX + (column + 0.5) * stepX, y: originY - (row + 0.5) * stepY });
      if (isShown(point)) rgb.set(colourAt(point), (row * sizePx + column) * 3);
    }
  }
  const metadata = {
    width: sizePx,
    height: sizePx,
    SamplesPerPixel: 3,
    BitsPerSample: [8, 8, 8],
    SampleFormat: [1, 1, 1],
    PhotometricInterpretation: 2,
    ModelTiepoint: [0, 0, 0, originX, originY, 0],
    ModelPixelScale: [stepX, stepY, 0],
    GDAL_NODATA: '0',
    ...keys,
  };
  await writeFile(path, new Uint8Array(writeArrayBuffer(rgb, metadata)));
}
