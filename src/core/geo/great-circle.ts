import { EARTH_RADIUS_M, type LonLat, toDeg, toRad, wrap180, wrap360 } from './units.ts';

/** Great-circle distance in metres on the sphere of `EARTH_RADIUS_M` (haversine: exact for near points too). */
export function distanceM(a: LonLat, b: LonLat): number {
  const halfLat = toRad(b[1] - a[1]) / 2;
  const halfLon = toRad(wrap180(b[0] - a[0])) / 2;
  const chord = Math.sin(halfLat) ** 2 + Math.cos(toRad(a[1])) * Math.cos(toRad(b[1])) * Math.sin(halfLon) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/** Azimuth in degrees clockwise from north, [0, 360), in which the shortest way from a to b sets out. */
export function bearingDeg(a: LonLat, b: LonLat): number {
  const lon = toRad(b[0] - a[0]);
  const [latA, latB] = [toRad(a[1]), toRad(b[1])];
  const east = Math.sin(lon) * Math.cos(latB);
  const north = Math.cos(latA) * Math.sin(latB) - Math.sin(latA) * Math.cos(latB) * Math.cos(lon);
  return wrap360(toDeg(Math.atan2(east, north)));
}

/** Where one arrives after `lengthM` metres on the great circle that leaves `from` at `azimuthDeg`. */
export function destination(from: LonLat, azimuthDeg: number, lengthM: number): LonLat {
  const angle = lengthM / EARTH_RADIUS_M;
  const azimuth = toRad(azimuthDeg);
  const lat = toRad(from[1]);
  const sinLat = Math.sin(lat) * Math.cos(angle) + Math.cos(lat) * Math.sin(angle) * Math.cos(azimuth);
  const east = Math.sin(azimuth) * Math.sin(angle) * Math.cos(lat);
  const north = Math.cos(angle) - Math.sin(lat) * sinLat;
  return [wrap180(from[0] + toDeg(Math.atan2(east, north))), toDeg(Math.asin(Math.min(1, Math.max(-1, sinLat))))];
}
