import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { PMTiles, TileType } from 'pmtiles';
import { Geo2Error } from '../errors.ts';
import { mapTileGrid } from './map-tile-grid.ts';
import type { PixelGrid } from './pixel-grid.ts';

const IMAGES: ReadonlySet<TileType> = new Set([TileType.Png, TileType.Jpeg, TileType.Webp]);

/** A PMTiles archive (version 3) of images. Errors: SOURCE_INVALID, naming the file. */
export async function openPmtilesSource(path: string): Promise<PixelGrid> {
  const file = basename(path);
  const invalid = (why: string, cause?: unknown): Geo2Error =>
    new Geo2Error('SOURCE_INVALID', `${path} ${why}.`, { data: { file }, cause });
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw invalid('cannot be read: check that it is a file, and its permissions', cause);
  });
  const archive = new PMTiles({
    getKey: () => path,
    async getBytes(offset, length) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await handle.read(bytes, 0, length, offset);
      return { data: bytes.buffer.slice(0, bytesRead) };
    },
  });
  try {
    const header = await archive.getHeader().catch((cause: unknown) => {
      throw invalid('is no PMTiles archive of version 3: copy it again if it was cut off, or convert it', cause);
    });
    if (!IMAGES.has(header.tileType)) throw invalid('holds no PNG, JPEG or WebP tiles: a map of shapes is no imagery');
    return mapTileGrid({
      name: file,
      bounds: { west: header.minLon, south: header.minLat, east: header.maxLon, north: header.maxLat },
      minZoom: header.minZoom,
      maxZoom: header.maxZoom,
      async read({ z, x, y }) {
        const found = await archive.getZxy(z, x, y).catch((cause: unknown) => {
          throw invalid(`is damaged: its tile ${z}/${x}/${y} cannot be read; copy the archive again`, cause);
        });
        return found === undefined ? undefined : new Uint8Array(found.data);
      },
      close: () => handle.close(),
    });
  } catch (error) {
    await handle.close();
    throw error;
  }
}
