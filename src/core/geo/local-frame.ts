import { type LonLat, METRES_PER_DEGREE, toRad, wrap180 } from './units.ts';

/** East and north of a frame's origin, in metres. */
export interface LocalM {
  readonly eastM: number;
  readonly northM: number;
}

/**
 * A flat frame at `origin`: x east, y north, metres. Within 1 km it agrees with great-circle distances to 1 part in 1,000
 * up to 80 degrees of latitude; it is not for distances beyond a city.
 */
export interface LocalFrame {
  readonly origin: LonLat;
  toLocal(point: LonLat): LocalM;
  toLonLat(local: LocalM): LonLat;
}

export function createLocalFrame(origin: LonLat): LocalFrame {
  const eastPerDegM = METRES_PER_DEGREE * Math.cos(toRad(origin[1]));
  return {
    origin,
    toLocal: ([lon, lat]) => ({
      eastM: wrap180(lon - origin[0]) * eastPerDegM,
      northM: (lat - origin[1]) * METRES_PER_DEGREE,
    }),
    toLonLat: ({ eastM, northM }) => [wrap180(origin[0] + eastM / eastPerDegM), origin[1] + northM / METRES_PER_DEGREE],
  };
}
