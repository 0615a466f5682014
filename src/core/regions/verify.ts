import { join } from 'node:path';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { centreOf, toBbox } from '../geo/bounds.ts';
import { mapTileAt } from '../geo/web-mercator.ts';
import type { Model } from '../inference/model.ts';
import { checkGoldenQueries } from '../retrieval/golden-queries.ts';
import { boundsOfTile, loadRegion, type OpenIndex, type Region, readRegionManifest } from '../retrieval/region.ts';
import type { RegionManifest } from '../retrieval/region-manifest.ts';
import { extentBounds } from '../retrieval/stac.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { VersionCache } from '../storage/version-cache.ts';
import { openVersion } from '../storage/versioned.ts';
import { createTileEmbedder } from './embed-tiles.ts';
import { openImagery } from './imagery-archive.ts';
import type { ImagerySource } from './imagery-source.ts';
import type { QuietThread } from './quiet-thread.ts';
import { spread } from './spread.ts';
import type { PlannedTile } from './tile-grid.ts';

export interface VerifyRegionOptions {
  readonly id: string;
  /** The one in use when left out. */
  readonly version?: string | undefined;
  readonly cache?: VersionCache | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface VerifyRegionDeps {
  readonly store: ObjectStore;
  readonly openIndex: OpenIndex;
  /** What computes beside requests that are answered; left out where there are none. */
  readonly quiet?: Pick<QuietThread, 'verifyFiles' | 'readTilesTable'> | undefined;
  /** The one that must have embedded it; any will do where it is left out. */
  readonly model?: { readonly name: string; readonly version: string; readonly width: number } | undefined;
  /** Imagery and model from which the region was built: a few tiles are embedded again and compared. */
  readonly origin?: { readonly source: ImagerySource; readonly model: Model } | undefined;
}

/** Tiles that are looked at, spread over the region. */
const SAMPLES = 5;
/** Of a row's length from 1, and of a cosine from 1 between a row and the same tile embedded again. */
const TOLERANCE = 1e-3;
/** The extent may be rounded: about a metre. */
const EXTENT_TOLERANCE_DEG = 1e-5;

/**
 * Checks a version as a service would, and further: checksums, every file's form, tiles against index against extent against
 * imagery, its golden queries (of a bundle that has none: that rows are unit vectors), and, with `origin`, that rows are the
 * embeddings of their tiles. Errors name
 * the file: FILE_MISSING, FILE_CORRUPT, MANIFEST_INVALID, MODEL_MISMATCH, REGION_INVALID, INDEX_INVALID; also those of the origin.
 */
export async function verifyRegion(options: VerifyRegionOptions, deps: VerifyRegionDeps): Promise<RegionManifest> {
  const { id, version, cache, signal } = options;
  const region = await openVerified({ id, version, cache, signal }, deps);
  try {
    await checkImagery(region, { sampled: true });
    if (deps.origin !== undefined) await checkEmbeddings(region, deps.origin, signal);
    return region.manifest;
  } finally {
    await region.close();
  }
}

/**
 * What a version is checked for before it is served, and leaves it open: all of it, but for whether there is imagery at every
 * place.
 */
export async function openVerified(
  { id, version, cache, signal }: VerifyRegionOptions,
  deps: Pick<VerifyRegionDeps, 'store' | 'openIndex' | 'model' | 'quiet'>,
): Promise<Region> {
  const { openIndex, quiet } = deps;
  const verify = quiet?.verifyFiles;
  const local = await openVersion(deps.store, `regions/${id}`, { version, cache, verify, signal });
  let region: Region | undefined;
  try {
    const model = deps.model ?? (await ownModel(local.dir));
    region = await loadRegion(local, { openIndex, model, expectedId: id, readTiles: quiet?.readTilesTable });
    checkExtent(region);
    // rows that are golden queries find themselves with a similarity of 1: their length is known then
    if ((await checkGoldenQueries(region, { signal })) === 0) await checkRows(region, signal);
    await checkImagery(region, { sampled: false });
    return region;
  } catch (error) {
    await region?.close();
    await local.release?.();
    throw error;
  }
}

async function ownModel(dir: string): Promise<NonNullable<VerifyRegionDeps['model']>> {
  const { model, embeddingWidth: width } = await readRegionManifest(dir);
  return { ...model, width };
}

function checkExtent({ collection, bounds, manifest }: Region): void {
  const found = extentBounds(collection);
  const sides = ['west', 'south', 'east', 'north'] as const;
  if (sides.every((side) => Math.abs(found[side] - bounds[side]) <= EXTENT_TOLERANCE_DEG)) return;
  throw invalid(
    manifest.collection.file,
    `says that the region lies in ${toBbox(found).join(', ')}; its tiles lie elsewhere`,
  );
}

async function checkRows({ index, manifest, tiles }: Region, signal: AbortSignal | undefined): Promise<void> {
  for (const ordinal of spread(tiles.count, SAMPLES)) {
    const orientation = ordinal % manifest.headings;
    let sum = 0;
    for (let axis = 0; axis < index.width; axis++) {
      throwIfCanceled(signal);
      const query = new Float32Array(index.width);
      query[axis] = 1;
      // the inner product with an axis is the row's number there
      const rows = { rowsPerTile: manifest.headings, tiles: Int32Array.of(ordinal), orientation };
      const [found] = await index.search(query, { k: 1, rows, signal });
      sum += (found?.similarity ?? Number.NaN) ** 2;
    }
    if (Math.abs(Math.sqrt(sum) - 1) <= TOLERANCE) continue;
    throw invalid(
      manifest.index.file,
      `holds a vector of length ${Math.sqrt(sum)} for tile ${tiles.ids[ordinal]}, not 1`,
    );
  }
}

async function checkImagery({ dir, manifest, tiles }: Region, { sampled }: { sampled: boolean }): Promise<void> {
  const { file, minZoom, maxZoom, tileType } = manifest.imagery;
  const archive = await openImagery(join(dir, file));
  try {
    if (archive.minZoom !== minZoom || archive.maxZoom !== maxZoom) {
      const found = `${archive.minZoom} to ${archive.maxZoom}`;
      throw invalid(file, `holds the zooms ${found}, the manifest says ${minZoom} to ${maxZoom}`);
    }
    if (archive.tileType !== tileType) throw invalid(file, `holds ${archive.tileType}, the manifest says ${tileType}`);
    for (const ordinal of sampled ? spread(tiles.count, SAMPLES) : []) {
      const centre = centreOf(boundsOfTile(tiles, ordinal));
      for (const zoom of new Set([minZoom, maxZoom])) {
        if ((await archive.tile(mapTileAt(centre, zoom))) !== undefined) continue;
        throw invalid(file, `has no imagery where tile ${tiles.ids[ordinal]} is (zoom ${zoom})`);
      }
    }
  } finally {
    await archive.close();
  }
}

/** Rows are told apart from their neighbours' only by what the model sees: a shifted index or another source shows here. */
async function checkEmbeddings(
  { index, manifest, tiles }: Region,
  { source, model }: { readonly source: ImagerySource; readonly model: Model },
  signal: AbortSignal | undefined,
): Promise<void> {
  const { headings, metresPerTile: tileM } = manifest;
  const images = new Map(source.images.map((image) => [image.id, image]));
  const plannedTile = (ordinal: number): PlannedTile => {
    const id = tiles.ids[ordinal] ?? '';
    const image = images.get(id); // tiles that were cut have ids of their own
    return { id, bounds: boundsOfTile(tiles, ordinal), ...(image === undefined ? {} : { image }) };
  };
  for (const ordinal of spread(tiles.count, SAMPLES)) {
    const id = tiles.ids[ordinal] ?? '';
    const embedder = createTileEmbedder([model], { source, tileM, headings, signal });
    const { vectors } = await (await embedder.cut([plannedTile(ordinal)])).done;
    for (let orientation = 0; orientation < headings; orientation++) {
      const query = vectors.slice(orientation * index.width, (orientation + 1) * index.width);
      const rows = { rowsPerTile: headings, tiles: Int32Array.of(ordinal), orientation };
      const [found] = await index.search(query, { k: 1, rows, signal });
      if (found !== undefined && found.similarity >= 1 - TOLERANCE) continue;
      const cosine = found?.similarity.toFixed(3) ?? 'none';
      throw invalid(
        manifest.index.file,
        `holds another vector for tile ${id} at heading ${orientation} than the source gives now (cosine ${cosine})`,
      );
    }
  }
}

function invalid(file: string, why: string): Geo2Error {
  return new Geo2Error('REGION_INVALID', `${file} ${why}.`, { data: { file } });
}
