import { Geo2Error } from '../errors.ts';
import { type Bounds, centreOf, widthDeg } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import { type Prior, priorTouches } from '../geo/prior.ts';
import { type LonLat, METRES_PER_DEGREE, toRad, wrap180 } from '../geo/units.ts';
import { partInside, rectangleAround } from '../retrieval/tile-selection.ts';
import { createBoundsIndex } from './bounds-index.ts';
import type { AerialImage } from './imagery-source.ts';
import { heightM, widthM } from './raster.ts';

/** A reference tile to be: a square of ground. */
export interface PlannedTile {
  readonly id: string;
  readonly bounds: Bounds;
  /** The image that shows exactly this square, when there is one. */
  readonly image?: AerialImage;
}

/** The tiles of a region, and the share of its side that a tile has in common with its neighbour. */
export interface TilePlan {
  readonly tiles: readonly PlannedTile[];
  readonly overlap: number;
}

/** An area that a region is built for. */
export type Area = Extract<Prior, { type: 'bbox' | 'Polygon' }>;

export interface GridOptions {
  readonly tileM: number;
  /** Share of its side that a tile's neighbour shows too, 0 up to below 1. */
  readonly overlap: number;
  /** Tiles whose centre lies elsewhere are left out. */
  readonly area?: Area | undefined;
  /** Cut a grid although the images have the size of tiles. */
  readonly recut: boolean;
}

/** Images that are this close to a tile's size are tiles. */
const SIZE_TOLERANCE = 0.02;
/** Of tiles: at more there are hundreds of the same place. */
export const MAX_OVERLAP = 0.95;

/**
 * The tiles of a region: the images themselves where they have a tile's size, else squares cut from each image on a grid in
 * steps of at most (1 - overlap) x tileM, flush with its edges; a smaller image makes one tile. Throws SOURCE_INVALID when none is left.
 */
export function planTiles(images: readonly AerialImage[], options: GridOptions): TilePlan {
  const { tileM, overlap, area, recut } = options;
  const fits = (side: number): boolean => Math.abs(side / tileM - 1) <= SIZE_TOLERANCE;
  const areTiles = !recut && images.every(({ bounds }) => fits(heightM(bounds)) && fits(widthM(bounds)));
  const planned = areTiles
    ? images.map((image) => ({ id: image.id, bounds: image.bounds, image }))
    : withoutTwins(
        images.flatMap((image) => cut(image, options)),
        (tileM * (1 - options.overlap)) / 2,
      );
  const kept = area === undefined ? planned : planned.filter(({ bounds }) => contains(area, centreOf(bounds)));
  if (kept.length > 0) return { tiles: kept, overlap: areTiles ? overlapOf(kept, tileM) : overlap };
  throw noneLeft(area, planned.length);
}

function noneLeft(area: Area | undefined, planned: number): Geo2Error {
  return new Geo2Error('SOURCE_INVALID', 'No tile of the imagery has its centre in the area that was asked for.', {
    data: { area, tiles: planned },
  });
}

/**
 * The tiles of one large picture, as far as the area goes: rows from the north, each with the columns that its own latitude asks
 * for, so that a tile is as wide everywhere. Throws SOURCE_INVALID when none is left.
 */
export function planGrid(extent: Bounds, { tileM, overlap, area }: Omit<GridOptions, 'recut'>): TilePlan {
  const around = area === undefined ? extent : rectangleAround(area);
  if (!priorTouches({ type: 'bbox', bbox: [around.west, around.south, around.east, around.north] }, extent)) {
    throw noneLeft(area, 0);
  }
  const { west, south, east, north } = partInside(extent, around);
  const stepM = tileM * (1 - overlap);
  const middle = (south + north) / 2;
  const spanDeg = widthDeg({ west, south, east, north });
  const tiles: PlannedTile[] = [];
  const rows = offsets((north - south) * METRES_PER_DEGREE, tileM, stepM).reverse();
  for (const [row, northM] of rows.entries()) {
    const lat = middle + northM / METRES_PER_DEGREE;
    const metresPerLon = METRES_PER_DEGREE * Math.cos(toRad(lat));
    const [halfLon, halfLat] = [tileM / 2 / metresPerLon, tileM / 2 / METRES_PER_DEGREE];
    for (const [column, eastM] of offsets(spanDeg * metresPerLon, tileM, stepM).entries()) {
      const lon = wrap180(west + spanDeg / 2 + eastM / metresPerLon);
      if (area !== undefined && !contains(area, [lon, lat])) continue;
      tiles.push({
        id: `r${String(row).padStart(5, '0')}_c${String(column).padStart(5, '0')}`,
        bounds: {
          west: wrap180(lon - halfLon),
          south: lat - halfLat,
          east: wrap180(lon + halfLon),
          north: lat + halfLat,
        },
      });
    }
  }
  if (tiles.length === 0) throw noneLeft(area, 0);
  return { tiles, overlap };
}

function cut(image: AerialImage, { tileM, overlap }: GridOptions): PlannedTile[] {
  const frame = createLocalFrame(centreOf(image.bounds));
  const stepM = tileM * (1 - overlap);
  const columns = offsets(widthM(image.bounds), tileM, stepM);
  const rows = offsets(heightM(image.bounds), tileM, stepM);
  return rows.flatMap((northM, row) =>
    columns.map((eastM, column) => {
      const [west, south] = frame.toLonLat({ eastM: eastM - tileM / 2, northM: northM - tileM / 2 });
      const [east, north] = frame.toLonLat({ eastM: eastM + tileM / 2, northM: northM + tileM / 2 });
      const place = `r${String(row).padStart(3, '0')}_c${String(column).padStart(3, '0')}`;
      return { id: `${image.id}_${place}`, bounds: { west, south, east, north } };
    }),
  );
}

/**
 * Centres of tiles along one side of an image, from its middle: the outer tiles lie flush with its edges, so that nothing of
 * it is left uncovered; between them steps are equal and at most `stepM`.
 */
function offsets(sideM: number, tileM: number, stepM: number): number[] {
  // a millimetre of rounding must not cost a row
  const steps = Math.max(0, Math.ceil((sideM - tileM - 1e-3) / stepM));
  if (steps === 0) return [0];
  return Array.from({ length: steps + 1 }, (_, i) => (i / steps - 0.5) * (sideM - tileM));
}

/** Of tiles that were not cut here: by the median distance of a tile to its nearest neighbour. */
function overlapOf(tiles: readonly PlannedTile[], tileM: number): number {
  const near = createBoundsIndex(tiles);
  const steps = tiles
    .map((tile) => {
      const frame = createLocalFrame(centreOf(tile.bounds));
      const away = near(tile.bounds)
        .filter((other) => other !== tile)
        .map((other) => frame.toLocal(centreOf(other.bounds)))
        .map(({ eastM, northM }) => Math.max(Math.abs(eastM), Math.abs(northM)));
      return Math.min(tileM, ...away);
    })
    .sort((a, b) => a - b);
  const step = steps[Math.floor(steps.length / 2)] ?? tileM;
  return Math.round(100 * Math.min(MAX_OVERLAP, 1 - step / tileM)) / 100;
}

/** Where images overlap, a square that is nearly another one is left out. */
function withoutTwins(tiles: readonly PlannedTile[], nearM: number): PlannedTile[] {
  const [first] = tiles;
  if (first === undefined) return [];
  const frame = createLocalFrame(centreOf(first.bounds));
  const taken = new Map<string, { eastM: number; northM: number }[]>();
  return tiles.filter(({ bounds }) => {
    const at = frame.toLocal(centreOf(bounds));
    const [x, y] = [Math.floor(at.eastM / nearM), Math.floor(at.northM / nearM)];
    for (let dx = -1; dx <= 1; dx++) {
      for (let dy = -1; dy <= 1; dy++) {
        const rivals = taken.get(`${x + dx},${y + dy}`) ?? [];
        if (rivals.some((other) => Math.hypot(other.eastM - at.eastM, other.northM - at.northM) < nearM)) return false;
      }
    }
    const key = `${x},${y}`;
    taken.set(key, [...(taken.get(key) ?? []), at]);
    return true;
  });
}

function contains(area: Area, [lon, lat]: LonLat): boolean {
  return priorTouches(area, { west: lon, south: lat, east: lon, north: lat });
}
