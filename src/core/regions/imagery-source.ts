import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { Geo2Error } from '../errors.ts';
import { type Bounds, centreOf, intersects, unionOf, widthDeg } from '../geo/bounds.ts';
import { distanceM } from '../geo/great-circle.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import { type LonLat, METRES_PER_DEGREE, toRad, wrap180, wrap360 } from '../geo/units.ts';
import { decodeImage } from '../image/decode.ts';
import { FULL_RESOLUTION_LIMITS } from '../image/limits.ts';
import { reduceTo } from '../image/reduce.ts';
import type { ViewSetTile } from './view-set.ts';

export interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** A north-up aerial image with its place. */
export interface AerialImage {
  readonly id: string;
  readonly bounds: Bounds;
  /** Decoded at its own resolution. Errors: those of `decodeImage`, SOURCE_INVALID (missing). */
  read(signal: AbortSignal | undefined): Promise<Pixels>;
}

export interface Crop {
  readonly centre: LonLat;
  /** Side of the square in metres. */
  readonly sizeM: number;
  readonly sizePx: number;
  /** Azimuth that is up, degrees clockwise from north. */
  readonly upDeg: number;
  readonly signal?: AbortSignal | undefined;
}

/** Imagery from which tiles are cut, wherever it is kept. */
export interface ImagerySource {
  readonly images: readonly AerialImage[];
  /** A square of the ground, turned. What no image covers repeats the edge of the nearest one. Errors: SOURCE_INVALID. */
  crop(crop: Crop): Promise<Pixels>;
  /**
   * Samples at many points: fills `rgba` (4 bytes a point), alpha 0 where no image covers. `metresPerPx` is the distance of
   * the points; finer images are reduced to it first.
   */
  sample(points: { readonly lons: Float64Array; readonly lats: Float64Array }, at: SampleOptions): Promise<Uint8Array>;
}

export interface SampleOptions {
  /** Holds every point. */
  readonly bounds: Bounds;
  readonly metresPerPx: number;
  readonly signal?: AbortSignal | undefined;
}

/** Decoded images that stay in memory. */
const CACHE_BYTES = 256 * 1024 * 1024;
/** Images are reduced only when they are finer than what is asked by more than this. */
const FINER = 1.2;

/** The tiles of a view set as imagery. */
export function viewSetImagery(dir: string, tiles: readonly ViewSetTile[]): ImagerySource {
  return createImagerySource(
    tiles.map(({ id, image, bounds }) => ({
      id,
      bounds,
      read: async (signal) => {
        const bytes = await readFile(join(dir, image)).catch((cause: unknown) => {
          throw new Geo2Error('SOURCE_INVALID', `${image}, the image of tile ${id}, cannot be read.`, {
            data: { file: image },
            cause,
          });
        });
        return decodeImage(bytes, FULL_RESOLUTION_LIMITS, { signal }).catch((cause: unknown) => {
          if (!(cause instanceof Geo2Error) || cause.code === 'CANCELED') throw cause;
          throw new Geo2Error('SOURCE_INVALID', `${image}, the image of tile ${id}: ${cause.message}`, {
            data: { file: image },
            cause,
          });
        });
      },
    })),
  );
}

/** Throws SOURCE_INVALID when there are no images. */
export function createImagerySource(images: readonly AerialImage[]): ImagerySource {
  if (images.length === 0) throw new Geo2Error('SOURCE_INVALID', 'The source has no imagery.');
  const cache = new LRUCache<string, Pixels>({ maxSize: CACHE_BYTES, sizeCalculation: ({ rgb }) => rgb.length + 1 });
  const near = createBoundsIndex(images);

  /** An image at no finer than the asked resolution. */
  async function load(image: AerialImage, metresPerPx: number, signal: AbortSignal | undefined): Promise<Pixels> {
    const whole = cache.get(image.id) ?? (await image.read(signal));
    if (!cache.has(image.id)) cache.set(image.id, whole);
    const nativeM = heightM(image.bounds) / whole.heightPx;
    const factor = metresPerPx / nativeM;
    if (factor <= FINER) return whole;
    const size = {
      widthPx: Math.max(1, Math.round(whole.widthPx / factor)),
      heightPx: Math.max(1, Math.round(whole.heightPx / factor)),
    };
    const key = `${image.id} ${size.widthPx}x${size.heightPx}`;
    const reduced = cache.get(key) ?? (await reduceTo(whole, size));
    cache.set(key, reduced);
    return reduced;
  }

  async function layersFor(bounds: Bounds, centre: LonLat, { metresPerPx, signal }: SampleOptions): Promise<Layer[]> {
    const wanted = near(bounds).sort(
      (a, b) => distanceM(centre, centreOf(a.bounds)) - distanceM(centre, centreOf(b.bounds)),
    );
    return Promise.all(
      wanted.map(async (image) => ({ bounds: image.bounds, pixels: await load(image, metresPerPx, signal) })),
    );
  }

  return {
    images,

    async crop({ centre, sizeM, sizePx, upDeg, signal }) {
      const frame = createLocalFrame(centre);
      const metresPerPx = sizeM / sizePx;
      const reachM = (sizeM / 2) * Math.SQRT2;
      const [west, south] = frame.toLonLat({ eastM: -reachM, northM: -reachM });
      const [east, north] = frame.toLonLat({ eastM: reachM, northM: reachM });
      const layers = await layersFor({ west, south, east, north }, centre, {
        bounds: { west, south, east, north },
        metresPerPx,
        signal,
      });
      const [first] = layers;
      if (first === undefined) {
        throw new Geo2Error('SOURCE_INVALID', `No imagery covers ${centre[0].toFixed(6)}, ${centre[1].toFixed(6)}.`);
      }
      const [sine, cosine] = [Math.sin(toRad(upDeg)), Math.cos(toRad(upDeg))];
      const rgb = new Uint8Array(sizePx * sizePx * 3);
      for (let row = 0; row < sizePx; row++) {
        const aheadM = (sizePx / 2 - row - 0.5) * metresPerPx;
        for (let column = 0; column < sizePx; column++) {
          const rightM = (column + 0.5 - sizePx / 2) * metresPerPx;
          const point = frame.toLonLat({
            eastM: aheadM * sine + rightM * cosine,
            northM: aheadM * cosine - rightM * sine,
          });
          const layer = layers.find(({ bounds }) => covers(bounds, point[0], point[1])) ?? first;
          sampleInto(layer, point[0], point[1], rgb, (row * sizePx + column) * 3);
        }
      }
      return { rgb, widthPx: sizePx, heightPx: sizePx };
    },

    async sample({ lons, lats }, options) {
      const layers = await layersFor(options.bounds, centreOf(options.bounds), options);
      const rgba = new Uint8Array(lons.length * 4);
      for (const [i, lon] of lons.entries()) {
        const lat = lats[i] ?? 0;
        const layer = layers.find(({ bounds }) => covers(bounds, lon, lat));
        if (layer === undefined) continue;
        sampleInto(layer, lon, lat, rgba, i * 4);
        rgba[i * 4 + 3] = 255;
      }
      return rgba;
    },
  };
}

interface Layer {
  readonly bounds: Bounds;
  readonly pixels: Pixels;
}

function covers({ west, south, east, north }: Bounds, lon: number, lat: number): boolean {
  if (lat < south || lat > north) return false;
  if (west <= east) return lon >= west && lon <= east;
  return wrap360(lon - west) <= wrap360(east - west);
}

/** Bilinear; outside of the image its edge is repeated. */
function sampleInto({ bounds, pixels }: Layer, lon: number, lat: number, out: Uint8Array, offset: number): void {
  const { rgb, widthPx, heightPx } = pixels;
  const x = clampTo((wrap180(lon - bounds.west) / widthDeg(bounds)) * widthPx - 0.5, widthPx - 1);
  const y = clampTo(((bounds.north - lat) / (bounds.north - bounds.south)) * heightPx - 0.5, heightPx - 1);
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [fx, fy] = [x - left, y - top];
  const right = Math.min(left + 1, widthPx - 1);
  const upper = top * widthPx;
  const lower = Math.min(top + 1, heightPx - 1) * widthPx;
  for (let c = 0; c < 3; c++) {
    const above = (rgb[(upper + left) * 3 + c] ?? 0) * (1 - fx) + (rgb[(upper + right) * 3 + c] ?? 0) * fx;
    const below = (rgb[(lower + left) * 3 + c] ?? 0) * (1 - fx) + (rgb[(lower + right) * 3 + c] ?? 0) * fx;
    out[offset + c] = Math.floor(above * (1 - fy) + below * fy + 0.5);
  }
}

function clampTo(value: number, high: number): number {
  return value < 0 ? 0 : Math.min(value, high);
}

/** North-south extent in metres. */
export function heightM(bounds: Bounds): number {
  return (bounds.north - bounds.south) * METRES_PER_DEGREE;
}

/** East-west extent in metres at the middle latitude. */
export function widthM(bounds: Bounds): number {
  return widthDeg(bounds) * METRES_PER_DEGREE * Math.cos(toRad(centreOf(bounds)[1]));
}

/** Which images touch a rectangle, by a grid whose cells are about as large as an image. */
function createBoundsIndex(images: readonly AerialImage[]): (bounds: Bounds) => AerialImage[] {
  const all = unionOf(images.map((image) => image.bounds));
  const [first] = images;
  if (all === undefined || first === undefined) return () => [];
  const cell = {
    lon: Math.max(widthDeg(first.bounds), 1e-9),
    lat: Math.max(first.bounds.north - first.bounds.south, 1e-9),
  };
  const range = (bounds: Bounds) => {
    const west = Math.floor(wrap180(bounds.west - all.west) / cell.lon);
    const south = Math.floor((bounds.south - all.south) / cell.lat);
    return {
      west,
      south,
      east: west + Math.ceil(widthDeg(bounds) / cell.lon),
      north: Math.floor((bounds.north - all.south) / cell.lat),
    };
  };
  const cells = new Map<string, AerialImage[]>();
  for (const image of images) {
    const { west, south, east, north } = range(image.bounds);
    for (let y = south; y <= north; y++) {
      for (let x = west; x <= east; x++) {
        const key = `${x},${y}`;
        cells.set(key, [...(cells.get(key) ?? []), image]);
      }
    }
  }
  return (bounds) => {
    const { west, south, east, north } = range(bounds);
    if ((east - west + 1) * (north - south + 1) > cells.size) {
      return images.filter((image) => intersects(image.bounds, bounds));
    }
    const found = new Set<AerialImage>();
    for (let y = south; y <= north; y++) {
      for (let x = west; x <= east; x++) for (const image of cells.get(`${x},${y}`) ?? []) found.add(image);
    }
    return [...found].filter((image) => intersects(image.bounds, bounds));
  };
}
