/** The geometry that the page draws. Points are [lon, lat] in degrees WGS84, lengths in metres, azimuths in degrees clockwise from north. */

/** @typedef {readonly number[]} LonLat */

/** The service's sphere (core/geo/units.ts): a circle drawn here is the circle that was answered. */
export const EARTH_RADIUS_M = 6_371_004;
export const TILE_PX = 256;
const MERCATOR_MAX_LAT_DEG = 85.051129;

/** @param {number} deg */
const rad = (deg) => (deg * Math.PI) / 180;
/** @param {number} angle */
const deg = (angle) => (angle * 180) / Math.PI;

/**
 * Great-circle distance in metres.
 * @param {LonLat} a
 * @param {LonLat} b
 */
export function distanceM([lonA = 0, latA = 0], [lonB = 0, latB = 0]) {
  const halfLat = rad(latB - latA) / 2;
  const halfLon = rad(lonB - lonA) / 2;
  const chord = Math.sin(halfLat) ** 2 + Math.cos(rad(latA)) * Math.cos(rad(latB)) * Math.sin(halfLon) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(chord)));
}

/**
 * Where one arrives after `lengthM` metres in the direction `azimuthDeg`.
 * @param {LonLat} from
 * @param {number} azimuthDeg
 * @param {number} lengthM
 * @returns {[number, number]}
 */
export function destination([lon = 0, lat = 0], azimuthDeg, lengthM) {
  const angle = lengthM / EARTH_RADIUS_M;
  const azimuth = rad(azimuthDeg);
  const latFrom = rad(lat);
  const sinTo = Math.sin(latFrom) * Math.cos(angle) + Math.cos(latFrom) * Math.sin(angle) * Math.cos(azimuth);
  const east = Math.sin(azimuth) * Math.sin(angle) * Math.cos(latFrom);
  return [lon + deg(Math.atan2(east, Math.cos(angle) - Math.sin(latFrom) * sinTo)), deg(Math.asin(sinTo))];
}

/**
 * A closed ring at `radiusM` around the centre.
 * @param {LonLat} centre
 * @param {number} radiusM
 */
export function circleRing(centre, radiusM, steps = 96) {
  return Array.from({ length: steps + 1 }, (_, i) => destination(centre, (360 * (i % steps)) / steps, radiusM));
}

/**
 * A closed ring: the sector from the centre that opens `halfAngleDeg` to both sides of the azimuth.
 * @param {LonLat} centre
 * @param {{ azimuthDeg: number, halfAngleDeg: number, radiusM: number }} sector
 */
export function sectorRing(centre, { azimuthDeg, halfAngleDeg, radiusM }, steps = 24) {
  const arc = Array.from({ length: steps + 1 }, (_, i) =>
    destination(centre, azimuthDeg - halfAngleDeg + (2 * halfAngleDeg * i) / steps, radiusM),
  );
  return [[...centre], ...arc, [...centre]];
}

/**
 * A closed ring around [west, south, east, north].
 * @param {readonly number[]} bbox
 */
export function bboxRing([west = 0, south = 0, east = 0, north = 0]) {
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ];
}

/**
 * Whether a point lies inside [west, south, east, north] or on its edge; a bbox with west > east crosses the antimeridian.
 * @param {readonly number[]} bbox
 * @param {LonLat} point
 */
export function contains([west = 0, south = 0, east = 0, north = 0], [lon = 0, lat = 0]) {
  const inLon = west <= east ? lon >= west && lon <= east : lon >= west || lon <= east;
  return inLon && lat >= south && lat <= north;
}

/**
 * The bbox of points; undefined without any.
 * @param {readonly LonLat[]} points
 * @returns {[number, number, number, number] | undefined}
 */
export function bboxOf(points) {
  if (points.length === 0) return undefined;
  const lons = points.map(([lon = 0]) => lon);
  const lats = points.map(([, lat = 0]) => lat);
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

/**
 * Web Mercator pixels of a world that is 256 * 2^zoom wide, y downwards.
 * @param {LonLat} point
 * @param {number} zoom
 * @returns {[number, number]}
 */
export function toWorldPx([lon = 0, lat = 0], zoom) {
  const size = TILE_PX * 2 ** zoom;
  const sin = Math.sin(rad(Math.max(-MERCATOR_MAX_LAT_DEG, Math.min(MERCATOR_MAX_LAT_DEG, lat))));
  return [((lon + 180) / 360) * size, (0.5 - Math.log((1 + sin) / (1 - sin)) / (4 * Math.PI)) * size];
}

/**
 * @param {readonly number[]} pixel
 * @param {number} zoom
 * @returns {[number, number]}
 */
export function fromWorldPx([x = 0, y = 0], zoom) {
  const size = TILE_PX * 2 ** zoom;
  return [(x / size) * 360 - 180, deg(Math.atan(Math.sinh(Math.PI * (1 - (2 * y) / size))))];
}
