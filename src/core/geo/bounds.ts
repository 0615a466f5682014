import { type LonLat, wrap180, wrap360 } from './units.ts';

/**
 * A rectangle of longitudes and latitudes in degrees. `west > east` crosses the antimeridian, as in a GeoJSON bbox
 * (RFC 7946, 5.2); a full turn is -180..180.
 */
export interface Bounds {
  readonly west: number;
  readonly south: number;
  readonly east: number;
  readonly north: number;
}

/** Eastward extent in degrees, 0..360. */
export function widthDeg(bounds: Bounds): number {
  const width = bounds.east - bounds.west;
  return width >= 0 ? Math.min(width, 360) : width + 360;
}

/** The middle in degrees; exact also across the antimeridian. */
export function centreOf(bounds: Bounds): LonLat {
  return [wrap180(bounds.west + widthDeg(bounds) / 2), (bounds.south + bounds.north) / 2];
}

/** Whether a point lies inside or on the edge. */
export function containsPoint(bounds: Bounds, [lon, lat]: LonLat): boolean {
  return lat >= bounds.south && lat <= bounds.north && containsLon(bounds, lon);
}

/** The point of a rectangle that is nearest to a point; the point itself when it lies inside. */
export function nearestPoint(bounds: Bounds, [lon, lat]: LonLat): LonLat {
  const middle = centreOf(bounds)[0];
  const half = widthDeg(bounds) / 2;
  const away = Math.min(half, Math.max(-half, wrap180(lon - middle)));
  return [wrap180(middle + away), Math.min(bounds.north, Math.max(bounds.south, lat))];
}

/** Whether two rectangles share a point; touching counts. */
export function intersects(a: Bounds, b: Bounds): boolean {
  if (a.south > b.north || b.south > a.north) return false;
  return containsLon(a, b.west) || containsLon(b, a.west);
}

/** The smallest rectangle that holds both, going round the shorter way. */
export function union(a: Bounds, b: Bounds): Bounds {
  const south = Math.min(a.south, b.south);
  const north = Math.max(a.north, b.north);
  const fromA = spanFrom(a, b);
  const fromB = spanFrom(b, a);
  const width = Math.min(fromA, fromB);
  if (width >= 360) return { west: -180, south, east: 180, north };
  const west = fromA <= fromB ? a.west : b.west;
  const east = west + width;
  return { west, south, east: east > 180 ? east - 360 : east, north };
}

/** Of a list; undefined when it is empty. */
export function unionOf(list: Iterable<Bounds>): Bounds | undefined {
  let all: Bounds | undefined;
  for (const bounds of list) all = all === undefined ? bounds : union(all, bounds);
  return all;
}

/** `[west, south, east, north]`, GeoJSON's order. */
export function toBbox(bounds: Bounds): [number, number, number, number] {
  return [bounds.west, bounds.south, bounds.east, bounds.north];
}

/** The rectangle as a GeoJSON polygon, counter-clockwise; not cut at the antimeridian (longitudes may then exceed 180). */
export function toPolygon(bounds: Bounds): { type: 'Polygon'; coordinates: [number, number][][] } {
  const { west, south, north } = bounds;
  const east = west + widthDeg(bounds);
  return {
    type: 'Polygon',
    coordinates: [
      [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
      ],
    ],
  };
}

function containsLon(bounds: Bounds, lon: number): boolean {
  const width = widthDeg(bounds);
  if (width >= 360) return true;
  if (lon >= bounds.west && lon <= bounds.west + width) return true; // exact where no wrapping is needed
  const eastward = wrap360(lon - bounds.west);
  return eastward <= width || lon === bounds.east;
}

/** Width of the span that starts at a's west and holds both. */
function spanFrom(a: Bounds, b: Bounds): number {
  return Math.min(360, Math.max(widthDeg(a), wrap360(b.west - a.west) + widthDeg(b)));
}
