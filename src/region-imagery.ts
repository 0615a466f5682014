import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PMTiles, type Source } from 'pmtiles';
import type { ReadImageryTile } from './core/regions/place-imagery.ts';
import type { Region } from './core/retrieval/region.ts';

/** Reads map tiles from the archives of regions, which never change; each archive's directory is read once. */
export function createImageryReader(): ReadImageryTile {
  const archives = new WeakMap<Region, PMTiles>();
  return async (region, { z, x, y }) => {
    const { file, minZoom, maxZoom, tileType } = region.manifest.imagery;
    if (z < minZoom || z > maxZoom) return undefined;
    const archive = archives.get(region) ?? new PMTiles(fileSource(join(region.dir, file)));
    archives.set(region, archive);
    const found = await archive.getZxy(z, x, y);
    if (found === undefined) return undefined;
    return { bytes: new Uint8Array(found.data), contentType: `image/${tileType}` };
  };
}

/** A file as PMTiles reads it; opened for each read, so that nothing is left to close. */
function fileSource(path: string): Source {
  return {
    getKey: () => path,
    async getBytes(offset, length) {
      const handle = await open(path, 'r');
      try {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await handle.read(bytes, 0, length, offset);
        return { data: bytes.buffer.slice(0, bytesRead) };
      } finally {
        await handle.close();
      }
    },
  };
}
