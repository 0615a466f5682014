import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { type Bounds, centreOf, toBbox, unionOf } from '../geo/bounds.ts';
import { type SatelliteTile, satelliteTile } from '../image/tile.ts';
import type { Model } from '../inference/model.ts';
import { RegionIdSchema, type RegionManifest } from '../retrieval/region-manifest.ts';
import type { StacCollection } from '../retrieval/stac.ts';
import type { IndexContent } from '../retrieval/vector-index.ts';
import { measureFile } from '../storage/checksums.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { ImagerySource } from './imagery-source.ts';
import { pmtilesArchive } from './pmtiles-archive.ts';
import { renderPyramid, type ZoomRange, zoomRangeOf } from './pyramid.ts';
import { type Area, type PlannedTile, planTiles } from './tile-grid.ts';
import { tilesParquet } from './tiles-file.ts';

export interface BuildRegionOptions {
  readonly source: ImagerySource;
  readonly id: string;
  /** Name of the version's folder; must not exist yet. */
  readonly version: string;
  readonly area?: Area | undefined;
  /** Metres of a tile's side; only the model's own size makes sense to it. */
  readonly tileM?: number | undefined;
  /** Share of its side that a tile's neighbour shows too; 0.5 unless asked. */
  readonly overlap?: number | undefined;
  /** Orientations per tile; the model's recommendation unless asked. */
  readonly headings?: number | undefined;
  readonly licence: string;
  readonly attribution: string;
  readonly description?: string | undefined;
  readonly capturedAt?: { readonly start: string; readonly end: string } | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
}

export interface BuildProgress {
  readonly stage: 'embedding' | 'imagery' | 'writing';
  readonly done: number;
  readonly total: number;
}

export interface BuildRegionDeps {
  readonly model: Model;
  readonly store: ObjectStore;
  readonly writeIndex: (path: string, content: IndexContent) => Promise<void>;
  /** The present. */
  readonly now: () => Date;
}

const FILES = {
  tiles: 'tiles.parquet',
  index: 'index.faiss',
  imagery: 'imagery.pmtiles',
  collection: 'collection.json',
  calibration: 'calibration.json',
} as const;
const BATCH = 16;
const DEFAULT_OVERLAP = 0.5;
const MAX_HEADINGS = 64;

/**
 * Imagery to a region bundle in the store, complete or not at all: the manifest is written last. The pointer is left alone.
 * Errors: SOURCE_INVALID, INVALID_REQUEST (options), STORE_CONFLICT (the version exists), those of the model and the store.
 */
export async function buildRegion(options: BuildRegionOptions, deps: BuildRegionDeps): Promise<RegionManifest> {
  const { model, store, now } = deps;
  const { source, signal, onProgress = () => {} } = options;
  const plan = planOf(options, model);
  const prefix = `regions/${options.id}/${options.version}`;
  await refuseExisting(store, prefix);
  const tiles = planTiles(source.images, { ...plan, area: options.area, recut: isRecut(options) });
  const bounds = boundsOf(tiles);

  const staging = await mkdtemp(join(tmpdir(), 'geo2-region-'));
  try {
    const vectors = await embedTiles({ ...options, ...plan, tiles, onProgress }, model);
    await deps.writeIndex(join(staging, FILES.index), { width: model.manifest.embedding.width, vectors });
    await writeFile(join(staging, FILES.tiles), tilesParquet(tiles, plan.headings));

    const zooms = await zoomRangeOf(source, bounds, signal);
    const archive = await imageryArchive(options, { bounds, zooms, onProgress });
    await writeFile(join(staging, FILES.imagery), archive);

    const createdAt = now().toISOString();
    const collection = collectionOf(options, {
      bounds,
      createdAt,
      metresPerPx: plan.tileM / model.manifest.geometry.satellite.widthPx,
    });
    await writeJson(join(staging, FILES.collection), collection);
    const { calibration, name, version } = model.manifest;
    await writeJson(join(staging, FILES.calibration), {
      ...calibration,
      source: `${name} ${version}: ${calibration.source}`,
    });

    const paths = Object.values(FILES);
    const manifest: RegionManifest = {
      schemaVersion: 1,
      id: options.id,
      version: options.version,
      createdAt,
      licence: options.licence,
      attribution: options.attribution,
      capturedAt: options.capturedAt === undefined ? null : { ...options.capturedAt },
      model: { name, version },
      embeddingWidth: model.manifest.embedding.width,
      metresPerTile: plan.tileM,
      overlap: plan.overlap,
      headings: plan.headings,
      tileCount: tiles.length,
      index: { type: 'IndexFlatIP', parameters: {}, file: FILES.index },
      imagery: { file: FILES.imagery, ...zooms, tileType: 'webp' },
      tiles: { file: FILES.tiles },
      collection: { file: FILES.collection },
      calibration: { file: FILES.calibration },
      files: await Promise.all(paths.map((path) => measureFile(staging, path, { signal }))),
    };
    await upload(store, prefix, { staging, paths, manifest, signal, onProgress });
    return manifest;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

interface Plan {
  readonly tileM: number;
  readonly overlap: number;
  readonly headings: number;
}

function planOf({ id, tileM, overlap, headings }: BuildRegionOptions, { manifest }: Model): Plan {
  const checkedId = RegionIdSchema.safeParse(id);
  if (!checkedId.success) throw refuse(`${JSON.stringify(id)} is no region id: ${checkedId.error.issues[0]?.message}`);
  const plan = {
    tileM: tileM ?? manifest.geometry.satellite.metresPerTile,
    overlap: overlap ?? DEFAULT_OVERLAP,
    headings: headings ?? manifest.orientationBank.recommended,
  };
  if (!(plan.tileM > 0)) throw refuse(`a tile of ${plan.tileM} m cannot be cut`);
  if (!(plan.overlap >= 0 && plan.overlap <= 0.95))
    throw refuse(`the overlap is ${plan.overlap}; it goes from 0 to 0.95`);
  if (!Number.isInteger(plan.headings) || plan.headings < 1 || plan.headings > MAX_HEADINGS) {
    throw refuse(`a tile cannot have ${plan.headings} headings; 1 to ${MAX_HEADINGS} are possible`);
  }
  return plan;
}

/** Whoever states a size or an overlap wants tiles cut, not the images as they are. */
function isRecut({ tileM, overlap }: BuildRegionOptions): boolean {
  return tileM !== undefined || overlap !== undefined;
}

function refuse(why: string): Geo2Error {
  return new Geo2Error('INVALID_REQUEST', `The region cannot be built: ${why}.`);
}

async function refuseExisting(store: ObjectStore, prefix: string): Promise<void> {
  for await (const { key } of store.list(`${prefix}/`)) {
    throw new Geo2Error(
      'STORE_CONFLICT',
      `${prefix} exists already: versions are never changed, choose another name.`,
      {
        data: { key },
      },
    );
  }
}

function boundsOf(tiles: readonly PlannedTile[]): Bounds {
  const bounds = unionOf(tiles.map((tile) => tile.bounds));
  if (bounds === undefined) throw new Geo2Error('SOURCE_INVALID', 'The source has no tiles.');
  return bounds;
}

/** Every tile at every orientation, tile by tile; the next batch is cut while one is embedded. */
async function embedTiles(
  options: Plan & {
    readonly source: ImagerySource;
    readonly tiles: readonly PlannedTile[];
    readonly signal?: AbortSignal | undefined;
    readonly onProgress: (progress: BuildProgress) => void;
  },
  model: Model,
): Promise<Float32Array> {
  const { tiles, headings, signal, onProgress } = options;
  const width = model.manifest.embedding.width;
  const rows = tiles.length * headings;
  const vectors = new Float32Array(rows * width);
  const crops = (start: number) =>
    Promise.all(Array.from({ length: Math.min(BATCH, rows - start) }, (_, i) => cropOf(options, model, start + i)));
  let next = crops(0);
  for (let start = 0; start < rows; start += BATCH) {
    throwIfCanceled(signal);
    const batch = await next;
    const embedding = embedPatiently(model, batch, signal);
    next = start + BATCH < rows ? crops(start + BATCH) : Promise.resolve([]);
    next.catch(() => {}); // told when it is awaited
    for (const [i, vector] of (await embedding).entries()) vectors.set(vector, (start + i) * width);
    onProgress({ stage: 'embedding', done: Math.floor((start + batch.length) / headings), total: tiles.length });
  }
  return vectors;
}

async function cropOf(
  {
    source,
    tiles,
    tileM,
    headings,
    signal,
  }: Plan & {
    readonly source: ImagerySource;
    readonly tiles: readonly PlannedTile[];
    readonly signal?: AbortSignal | undefined;
  },
  model: Model,
  row: number,
): Promise<SatelliteTile> {
  const tile = tiles[Math.floor(row / headings)];
  if (tile === undefined) throw new RangeError(`there is no row ${row}`);
  const orientation = row % headings;
  if (orientation === 0 && tile.image !== undefined) return satelliteTile(await tile.image.read(signal));
  const sizePx = model.manifest.geometry.satellite.widthPx;
  const upDeg = (orientation * 360) / headings;
  return source.crop({ centre: centreOf(tile.bounds), sizeM: tileM, sizePx, upDeg, signal });
}

/** Waits for its turn where a serving process would answer 503. */
async function embedPatiently(
  model: Model,
  batch: readonly SatelliteTile[],
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  for (;;) {
    try {
      return await model.embedSatellite(batch, { signal });
    } catch (error) {
      if (!(error instanceof Geo2Error) || error.code !== 'OVERLOADED') throw error;
      await wait(200, undefined, signal === undefined ? {} : { signal });
    }
  }
}

async function imageryArchive(
  { source, id, attribution, signal }: BuildRegionOptions,
  { bounds, zooms, onProgress }: { bounds: Bounds; zooms: ZoomRange; onProgress: (progress: BuildProgress) => void },
): Promise<Uint8Array> {
  const tiles = await renderPyramid({
    source,
    bounds,
    ...zooms,
    signal,
    onTile: (done, total) => onProgress({ stage: 'imagery', done, total }),
  });
  return pmtilesArchive(tiles, { bounds, tileType: 'webp', metadata: { name: id, attribution, type: 'baselayer' } });
}

function collectionOf(
  { id, description, licence, attribution, capturedAt }: BuildRegionOptions,
  { bounds, createdAt, metresPerPx }: { bounds: Bounds; createdAt: string; metresPerPx: number },
): StacCollection {
  return {
    type: 'Collection',
    stac_version: '1.1.0',
    stac_extensions: [],
    id,
    title: id,
    description: description ?? `Reference imagery of ${id}, embedded for geolocation.`,
    license: licence,
    providers: [{ name: attribution, roles: ['producer', 'licensor'] }],
    extent: {
      spatial: { bbox: [toBbox(bounds)] },
      // without a capture date all that is known is that it is not of the future
      temporal: { interval: [[capturedAt?.start ?? null, capturedAt?.end ?? createdAt]] },
    },
    summaries: { gsd: [metresPerPx] },
    links: [],
    assets: {
      imagery: { href: `./${FILES.imagery}`, type: 'application/vnd.pmtiles', roles: ['data'] },
      tiles: { href: `./${FILES.tiles}`, type: 'application/vnd.apache.parquet', roles: ['metadata'] },
      index: { href: `./${FILES.index}`, type: 'application/octet-stream', roles: ['data'] },
    },
  };
}

async function upload(
  store: ObjectStore,
  prefix: string,
  options: {
    readonly staging: string;
    readonly paths: readonly string[];
    readonly manifest: RegionManifest;
    readonly signal?: AbortSignal | undefined;
    readonly onProgress: (progress: BuildProgress) => void;
  },
): Promise<void> {
  const { staging, paths, manifest, signal, onProgress } = options;
  for (const [done, path] of paths.entries()) {
    await store.put(`${prefix}/${path}`, createReadStream(join(staging, path)), { ifNoneMatch: '*', signal });
    onProgress({ stage: 'writing', done: done + 1, total: paths.length + 1 });
  }
  const text = new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`);
  await store.put(`${prefix}/manifest.json`, text, { contentType: 'application/json', ifNoneMatch: '*', signal });
  onProgress({ stage: 'writing', done: paths.length + 1, total: paths.length + 1 });
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}
