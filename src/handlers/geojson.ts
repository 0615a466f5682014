import { destination } from '../core/geo/great-circle.ts';
import { wrap180 } from '../core/geo/units.ts';
import type { GeolocateBody } from './geolocate.ts';

const CIRCLE_CORNERS = 64;

interface Feature {
  readonly type: 'Feature';
  readonly id: string;
  readonly geometry: { readonly type: 'Point' | 'Polygon'; readonly coordinates: unknown };
  readonly properties: Readonly<Record<string, unknown>>;
  readonly bbox?: readonly number[];
}

/**
 * An answer as a map reads it: features `location`, `accuracy` (the circle as a polygon) and `candidate-1`, … with the
 * answer's other members beside `features`, as RFC 7946 allows.
 */
export function toFeatureCollection(body: GeolocateBody): { type: 'FeatureCollection'; features: Feature[] } {
  const { location, accuracy, heading, candidates, ...members } = body;
  const features: Feature[] = [];
  if (location !== undefined) {
    features.push({
      type: 'Feature',
      id: 'location',
      geometry: location,
      properties: {
        role: 'location',
        status: body.status,
        probability: body.probability,
        ...(accuracy === undefined ? {} : accuracy),
        ...(heading === undefined ? {} : { headingDeg: heading.deg, headingAccuracyDeg: heading.accuracyDeg }),
      },
    });
    if (accuracy !== undefined) {
      features.push({
        type: 'Feature',
        id: 'accuracy',
        geometry: { type: 'Polygon', coordinates: [circle(location.coordinates, accuracy.radiusM)] },
        properties: { role: 'accuracy', ...accuracy },
      });
    }
  }
  for (const { location: at, bounds, ...properties } of candidates) {
    features.push({
      type: 'Feature',
      id: `candidate-${properties.rank}`,
      bbox: bounds,
      geometry: at,
      properties: { role: 'candidate', ...properties },
    });
  }
  return { type: 'FeatureCollection', ...members, features };
}

/** Counter-clockwise; longitudes go on beyond 180 across the antimeridian instead of jumping. */
function circle(centre: readonly [number, number], radiusM: number): [number, number][] {
  const ring = Array.from({ length: CIRCLE_CORNERS }, (_, corner): [number, number] => {
    const [lon, lat] = destination(centre, -(360 * corner) / CIRCLE_CORNERS, radiusM);
    return [centre[0] + wrap180(lon - centre[0]), lat];
  });
  const [first] = ring;
  return first === undefined ? [] : [...ring, first];
}
