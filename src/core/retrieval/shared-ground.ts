import { setImmediate } from 'node:timers/promises';
import { throwIfCanceled } from '../errors.ts';
import { centreOf, intersects } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import { type LonLat, METRES_PER_DEGREE, toRad, wrap180 } from '../geo/units.ts';
import { boundsOfTile, type Region } from './region.ts';

/**
 * Regions may lie over each other, on grids of their own. A tile's twin in another region is the one that shows the same ground
 * as nearly as the grids allow: their centres are at most half a step of the finer grid apart, to the east and to the north.
 */
interface Tile {
  readonly region: Region;
  /** Ordinal in the region. */
  readonly tile: number;
}

/** What rounding of the centres may add. */
const SLACK = 1.01;
const TILES_PER_TURN = 20_000;

/** Of twins only the first, which is the better one; the order stays. */
export function withoutTwins<T extends Tile>(hits: readonly T[]): T[] {
  const kept: { hit: T; frame: ReturnType<typeof createLocalFrame> }[] = [];
  for (const hit of hits) {
    const centre = centreOfTile(hit.region, hit.tile);
    const twin = kept.some(
      ({ hit: { region }, frame }) =>
        region !== hit.region &&
        intersects(region.bounds, hit.region.bounds) &&
        isWithin(reachOf(region, hit.region), frame.toLocal(centre)),
    );
    if (!twin) kept.push({ hit, frame: createLocalFrame(centre) });
  }
  return kept.map(({ hit }) => hit);
}

interface TilesOf {
  readonly region: Region;
  /** Ordinals; undefined: all. */
  readonly tiles?: Int32Array | undefined;
}

/** How many tiles the scopes have together, twins counted once. CANCELED. */
export async function countTiles(scopes: readonly TilesOf[], signal?: AbortSignal): Promise<number> {
  let count = 0;
  for (const [i, { region, tiles }] of scopes.entries()) {
    const covers: Uint8Array[] = [];
    for (const { region: other } of scopes.slice(0, i)) {
      if (intersects(other.bounds, region.bounds)) covers.push(await twinsIn(other, region));
    }
    throwIfCanceled(signal);
    const all = tiles?.length ?? region.tiles.count;
    count += all;
    if (covers.length === 0) continue;
    for (let at = 0; at < all; at++) {
      const tile = tiles?.[at] ?? at;
      if (covers.some((mask) => mask[tile] === 1)) count--;
    }
  }
  return count;
}

/** By pair of regions that are open; found out once, beside other requests. */
const known = new WeakMap<Region, WeakMap<Region, Promise<Uint8Array>>>();

/** 1 for each tile of `region` that has a twin in `other`. */
function twinsIn(other: Region, region: Region): Promise<Uint8Array> {
  const ofOther = known.get(other) ?? new WeakMap<Region, Promise<Uint8Array>>();
  known.set(other, ofOther);
  const found = ofOther.get(region) ?? findTwins(other, region);
  ofOther.set(region, found);
  return found;
}

async function findTwins(other: Region, region: Region): Promise<Uint8Array> {
  const reachM = reachOf(other, region);
  const cellLatDeg = reachM / METRES_PER_DEGREE;
  // as wide as the reach where the meridians are nearest to each other
  const farthestDeg = Math.max(
    ...[other, region].flatMap(({ bounds }) => [Math.abs(bounds.south), Math.abs(bounds.north)]),
  );
  const cellLonDeg = cellLatDeg / Math.max(1e-6, Math.cos(toRad(farthestDeg)));
  const columnOf = (lon: number): number => Math.floor(wrap180(lon - other.bounds.west) / cellLonDeg);
  const rowOf = (lat: number): number => Math.floor((lat - other.bounds.south) / cellLatDeg);
  const keyOf = (column: number, row: number): number => column * 2 ** 26 + row;

  // tiles of a cell as a chain: the last one in `heads`, each one's predecessor in `before`
  const heads = new Map<number, number>();
  const before = new Int32Array(other.tiles.count).fill(-1);
  for (let tile = 0; tile < other.tiles.count; tile++) {
    if (tile % TILES_PER_TURN === 0) await setImmediate();
    if (!intersects(boundsOfTile(other.tiles, tile), region.bounds)) continue;
    const [lon, lat] = centreOfTile(other, tile);
    const key = keyOf(columnOf(lon), rowOf(lat));
    before[tile] = heads.get(key) ?? -1;
    heads.set(key, tile);
  }

  const mask = new Uint8Array(region.tiles.count);
  for (let tile = 0; tile < region.tiles.count; tile++) {
    if (tile % TILES_PER_TURN === 0) await setImmediate();
    const centre = centreOfTile(region, tile);
    const [column, row] = [columnOf(centre[0]), rowOf(centre[1])];
    const frame = createLocalFrame(centre);
    search: for (let y = row - 1; y <= row + 1; y++) {
      for (let x = column - 1; x <= column + 1; x++) {
        for (let at = heads.get(keyOf(x, y)) ?? -1; at >= 0; at = before[at] ?? -1) {
          if (!isWithin(reachM, frame.toLocal(centreOfTile(other, at)))) continue;
          mask[tile] = 1;
          break search;
        }
      }
    }
  }
  return mask;
}

function reachOf(a: Region, b: Region): number {
  const stepM = ({ manifest: { metresPerTile, overlap } }: Region): number => metresPerTile * (1 - overlap);
  return (Math.min(stepM(a), stepM(b)) / 2) * SLACK;
}

function isWithin(reachM: number, { eastM, northM }: { eastM: number; northM: number }): boolean {
  return Math.abs(eastM) <= reachM && Math.abs(northM) <= reachM;
}

function centreOfTile({ tiles }: Region, ordinal: number): LonLat {
  return centreOf(boundsOfTile(tiles, ordinal));
}
