import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { type Bounds, centreOf, unionOf } from '../geo/bounds.ts';
import { distanceM } from '../geo/great-circle.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import type { LonLat } from '../geo/units.ts';
import { decodeImage } from '../image/decode.ts';
import { FULL_RESOLUTION_LIMITS } from '../image/limits.ts';
import { reduceTo } from '../image/reduce.ts';
import { createBoundsIndex } from './bounds-index.ts';
import { cutSquare, drawLattice, heightM, type Pixels, type Raster, type Square, widthM } from './raster.ts';
import type { ViewSetTile } from './view-set.ts';

/** A north-up aerial image with its place. */
export interface AerialImage {
  readonly id: string;
  readonly bounds: Bounds;
  /** Decoded at its own resolution. Errors: SOURCE_INVALID, naming the file. */
  read(): Promise<Pixels>;
}

/** Imagery from which tiles are cut, wherever it is kept. */
export interface ImagerySource {
  /** Images of which each may be a tile, or have tiles cut from it; none when `extent` is one picture. */
  readonly images: readonly AerialImage[];
  /** Holds all imagery. */
  readonly extent: Bounds;
  /** The imagery's own resolution at a latitude. Errors: SOURCE_INVALID. */
  metresPerPx(latDeg: number): Promise<number>;
  /** Whether there may be imagery in the rectangle. */
  touches(bounds: Bounds): boolean;
  /**
   * A square of the ground, turned; undefined where imagery is missing. What lies around the square repeats the nearest edge
   * where it shows nothing. Errors: SOURCE_INVALID, CANCELED.
   */
  crop(square: Square & Cancelable): Promise<Pixels | undefined>;
  /** Colours at every crossing of meridians and parallels. Errors: SOURCE_INVALID, CANCELED. */
  draw(lattice: Lattice & Cancelable): Promise<Uint8Array>;
  /** Frees what the source holds open. */
  close(): Promise<void>;
}

/** Points of a map: RGBA comes back row by row, alpha 0 where no image covers. */
export interface Lattice {
  /** Of the columns. */
  readonly lons: Float64Array;
  /** Of the rows. */
  readonly lats: Float64Array;
  /** Holds every point. */
  readonly bounds: Bounds;
  /** Distance of the points; finer images are reduced to it first. */
  readonly metresPerPx: number;
}

interface Cancelable {
  readonly signal?: AbortSignal | undefined;
}

export interface ImagerySourceOptions {
  /** Decoded pixels that stay in memory, in bytes. */
  readonly cacheBytes?: number | undefined;
}

const CACHE_BYTES = 256 * 1024 * 1024;
/** Images are reduced only when they are finer than what is asked by more than this. */
const FINER = 1.2;

/** The tiles of a view set as imagery. */
export function viewSetImagery(
  dir: string,
  tiles: readonly ViewSetTile[],
  options: ImagerySourceOptions = {},
): ImagerySource {
  return createImagerySource(
    tiles.map((tile) => ({ id: tile.id, bounds: tile.bounds, read: () => readTile(dir, tile) })),
    options,
  );
}

async function readTile(dir: string, { id, image }: ViewSetTile): Promise<Pixels> {
  const bytes = await readFile(join(dir, image)).catch((cause: unknown) => {
    throw new Geo2Error('SOURCE_INVALID', `${image}, the image of tile ${id}, cannot be read.`, {
      data: { file: image },
      cause,
    });
  });
  try {
    const { rgb, widthPx, heightPx } = await decodeImage(bytes, FULL_RESOLUTION_LIMITS);
    return { rgb, widthPx, heightPx };
  } catch (cause) {
    if (!(cause instanceof Geo2Error)) throw cause;
    throw new Geo2Error('SOURCE_INVALID', `${image}, the image of tile ${id}: ${cause.message}`, {
      data: { file: image },
      cause,
    });
  }
}

/** Throws SOURCE_INVALID when there are no images. */
export function createImagerySource(
  images: readonly AerialImage[],
  { cacheBytes = CACHE_BYTES }: ImagerySourceOptions = {},
): ImagerySource {
  const extent = unionOf(images.map(({ bounds }) => bounds));
  if (extent === undefined) throw new Geo2Error('SOURCE_INVALID', 'The source has no imagery.');
  const kept = keepPixels(cacheBytes);
  const sizes = new Map<string, { widthPx: number; heightPx: number }>();
  const keptImages = images.map(({ id, bounds, read }) => ({ id, bounds, read: () => kept(id, read) }));
  const near = createBoundsIndex(keptImages);

  /** An image at no finer than the asked resolution. */
  async function load(image: AerialImage, metresPerPx: number): Promise<Raster> {
    const { id, bounds } = image;
    const native = sizes.get(id) ?? (await image.read());
    sizes.set(id, { widthPx: native.widthPx, heightPx: native.heightPx });
    const size = {
      widthPx: reducedPx(native.widthPx, widthM(bounds) / metresPerPx),
      heightPx: reducedPx(native.heightPx, heightM(bounds) / metresPerPx),
    };
    if (size.widthPx === native.widthPx && size.heightPx === native.heightPx) {
      return { bounds, pixels: await image.read() };
    }
    const key = `${id} ${size.widthPx}x${size.heightPx}`;
    return { bounds, pixels: await kept(key, async () => reduceTo(await image.read(), size)) };
  }

  /** Nearest first. */
  async function rastersIn(bounds: Bounds, metresPerPx: number, centre: LonLat): Promise<Raster[]> {
    const wanted = near(bounds)
      .map((image) => ({ image, awayM: distanceM(centre, centreOf(image.bounds)) }))
      .sort((a, b) => a.awayM - b.awayM);
    return Promise.all(wanted.map(({ image }) => load(image, metresPerPx)));
  }

  return {
    images: keptImages,
    extent,

    async metresPerPx() {
      const [first] = keptImages;
      if (first === undefined) return Number.POSITIVE_INFINITY;
      return heightM(first.bounds) / (await first.read()).heightPx;
    },

    touches: (bounds) => near(bounds).length > 0,

    async crop({ signal, ...square }) {
      throwIfCanceled(signal);
      const { centre, sizeM, sizePx } = square;
      const rasters = await rastersIn(squareAround(centre, sizeM * Math.SQRT2), sizeM / sizePx, centre);
      return rasters.length === 0 ? undefined : cutSquare(rasters, square);
    },

    async draw({ lons, lats, bounds, metresPerPx, signal }) {
      throwIfCanceled(signal);
      return drawLattice(await rastersIn(bounds, metresPerPx, centreOf(bounds)), { lons, lats });
    },

    close: async () => {},
  };
}

/** Pixels by key in memory; whoever asks for what is just being read waits for the same reading. */
function keepPixels(maxBytes: number): (key: string, read: () => Promise<Pixels>) => Promise<Pixels> {
  const cache = new LRUCache<string, Pixels>({ maxSize: maxBytes, sizeCalculation: ({ rgb }) => rgb.length + 1 });
  const reading = new Map<string, Promise<Pixels>>();

  async function readAndKeep(key: string, read: () => Promise<Pixels>): Promise<Pixels> {
    const pixels = await read();
    cache.set(key, pixels);
    return pixels;
  }

  return async (key, read) => {
    const found = cache.get(key);
    if (found !== undefined) return found;
    const flight = reading.get(key) ?? readAndKeep(key, read).finally(() => reading.delete(key));
    reading.set(key, flight);
    return flight;
  };
}

/** Side in pixels of an image that needs no more than `neededPx`. */
function reducedPx(nativePx: number, neededPx: number): number {
  return nativePx / neededPx <= FINER ? nativePx : Math.max(1, Math.round(neededPx));
}

/** The rectangle that holds a square of ground whose sides run north. */
export function squareAround(centre: LonLat, sizeM: number): Bounds {
  const frame = createLocalFrame(centre);
  const [west, south] = frame.toLonLat({ eastM: -sizeM / 2, northM: -sizeM / 2 });
  const [east, north] = frame.toLonLat({ eastM: sizeM / 2, northM: sizeM / 2 });
  return { west, south, east, north };
}
