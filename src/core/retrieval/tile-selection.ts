import { setImmediate } from 'node:timers/promises';
import { throwIfCanceled } from '../errors.ts';
import { type Bounds, intersects, widthDeg } from '../geo/bounds.ts';
import { type Prior, priorTouches } from '../geo/prior.ts';
import { METRES_PER_DEGREE, toDeg, toRad, wrap180 } from '../geo/units.ts';
import { boundsOfTile, type Region } from './region.ts';

/** Corners compared between two looks at the signal and the event loop; about a millisecond. */
const CORNERS_PER_TURN = 20_000;

/**
 * Ordinals of the tiles that a prior touches, ascending; undefined when it touches all of them. Most tiles are told apart by
 * the prior's rectangle. CANCELED.
 */
export async function tilesTouched(
  { tiles, bounds }: Pick<Region, 'tiles' | 'bounds'>,
  prior: Prior,
  signal?: AbortSignal,
): Promise<Int32Array | undefined> {
  const rectangle = rectangleAround(prior);
  if (!intersects(rectangle, bounds)) return new Int32Array(0);
  const corners = cornersOf(prior);
  const touched: number[] = [];
  let untilTurn = CORNERS_PER_TURN;
  for (let tile = 0; tile < tiles.count; tile++) {
    const tileBounds = boundsOfTile(tiles, tile);
    untilTurn -= 1;
    if (!intersects(rectangle, tileBounds)) continue;
    untilTurn -= corners;
    if (untilTurn <= 0) {
      untilTurn = CORNERS_PER_TURN;
      await setImmediate();
      throwIfCanceled(signal);
    }
    if (priorTouches(prior, tileBounds)) touched.push(tile);
  }
  return touched.length === tiles.count ? undefined : Int32Array.from(touched);
}

function cornersOf(prior: Prior): number {
  return prior.type === 'Polygon' ? prior.coordinates.reduce((sum, ring) => sum + ring.length, 0) : 1;
}

/** A rectangle that holds everything that a prior allows; as small as is easily said. */
export function rectangleAround(prior: Prior): Bounds {
  switch (prior.type) {
    case 'bbox': {
      const [west, south, east, north] = prior.bbox;
      return { west, south, east, north };
    }
    case 'circle':
      return aroundCircle(prior);
    case 'Polygon':
      return aroundRings(prior.coordinates);
  }
}

/** What rounding may take away: a tenth of a millimetre. */
const SLACK_DEG = 1e-9;
const MARGIN = 1 + 1e-6;

function aroundCircle({ center: [lon, lat], radiusM }: Extract<Prior, { type: 'circle' }>): Bounds {
  const angleDeg = (radiusM * MARGIN) / METRES_PER_DEGREE + SLACK_DEG;
  const south = Math.max(-90, lat - angleDeg);
  const north = Math.min(90, lat + angleDeg);
  // the meridian that touches the circle: sin(half width) = sin(angle) / cos(latitude); none where it holds a pole
  const sine = Math.sin(toRad(angleDeg)) / Math.cos(toRad(lat));
  if (south === -90 || north === 90 || sine >= 1) return { west: -180, south, east: 180, north };
  const halfWidthDeg = toDeg(Math.asin(sine)) + SLACK_DEG;
  return { west: wrap180(lon - halfWidthDeg), south, east: wrap180(lon + halfWidthDeg), north };
}

/** All longitudes where a ring leaves -180..180 or jumps over the antimeridian: its parts are then compared one by one. */
function aroundRings(rings: Extract<Prior, { type: 'Polygon' }>['coordinates']): Bounds {
  let [west, south, east, north] = [180, 90, -180, -90];
  let isPlain = true;
  for (const ring of rings) {
    let previous = ring[0]?.[0] ?? 0;
    for (const [lon, lat] of ring) {
      if (Math.abs(lon) > 180 || Math.abs(lon - previous) > 180) isPlain = false;
      previous = lon;
      west = Math.min(west, lon);
      east = Math.max(east, lon);
      south = Math.min(south, lat);
      north = Math.max(north, lat);
    }
  }
  const lats = { south: south - SLACK_DEG, north: north + SLACK_DEG };
  return isPlain ? { ...lats, west: west - SLACK_DEG, east: east + SLACK_DEG } : { ...lats, west: -180, east: 180 };
}

/** The part of a rectangle that another one leaves; the rectangle itself where they meet in two parts or not at all. */
export function partInside(bounds: Bounds, other: Bounds): Bounds {
  const south = Math.max(bounds.south, other.south);
  const north = Math.min(bounds.north, other.north);
  if (south > north) return bounds;
  const east = bounds.west + widthDeg(bounds);
  const otherWidth = widthDeg(other);
  if (otherWidth >= 360) return { ...bounds, south, north };
  const otherWest = bounds.west + wrap180(other.west - bounds.west);
  const from = Math.max(bounds.west, otherWest);
  const to = Math.min(east, otherWest + otherWidth);
  if (from > to) return { ...bounds, south, north };
  return { west: wrap180(from), south, east: to > 180 ? to - 360 : to, north };
}
