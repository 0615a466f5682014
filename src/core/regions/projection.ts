import proj4 from 'proj4';
import type { LonLat } from '../geo/units.ts';

/** The flat coordinates of an image: x to the east and y to the north, in the projection's units (metres or degrees). */
export interface Projection {
  readonly epsg: number;
  readonly unit: 'm' | 'deg';
  toPlane(point: LonLat): { readonly x: number; readonly y: number };
  toLonLat(point: { readonly x: number; readonly y: number }): LonLat;
}

export const KNOWN_PROJECTIONS = 'EPSG:4326, EPSG:3857 and UTM (EPSG:326xx, 327xx, 258xx, 3067)';

/** Undefined for what is not known here: see KNOWN_PROJECTIONS. Datums that agree within a metre are taken as one (ETRS89, WGS84). */
export function projectionOf(epsg: number): Projection | undefined {
  if (epsg === 4326 || epsg === 4258) {
    return { epsg, unit: 'deg', toPlane: ([x, y]) => ({ x, y }), toLonLat: ({ x, y }) => [x, y] };
  }
  const definition = definitionOf(epsg);
  if (definition === undefined) return undefined;
  const convert = proj4('+proj=longlat +datum=WGS84 +no_defs', definition);
  return {
    epsg,
    unit: 'm',
    toPlane([lon, lat]) {
      const [x, y] = convert.forward([lon, lat]);
      return { x, y };
    },
    toLonLat({ x, y }) {
      const [lon, lat] = convert.inverse([x, y]);
      return [lon, lat];
    },
  };
}

function definitionOf(epsg: number): string | undefined {
  if (epsg === 3857) {
    return '+proj=merc +a=6378137 +b=6378137 +lat_ts=0 +lon_0=0 +x_0=0 +y_0=0 +k=1 +units=m +nadgrids=@null +no_defs';
  }
  if (epsg === 3067) return utm(35, 'north'); // ETRS-TM35FIN is the zone of all of Finland
  const zone = epsg % 100;
  const family = (epsg - zone) / 100;
  if (zone < 1 || zone > 60) return undefined;
  if (family === 326) return utm(zone, 'north');
  if (family === 327) return utm(zone, 'south');
  return family === 258 && zone >= 28 && zone <= 38 ? utm(zone, 'north') : undefined;
}

function utm(zone: number, half: 'north' | 'south'): string {
  return `+proj=utm +zone=${zone} ${half === 'south' ? '+south ' : ''}+datum=WGS84 +units=m +no_defs`;
}
