import type { Bounds } from '../geo/bounds.ts';
import { centreOf } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';

/**
 * How much of its neighbours' embeddings a reference tile takes on. A view taken between two tiles resembles both, and a tile
 * whose neighbours resemble the view too is the likelier one: with w, the inner product becomes s + w x (sum of the neighbours'
 * s), up to the length of the sum. It is the database-side augmentation of image retrieval, with neighbours in space.
 */
export interface Smoothing {
  /** w; 0 leaves the embeddings as they are. */
  readonly neighbourWeight: number;
  /** Tiles whose centres are nearer than this are neighbours, in metres. */
  readonly neighbourReachM: number;
}

/** Measured on a validation city: R@1 12.4 % plain, 15.5 % at 0.1, 14.2 % at 0.2, 12.7 % at 0.3. */
export const DEFAULT_NEIGHBOUR_WEIGHT = 0.1;
/** In tile sides: with half-overlapping tiles the four nearest, not those across the corner. */
const REACH = 0.6;

export function smoothingOf(tileM: number, neighbourWeight = DEFAULT_NEIGHBOUR_WEIGHT): Smoothing {
  return { neighbourWeight, neighbourReachM: REACH * tileM };
}

/** Ordinals of each tile's neighbours, ascending, itself left out. */
export function neighboursOf(tiles: readonly { readonly bounds: Bounds }[], reachM: number): number[][] {
  const [first] = tiles;
  if (first === undefined) return [];
  const frame = createLocalFrame(centreOf(first.bounds));
  const places = tiles.map(({ bounds }) => frame.toLocal(centreOf(bounds)));
  const cellOf = (metres: number): number => Math.floor(metres / reachM);
  const cells = new Map<string, number[]>();
  for (const [tile, { eastM, northM }] of places.entries()) {
    const key = `${cellOf(eastM)},${cellOf(northM)}`;
    const cell = cells.get(key);
    if (cell === undefined) cells.set(key, [tile]);
    else cell.push(tile);
  }
  return places.map(({ eastM, northM }, tile) => {
    const near: number[] = [];
    for (let x = cellOf(eastM) - 1; x <= cellOf(eastM) + 1; x++) {
      for (let y = cellOf(northM) - 1; y <= cellOf(northM) + 1; y++) near.push(...(cells.get(`${x},${y}`) ?? []));
    }
    return near
      .filter((other) => {
        const at = places[other];
        return other !== tile && at !== undefined && Math.hypot(at.eastM - eastM, at.northM - northM) < reachM;
      })
      .sort((a, b) => a - b);
  });
}

/** Unit vectors again: each row plus the weighted rows of the neighbours at the same orientation. Rows lie tile by tile. */
export function smoothOverNeighbours(
  vectors: Float32Array,
  {
    neighbours,
    width,
    headings,
    weight,
  }: { neighbours: readonly (readonly number[])[]; width: number; headings: number; weight: number },
): Float32Array {
  if (weight === 0) return vectors;
  const smoothed = new Float32Array(vectors.length);
  for (const [tile, near] of neighbours.entries()) {
    for (let orientation = 0; orientation < headings; orientation++) {
      const start = (tile * headings + orientation) * width;
      const row = smoothed.subarray(start, start + width);
      row.set(vectors.subarray(start, start + width));
      for (const other of near) {
        const from = (other * headings + orientation) * width;
        for (let i = 0; i < width; i++) row[i] = (row[i] ?? 0) + weight * (vectors[from + i] ?? 0);
      }
      const length = Math.hypot(...row);
      for (let i = 0; i < width; i++) row[i] = (row[i] ?? 0) / length;
    }
  }
  return smoothed;
}
