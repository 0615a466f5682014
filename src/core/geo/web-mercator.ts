import type { Bounds } from './bounds.ts';
import { clamp, type LonLat, toDeg, toRad } from './units.ts';

/** Edge of a map tile in pixels. */
export const MAP_TILE_PX = 256;

/** The latitude at which the square map ends. */
export const MAX_LATITUDE_DEG = toDeg(Math.atan(Math.sinh(Math.PI)));

/** Metres per pixel at the equator at zoom 0 on the WGS84 ellipsoid's equatorial radius, as every web map counts. */
const EQUATOR_M_PER_PX = (2 * Math.PI * 6_378_137) / MAP_TILE_PX;

/** A tile of the web map: 2^z x 2^z, x eastward from -180, y southward from the northern edge. */
export interface MapTile {
  readonly z: number;
  readonly x: number;
  readonly y: number;
}

/** Position in the world square, 0..1 in x (eastward) and y (southward); latitudes beyond the square are clamped. */
export function toWorld([lon, lat]: LonLat): { x: number; y: number } {
  const sine = Math.sin(toRad(clamp(lat, -MAX_LATITUDE_DEG, MAX_LATITUDE_DEG)));
  return { x: (lon + 180) / 360, y: clamp(0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI), 0, 1) };
}

export function fromWorld({ x, y }: { x: number; y: number }): LonLat {
  return [x * 360 - 180, toDeg(Math.atan(Math.sinh(Math.PI * (1 - 2 * y))))];
}

/** The tile that holds a point. Longitude 180 belongs to the last column, never to x = 2^z. */
export function mapTileAt(point: LonLat, z: number): MapTile {
  const world = toWorld(point);
  const count = 2 ** z;
  return {
    z,
    x: clamp(Math.floor(world.x * count), 0, count - 1),
    y: clamp(Math.floor(world.y * count), 0, count - 1),
  };
}

export function mapTileBounds({ z, x, y }: MapTile): Bounds {
  const count = 2 ** z;
  const [west, north] = fromWorld({ x: x / count, y: y / count });
  const [east, south] = fromWorld({ x: (x + 1) / count, y: (y + 1) / count });
  return { west, south, east, north };
}

/** Whether z, x and y name a tile that exists. */
export function isMapTile({ z, x, y }: MapTile, maxZoom = 24): boolean {
  if (![z, x, y].every(Number.isInteger) || z < 0 || z > maxZoom) return false;
  return x >= 0 && y >= 0 && x < 2 ** z && y < 2 ** z;
}

/** Ground size of a pixel in metres at a latitude: 156543.03392 cos(lat) / 2^z. */
export function metresPerPixel(latDeg: number, z: number): number {
  return (EQUATOR_M_PER_PX * Math.cos(toRad(latDeg))) / 2 ** z;
}

/** Every tile that shares area with the bounds at one zoom, row by row. Bounds across the antimeridian wrap. */
export function* mapTilesIn(bounds: Bounds, z: number): Generator<MapTile> {
  const count = 2 ** z;
  const first = mapTileAt([bounds.west, bounds.north], z);
  const last = mapTileAt([bounds.east, bounds.south], z);
  // an edge that lies exactly on a tile's edge touches the next tile without entering it
  const end = toWorld([bounds.east, bounds.south]);
  const crosses = bounds.west > bounds.east;
  const lastX = end.x * count === last.x && last.x > (crosses ? 0 : first.x) ? last.x - 1 : last.x;
  const lastY = end.y * count === last.y && last.y > first.y ? last.y - 1 : last.y;
  const columns = lastX - first.x + 1 + (crosses ? count : 0);
  for (let y = first.y; y <= lastY; y++) {
    for (let i = 0; i < Math.min(columns, count); i++) yield { z, x: (first.x + i) % count, y };
  }
}
