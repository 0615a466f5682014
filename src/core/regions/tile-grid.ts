import { Geo2Error } from '../errors.ts';
import { type Bounds, centreOf } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import { type Prior, priorTouches } from '../geo/prior.ts';
import type { LonLat } from '../geo/units.ts';
import { type AerialImage, heightM, widthM } from './imagery-source.ts';

/** A reference tile to be: a square of ground. */
export interface PlannedTile {
  readonly id: string;
  readonly bounds: Bounds;
  /** The image that shows exactly this square, when there is one. */
  readonly image?: AerialImage;
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

/**
 * The tiles of a region: the images themselves where they have a tile's size, else squares cut from each image on a grid in
 * steps of (1 - overlap) x tileM, centred in it; a smaller image makes one tile. Throws SOURCE_INVALID when none is left.
 */
export function planTiles(images: readonly AerialImage[], options: GridOptions): PlannedTile[] {
  const { tileM, area, recut } = options;
  const fits = (side: number): boolean => Math.abs(side / tileM - 1) <= SIZE_TOLERANCE;
  const areTiles = !recut && images.every(({ bounds }) => fits(heightM(bounds)) && fits(widthM(bounds)));
  const planned = areTiles
    ? images.map((image) => ({ id: image.id, bounds: image.bounds, image }))
    : withoutTwins(
        images.flatMap((image) => cut(image, options)),
        (tileM * (1 - options.overlap)) / 2,
      );
  const kept = area === undefined ? planned : planned.filter(({ bounds }) => contains(area, centreOf(bounds)));
  if (kept.length > 0) return kept;
  throw new Geo2Error('SOURCE_INVALID', 'No tile of the imagery has its centre in the area that was asked for.', {
    data: { area, tiles: planned.length },
  });
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

/** Centres of tiles along one side of an image, about its middle. */
function offsets(sideM: number, tileM: number, stepM: number): number[] {
  // a millimetre of rounding must not cost a row
  const count = Math.max(1, Math.floor((sideM - tileM + 1e-3) / stepM) + 1);
  return Array.from({ length: count }, (_, i) => (i - (count - 1) / 2) * stepM);
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
