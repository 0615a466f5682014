import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canceled, Geo2Error } from '../errors.ts';
import { type Bounds, centreOf, toBbox, unionOf } from '../geo/bounds.ts';
import { metresPerPixel } from '../geo/web-mercator.ts';
import type { Model } from '../inference/model.ts';
import { RegionIdSchema, type RegionManifest } from '../retrieval/region-manifest.ts';
import type { StacCollection } from '../retrieval/stac.ts';
import type { IndexContent } from '../retrieval/vector-index.ts';
import { measureFile } from '../storage/checksums.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { embedTiles } from './embed-tiles.ts';
import type { ImagerySource } from './imagery-source.ts';
import { openPmtilesWriter } from './pmtiles-writer.ts';
import { renderPyramid, type ZoomRange, zoomRangeOf } from './pyramid.ts';
import { type Area, MAX_OVERLAP, type PlannedTile, planTiles } from './tile-grid.ts';
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
  /** Of this stage so far. */
  readonly ratePerS: number;
}

type Report = (stage: BuildProgress['stage'], done: number, total: number) => void;

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
const DEFAULT_OVERLAP = 0.5;
const MAX_HEADINGS = 64;

/**
 * Imagery to a region bundle in the store, complete or not at all: the manifest is written last. The pointer is left alone.
 * Errors: SOURCE_INVALID, INVALID_REQUEST (options), STORE_CONFLICT (the version exists), those of the model and the store.
 */
export async function buildRegion(options: BuildRegionOptions, deps: BuildRegionDeps): Promise<RegionManifest> {
  const { model, store, now } = deps;
  const { source, signal } = options;
  const asked = planOf(options, model);
  const prefix = `regions/${options.id}/${options.version}`;
  await refuseExisting(store, prefix);
  const { tiles, overlap } = planTiles(source.images, { ...asked, area: options.area, recut: isRecut(options) });
  const plan = { ...asked, overlap };
  const bounds = boundsOf(tiles);
  const report = reporter(options.onProgress, now);

  const staging = await mkdtemp(join(tmpdir(), 'geo2-region-'));
  try {
    const { calibration, name, version, embedding } = model.manifest;
    const onTile = (done: number): void => report('embedding', done, tiles.length);
    const vectors = await embedTiles({ ...plan, source, tiles, onTile, signal }, model);
    await deps.writeIndex(join(staging, FILES.index), { width: embedding.width, vectors });
    await writeFile(join(staging, FILES.tiles), tilesParquet(tiles, plan.headings));

    const zooms = await zoomRangeOf(source, bounds);
    await writeImagery(join(staging, FILES.imagery), options, { bounds, zooms, report });

    const createdAt = now().toISOString();
    const collection = collectionOf(options, { bounds, createdAt, zooms });
    await writeJson(join(staging, FILES.collection), collection);
    const calibrated = `${name} ${version}: ${calibration.source}`;
    await writeJson(join(staging, FILES.calibration), { ...calibration, source: calibrated });

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
      embeddingWidth: embedding.width,
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
    await upload(store, prefix, { staging, paths, manifest, signal, report });
    return manifest;
  } catch (error) {
    // libraries say AbortError
    throw signal?.aborted === true ? canceled(signal) : error;
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
  if (!(plan.overlap >= 0 && plan.overlap <= MAX_OVERLAP)) {
    throw refuse(`the overlap is ${plan.overlap}; it goes from 0 to ${MAX_OVERLAP}`);
  }
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

/** Counts each stage's rate from its first report. */
function reporter(onProgress: BuildRegionOptions['onProgress'], now: () => Date): Report {
  let current: { stage: BuildProgress['stage']; startedMs: number } | undefined;
  let lastMs = now().getTime();
  return (stage, done, total) => {
    if (current?.stage !== stage) current = { stage, startedMs: lastMs };
    lastMs = now().getTime();
    const elapsedS = (lastMs - current.startedMs) / 1000;
    onProgress?.({ stage, done, total, ratePerS: elapsedS > 0 ? done / elapsedS : 0 });
  };
}

async function writeImagery(
  path: string,
  { source, id, attribution, signal }: BuildRegionOptions,
  { bounds, zooms, report }: { bounds: Bounds; zooms: ZoomRange; report: Report },
): Promise<void> {
  const onTile = (done: number, total: number): void => report('imagery', done, total);
  const writer = await openPmtilesWriter(path);
  try {
    for await (const { tile, bytes } of renderPyramid({ source, bounds, ...zooms, signal, onTile })) {
      await writer.add(tile, bytes);
    }
    await writer.finish({ bounds, tileType: 'webp', metadata: { name: id, attribution, type: 'baselayer' } });
  } finally {
    await writer.close();
  }
}

function collectionOf(
  { id, description, licence, attribution, capturedAt }: BuildRegionOptions,
  { bounds, createdAt, zooms }: { bounds: Bounds; createdAt: string; zooms: ZoomRange },
): StacCollection {
  return {
    type: 'Collection',
    stac_version: '1.1.0',
    stac_extensions: [],
    id,
    title: id,
    description: description ?? `Reference imagery of ${id}, embedded for geolocation.`,
    license: licence,
    ...(attribution === '' ? {} : { providers: [{ name: attribution, roles: ['producer', 'licensor'] }] }),
    extent: {
      spatial: { bbox: [toBbox(bounds)] },
      // without a capture date all that is known is that it is not of the future
      temporal: { interval: [[capturedAt?.start ?? null, capturedAt?.end ?? createdAt]] },
    },
    summaries: { gsd: [round(metresPerPixel(centreOf(bounds)[1], zooms.maxZoom), 3)] },
    links: [],
    assets: {
      imagery: { href: `./${FILES.imagery}`, type: 'application/vnd.pmtiles', roles: ['data'] },
      tiles: { href: `./${FILES.tiles}`, type: 'application/vnd.apache.parquet', roles: ['metadata'] },
      index: { href: `./${FILES.index}`, type: 'application/octet-stream', roles: ['data'] },
    },
  };
}

/** The manifest goes last: without it there is no version. What was written before a failure is removed. */
async function upload(
  store: ObjectStore,
  prefix: string,
  options: {
    readonly staging: string;
    readonly paths: readonly string[];
    readonly manifest: RegionManifest;
    readonly signal?: AbortSignal | undefined;
    readonly report: Report;
  },
): Promise<void> {
  const { staging, paths, manifest, signal, report } = options;
  const written: string[] = [];
  try {
    for (const path of paths) {
      const key = `${prefix}/${path}`;
      await store.put(key, createReadStream(join(staging, path)), { ifNoneMatch: '*', signal });
      written.push(key);
      report('writing', written.length, paths.length + 1);
    }
    const text = new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`);
    await store.put(`${prefix}/manifest.json`, text, { contentType: 'application/json', ifNoneMatch: '*', signal });
    report('writing', paths.length + 1, paths.length + 1);
  } catch (error) {
    for (const key of written) await store.delete(key).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
