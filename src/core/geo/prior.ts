import { type Bounds, intersects, widthDeg } from './bounds.ts';
import { distanceM } from './great-circle.ts';
import { type PolygonRings, polygonIntersectsBounds } from './polygon.ts';
import { clamp, type LonLat, toDeg, toRad, wrap180, wrap360 } from './units.ts';

/** What a caller knows about the place beforehand. */
export type Prior =
  | { readonly type: 'circle'; readonly center: LonLat; readonly radiusM: number }
  | { readonly type: 'bbox'; readonly bbox: readonly [west: number, south: number, east: number, north: number] }
  | { readonly type: 'Polygon'; readonly coordinates: PolygonRings };

/** Whether any point of the bounds is allowed by the prior; touching counts. */
export function priorTouches(prior: Prior, bounds: Bounds): boolean {
  switch (prior.type) {
    case 'circle':
      return distanceToBoundsM(prior.center, bounds) <= prior.radiusM;
    case 'bbox': {
      const [west, south, east, north] = prior.bbox;
      return intersects({ west, south, east, north }, bounds);
    }
    case 'Polygon':
      return polygonIntersectsBounds(prior.coordinates, bounds);
  }
}

/** Great-circle distance in metres from a point to the nearest point of the bounds; 0 inside. */
export function distanceToBoundsM(point: LonLat, bounds: Bounds): number {
  const [lon, lat] = point;
  const nearestLat = clamp(lat, bounds.south, bounds.north);
  if (wrap360(lon - bounds.west) <= widthDeg(bounds)) return distanceM(point, [lon, nearestLat]);
  return Math.min(distanceToMeridianM(point, bounds.west, bounds), distanceToMeridianM(point, bounds.east, bounds));
}

/** To the piece of a meridian between south and north. */
function distanceToMeridianM(point: LonLat, lon: number, { south, north }: Bounds): number {
  const apart = toRad(wrap180(lon - point[0]));
  // the foot of the perpendicular great circle; beyond a quarter turn the nearest point is one of the ends
  const foot = Math.cos(apart) > 0 ? toDeg(Math.atan2(Math.tan(toRad(point[1])), Math.cos(apart))) : undefined;
  const lats = [south, north, ...(foot === undefined ? [] : [clamp(foot, south, north)])];
  return Math.min(...lats.map((lat) => distanceM(point, [lon, lat])));
}
