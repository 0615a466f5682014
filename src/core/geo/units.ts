/** Mean radius of the sphere on which every distance here is measured, in metres. */
export const EARTH_RADIUS_M = 6_371_004;

/** Metres along a meridian for one degree of latitude on that sphere. */
export const METRES_PER_DEGREE = (EARTH_RADIUS_M * Math.PI) / 180;

/** WGS84 longitude and latitude in degrees, in GeoJSON's order. */
export type LonLat = readonly [lonDeg: number, latDeg: number];

export function toRad(angleDeg: number): number {
  return (angleDeg * Math.PI) / 180;
}

export function toDeg(angleRad: number): number {
  return (angleRad * 180) / Math.PI;
}

/** Into [0, 360): a heading. */
export function wrap360(angleDeg: number): number {
  const wrapped = angleDeg - 360 * Math.floor(angleDeg / 360);
  // a tiny negative angle rounds up to 360, or stays below 0 where it is denormal
  return wrapped >= 360 || wrapped < 0 ? 0 : wrapped;
}

/** Into [-180, 180): a longitude, or a difference of angles. */
export function wrap180(angleDeg: number): number {
  return wrap360(angleDeg + 180) - 180;
}

/** The unsigned angle between two directions, 0..180 degrees. */
export function angleBetweenDeg(aDeg: number, bDeg: number): number {
  return Math.abs(wrap180(aDeg - bDeg));
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
