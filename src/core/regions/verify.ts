import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { PMTiles, type Source, TileType } from 'pmtiles';
import { Geo2Error } from '../errors.ts';
import { centreOf } from '../geo/bounds.ts';
import { mapTileAt } from '../geo/web-mercator.ts';
import { boundsOfTile, loadRegion, type OpenIndex, type Region } from '../retrieval/region.ts';
import type { RegionManifest } from '../retrieval/region-manifest.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { openVersion } from '../storage/versioned.ts';

export interface VerifyRegionOptions {
  readonly id: string;
  /** The one in use when left out. */
  readonly version?: string | undefined;
  readonly cacheDir?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyRegionDeps {
  readonly store: ObjectStore;
  readonly openIndex: OpenIndex;
  readonly model: { readonly name: string; readonly version: string; readonly width: number };
}

/**
 * Checks a version as a service would, and further: checksums, every file's form, tiles against index against imagery, and
 * that rows of the index are unit vectors. Errors name the file: FILE_MISSING, FILE_CORRUPT, MANIFEST_INVALID, MODEL_MISMATCH,
 * REGION_INVALID, INDEX_INVALID.
 */
export async function verifyRegion(options: VerifyRegionOptions, deps: VerifyRegionDeps): Promise<RegionManifest> {
  const { id, version, cacheDir, signal } = options;
  const local = await openVersion(deps.store, `regions/${id}`, { version, cacheDir, signal });
  const region = await loadRegion(local, { openIndex: deps.openIndex, model: deps.model, expectedId: id });
  try {
    await checkRows(region, signal);
    await checkImagery(region);
    return region.manifest;
  } finally {
    await region.close();
  }
}

/** Along an axis no unit vector reaches beyond 1, and damaged rows are not finite. */
async function checkRows({ index, manifest }: Region, signal: AbortSignal | undefined): Promise<void> {
  for (let axis = 0; axis < Math.min(index.width, 8); axis++) {
    const query = new Float32Array(index.width);
    query[axis] = 1;
    const [best] = await index.search(query, { k: 1, signal });
    if (best === undefined || !Number.isFinite(best.similarity) || Math.abs(best.similarity) > 1 + 1e-3) {
      throw invalid(manifest.index.file, `holds rows that are no unit vectors`);
    }
  }
}

async function checkImagery({ dir, manifest, tiles }: Region): Promise<void> {
  const { file, minZoom, maxZoom, tileType } = manifest.imagery;
  const archive = new PMTiles(fileSource(join(dir, file)));
  const header = await archive.getHeader().catch((cause: unknown) => {
    throw new Geo2Error('REGION_INVALID', `${file} is no PMTiles archive.`, { data: { file }, cause });
  });
  if (header.minZoom !== minZoom || header.maxZoom !== maxZoom) {
    throw invalid(file, `holds zooms ${header.minZoom}-${header.maxZoom}, the manifest says ${minZoom}-${maxZoom}`);
  }
  if (header.tileType !== (tileType === 'webp' ? TileType.Webp : TileType.Jpeg))
    throw invalid(file, `holds no ${tileType}`);
  for (const ordinal of [0, Math.floor(tiles.count / 2), tiles.count - 1]) {
    const tile = mapTileAt(centreOf(boundsOfTile(tiles, ordinal)), maxZoom);
    if ((await archive.getZxy(tile.z, tile.x, tile.y)) === undefined) {
      throw invalid(file, `has no imagery where tile ${tiles.ids[ordinal]} is`);
    }
  }
}

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

function invalid(file: string, why: string): Geo2Error {
  return new Geo2Error('REGION_INVALID', `${file} ${why}.`, { data: { file } });
}
