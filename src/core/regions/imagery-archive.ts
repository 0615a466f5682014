import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Header, PMTiles, TileType } from 'pmtiles';
import { Geo2Error } from '../errors.ts';
import type { Bounds } from '../geo/bounds.ts';
import { isMapTile, type MapTile } from '../geo/web-mercator.ts';

/** Map tiles of a region's imagery, read from its PMTiles file, which stays open. */
export interface ImageryArchive {
  readonly bounds: Bounds;
  readonly minZoom: number;
  readonly maxZoom: number;
  readonly tileType: 'webp' | 'jpeg';
  /** The encoded tile; undefined where there is no imagery. Errors: REGION_INVALID (damaged, or closed). */
  tile(tile: MapTile): Promise<Uint8Array | undefined>;
  /** Waits for the reads that run, then closes the file. */
  close(): Promise<void>;
}

/** Opens a PMTiles file. Errors: FILE_MISSING, REGION_INVALID (no archive of WebP or JPEG tiles); both name the file. */
export async function openImagery(path: string): Promise<ImageryArchive> {
  const file = basename(path);
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw new Geo2Error('FILE_MISSING', `${file} is missing or cannot be read.`, { data: { file }, cause });
  });
  const archive = new PMTiles({
    getKey: () => path,
    async getBytes(offset, length) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      return { data: bytes.buffer.slice(0, bytesRead) };
    },
  });
  const reads = new Set<Promise<unknown>>();

  async function read({ z, x, y }: MapTile): Promise<Uint8Array | undefined> {
    const found = await archive.getZxy(z, x, y).catch((cause: unknown) => {
      throw invalid(file, `is damaged or closed: its tile ${z}/${x}/${y} cannot be read`, cause);
    });
    return found === undefined ? undefined : new Uint8Array(found.data);
  }

  try {
    const header = await archive.getHeader();
    return {
      bounds: { west: header.minLon, south: header.minLat, east: header.maxLon, north: header.maxLat },
      minZoom: header.minZoom,
      maxZoom: header.maxZoom,
      tileType: tileTypeOf(header),
      async tile(tile) {
        if (!isMapTile(tile)) return undefined;
        const running = read(tile);
        reads.add(running);
        try {
          return await running;
        } finally {
          reads.delete(running);
        }
      },
      async close() {
        await Promise.allSettled(reads);
        await handle.close();
      },
    };
  } catch (cause) {
    await handle.close();
    throw invalid(file, 'is no PMTiles archive of WebP or JPEG tiles', cause);
  }
}

function tileTypeOf({ tileType }: Header): 'webp' | 'jpeg' {
  if (tileType === TileType.Webp) return 'webp';
  if (tileType === TileType.Jpeg) return 'jpeg';
  throw new RangeError(`its tiles are of type ${tileType}`);
}

function invalid(file: string, why: string, cause: unknown): Geo2Error {
  return new Geo2Error('REGION_INVALID', `${file} ${why}.`, { data: { file }, cause });
}
