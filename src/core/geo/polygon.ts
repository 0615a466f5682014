import { type Bounds, widthDeg } from './bounds.ts';
import { type LonLat, wrap180 } from './units.ts';

/** GeoJSON Polygon coordinates: the outer ring, then holes; each ring closed. Edges are straight in longitude and latitude. */
export type PolygonRings = readonly (readonly LonLat[])[];

/** Whether a point lies inside (even-odd rule over all rings, so that a hole is outside). */
export function polygonContains(rings: PolygonRings, point: LonLat): boolean {
  return evenOdd(unwrap(rings, point[0]), point);
}

/** Whether a polygon and a rectangle share a point. Both may lie across the antimeridian. */
export function polygonIntersectsBounds(rings: PolygonRings, bounds: Bounds): boolean {
  const halfWidth = widthDeg(bounds) / 2;
  const middle = bounds.west + halfWidth;
  const near = unwrap(rings, middle);
  const box = { west: middle - halfWidth, east: middle + halfWidth, south: bounds.south, north: bounds.north };
  if (evenOdd(near, [middle, (bounds.south + bounds.north) / 2])) return true;
  return near.some((ring) => edgesOf(ring).some(([a, b]) => segmentMeetsBox(a, b, box)));
}

/** Shifts the polygon by whole turns so that it lies around `lon`, and joins rings that jump over the antimeridian. */
function unwrap(rings: PolygonRings, lon: number): LonLat[][] {
  const first = rings[0]?.[0];
  if (first === undefined) return [];
  const joined = rings.map((ring) => joinedRing(ring, first[0]));
  const lons = joined.flat().map((point) => point[0]);
  const middle = (Math.min(...lons) + Math.max(...lons)) / 2;
  const shift = lon + wrap180(middle - lon) - middle;
  return joined.map((ring) => ring.map(([x, y]): LonLat => [x + shift, y]));
}

function joinedRing(ring: readonly LonLat[], startLon: number): LonLat[] {
  let previous = startLon;
  return ring.map(([lon, lat]): LonLat => {
    // a step of exactly half a turn is ambiguous and kept as written: -180..180 is a polygon round the world
    if (Math.abs(lon - previous) > 180) previous += wrap180(lon - previous);
    else previous = lon;
    return [previous, lat];
  });
}

function evenOdd(rings: readonly LonLat[][], [x, y]: LonLat): boolean {
  let inside = false;
  for (const ring of rings) {
    for (const [a, b] of edgesOf(ring)) {
      if (a[1] > y === b[1] > y) continue;
      if (x < a[0] + ((y - a[1]) / (b[1] - a[1])) * (b[0] - a[0])) inside = !inside;
    }
  }
  return inside;
}

function edgesOf(ring: readonly LonLat[]): [LonLat, LonLat][] {
  const edges: [LonLat, LonLat][] = [];
  let previous = ring.at(-1);
  for (const point of ring) {
    if (previous !== undefined) edges.push([previous, point]);
    previous = point;
  }
  return edges;
}

/** Liang-Barsky clipping: something of the segment is left inside the box. */
function segmentMeetsBox(a: LonLat, b: LonLat, box: Bounds): boolean {
  let enter = 0;
  let leave = 1;
  const limits = [
    [b[0] - a[0], box.west - a[0], box.east - a[0]],
    [b[1] - a[1], box.south - a[1], box.north - a[1]],
  ] as const;
  for (const [step, low, high] of limits) {
    if (step === 0) {
      if (low > 0 || high < 0) return false;
      continue;
    }
    const [near, far] = step > 0 ? [low / step, high / step] : [high / step, low / step];
    enter = Math.max(enter, near);
    leave = Math.min(leave, far);
    if (enter > leave) return false;
  }
  return true;
}
