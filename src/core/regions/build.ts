import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canceled, Geo2Error } from '../errors.ts';
import type { Model } from '../inference/model.ts';
import type { GoldenVector } from '../retrieval/golden-queries.ts';
import type { OpenIndex } from '../retrieval/region.ts';
import { RegionIdSchema, type RegionManifest } from '../retrieval/region-manifest.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { assembleRegion, type BundleMetadata, BundleMetadataSchema, type WriteIndex } from './assemble.ts';
import type { ImagerySource } from './imagery-source.ts';
import { buildShard, type FinishedChunks, planShard, type Shard, type ShardPlan } from './shard.ts';
import { storeShard } from './shard-store.ts';
import { type Area, MAX_OVERLAP } from './tile-grid.ts';
import { openWorkFolder, type WorkFolder } from './work-folder.ts';
import { whileLocked } from './work-lock.ts';

export interface BuildRegionOptions {
  readonly source: ImagerySource;
  /** Tells this source from others and from itself after a change: work for another one is not gone on with. */
  readonly identity?: string | undefined;
  readonly id: string;
  /** Name of the version's folder; must not exist yet. One that a resumed build began with goes before it. */
  readonly version: string;
  readonly area?: Area | undefined;
  /** Metres of a tile's side; only the model's own size makes sense to it. */
  readonly tileM?: number | undefined;
  /** Share of its side that a tile's neighbour shows too; 0.5 unless asked. */
  readonly overlap?: number | undefined;
  /** Orientations per tile; the model's recommendation unless asked. */
  readonly headings?: number | undefined;
  /** Where finished parts are kept until the region is whole, so that a build that was killed goes on; undefined: nowhere. */
  readonly work?: string | undefined;
  readonly licence: string;
  readonly attribution: string;
  readonly description?: string | undefined;
  readonly capturedAt?: { readonly start: string; readonly end: string } | undefined;
  /** Ground views that become golden queries. */
  readonly queries?: readonly GoldenVector[] | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: BuildProgress) => void) | undefined;
  /** Told when parts of an earlier run are found. */
  readonly onResume?: ((resumed: { version: string }) => void) | undefined;
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
  /** The same model in other processes, which work beside it. */
  readonly helpers?: readonly Model[] | undefined;
  readonly store: ObjectStore;
  readonly writeIndex: WriteIndex;
  /** Opens what it wrote. */
  readonly openIndex: OpenIndex;
  /** The present. */
  readonly now: () => Date;
}

const DEFAULT_OVERLAP = 0.5;
const MAX_HEADINGS = 64;
const WHOLE: Shard = { index: 1, count: 1 };

/**
 * Imagery to a region bundle in the store, complete or not at all: the manifest is written last. The pointer is left alone. What
 * was finished before a kill is found in `work` and not made again. Errors: SOURCE_INVALID, INVALID_REQUEST (options),
 * STORE_CONFLICT (the version exists, another build works in the same folder), STORE_FAILED (a full disk), those of the model
 * and the store.
 */
export async function buildRegion(options: BuildRegionOptions, deps: BuildRegionDeps): Promise<RegionManifest> {
  return inWork(options, async (dir) => {
    const { metadata, folder, chunks, report } = await work(dir, options, { ...deps, shard: WHOLE });
    const manifest = await assembleRegion({
      metadata,
      parts: [{ dir, ...chunks }],
      staging: join(dir, 'bundle'),
      store: deps.store,
      writeIndex: deps.writeIndex,
      openIndex: deps.openIndex,
      onWritten: (done, total) => report('writing', done, total),
      signal: options.signal,
    });
    await folder.remove();
    return manifest;
  });
}

/**
 * One part of a region's chunks, into the store beside the others': `mergeRegion` makes the region of them. Every part is told
 * the same options. Errors: those of `buildRegion`.
 */
export async function buildRegionShard(
  options: BuildRegionOptions & { readonly shard: Shard },
  deps: Omit<BuildRegionDeps, 'writeIndex' | 'openIndex'>,
): Promise<{ tiles: number; leftOut: number }> {
  const { signal, shard } = options;
  return inWork(options, async (dir) => {
    const { metadata, folder, chunks, plan, report } = await work(dir, options, { ...deps, shard });
    const onWritten = (done: number, total: number): void => report('writing', done, total);
    const part = { dir, ...chunks };
    await storeShard(deps.store, { metadata, shard, fingerprint: plan.fingerprint, part, onWritten, signal });
    await folder.remove();
    return {
      tiles: chunks.tiles.reduce((sum, chunk) => sum + chunk.tiles.length, 0),
      leftOut: chunks.tiles.reduce((sum, chunk) => sum + chunk.leftOut, 0),
    };
  });
}

/** In the folder that was named, which has one build at a time, or in one that goes whatever happens. */
async function inWork<T>(
  { work: named, signal }: Pick<BuildRegionOptions, 'work' | 'signal'>,
  run: (dir: string) => Promise<T>,
): Promise<T> {
  const dir = named ?? (await mkdtemp(join(tmpdir(), 'geo2-region-')));
  try {
    return await (named === undefined ? run(dir) : whileLocked(dir, () => run(dir)));
  } catch (error) {
    // libraries say AbortError
    throw signal?.aborted === true ? canceled(signal) : error;
  } finally {
    if (named === undefined) await rm(dir, { recursive: true, force: true });
  }
}

interface Worked {
  readonly metadata: BundleMetadata;
  readonly folder: WorkFolder;
  readonly chunks: FinishedChunks;
  readonly plan: ShardPlan;
  readonly report: Report;
}

async function work(
  dir: string,
  options: BuildRegionOptions,
  {
    model,
    helpers = [],
    store,
    now,
    shard,
  }: Omit<BuildRegionDeps, 'writeIndex' | 'openIndex'> & { readonly shard: Shard },
): Promise<Worked> {
  const { source, identity = '', signal } = options;
  const asked = { ...planOf(options, model), area: options.area, recut: isRecut(options) };
  const plan = await planShard(source, asked, { shard, model, identity });
  const { folder, noted, resumed } = await openWorkFolder(dir, {
    plan: { id: options.id, shard, fingerprint: plan.fingerprint },
    noted: metadataOf(options, { model, plan, asked, createdAt: now().toISOString() }),
    schema: BundleMetadataSchema,
  });
  await refuseExisting(store, `regions/${noted.id}/${noted.version}`);
  if (resumed) options.onResume?.({ version: noted.version });
  const report = reporter(options.onProgress, now);
  const chunks = await buildShard({ ...asked, source, folder, plan, onProgress: report, signal }, [model, ...helpers]);
  return { metadata: noted, folder, chunks, plan, report };
}

function metadataOf(
  { id, version, licence, attribution, description, capturedAt, queries }: BuildRegionOptions,
  { model, plan, asked, createdAt }: { model: Model; plan: ShardPlan; asked: Plan; createdAt: string },
): BundleMetadata {
  const { calibration, name, version: modelVersion, embedding } = model.manifest;
  return {
    id,
    version,
    createdAt,
    licence,
    attribution,
    description,
    capturedAt: capturedAt === undefined ? undefined : { ...capturedAt },
    model: { name, version: modelVersion },
    embeddingWidth: embedding.width,
    tileM: asked.tileM,
    overlap: plan.overlap,
    headings: asked.headings,
    bounds: plan.bounds,
    zooms: plan.zooms,
    calibration: { ...calibration, source: `${name} ${modelVersion}: ${calibration.source}` },
    queries: queries === undefined ? undefined : [...queries],
  };
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
