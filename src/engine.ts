import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createEmbed, type Embed } from './core/embed.ts';
import { Geo2Error } from './core/errors.ts';
import { createGeolocate, type Geolocate } from './core/geolocate.ts';
import { DEFAULT_IMAGE_LIMITS, type ImageLimits } from './core/image/limits.ts';
import { createAdmission } from './core/inference/admission.ts';
import { openOnnxModel } from './core/inference/model.onnx.ts';
import type { Model } from './core/inference/model.ts';
import type { InferenceObserver } from './core/inference/observer.ts';
import { traceModel } from './core/inference/traced-model.ts';
import { loadRegion, type OpenIndex, type Region, type RegionSource } from './core/retrieval/region.ts';
import { createFsObjectStore } from './core/storage/object-store.fs.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import { openVersion, readCurrent } from './core/storage/versioned.ts';
import { NO_TRACER, type Tracer } from './core/tracing/tracer.ts';
import type { RegionHealth } from './handlers/health.ts';

/** Model, regions and index, put together: what the server and the command line both stand on. */
export interface Engine {
  readonly model: Model & { readonly pid: number | undefined };
  readonly geolocate: Geolocate;
  readonly embed: Embed;
  readonly regions: RegionSource;
  readonly store: ObjectStore;
  /** Ids of the regions that this process is to serve, loaded or not. */
  listRegions(): Promise<readonly string[]>;
  readonly limits: ImageLimits;
  /** How each region of the store stands, also those that could not be loaded. */
  regionHealth(): readonly RegionHealth[];
  /** What searches. */
  readonly index: 'faiss' | 'exact';
  /**
   * Resolves when the model is READY and every region was tried. Rejects, with nothing left running, when the model cannot be
   * loaded; a region that cannot be loaded is told by `regionHealth` and in the log.
   */
  start(): Promise<void>;
  /** Finishes what runs, then ends the model's process and closes the regions. */
  stop(): Promise<void>;
}

export interface EngineDeps {
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly observer?: InferenceObserver | undefined;
  readonly tracer?: Tracer | undefined;
  readonly nowMs?: (() => number) | undefined;
  /** Environment of the inference process. */
  readonly childEnv?: Readonly<Record<string, string>> | undefined;
}

/** Images that one run of the model takes, beside those that wait for it. */
const MAX_RUNNING = 8;
/** A run that takes longer is stuck, and its process is replaced. */
const MIN_RUN_TIMEOUT_MS = 20_000;

/** Opens and starts. Errors: those of `openEngine` and `Engine.start`. */
export async function startEngine(config: Config, deps: EngineDeps): Promise<Engine> {
  const engine = await openEngine(config, deps);
  await engine.start();
  return engine;
}

/**
 * Reads the model's manifest and starts nothing. Errors: FILE_MISSING or MANIFEST_INVALID (the model), INDEX_INVALID when
 * FAISS is asked for and not built.
 */
export async function openEngine(config: Config, deps: EngineDeps): Promise<Engine> {
  const { logger, observer = {}, tracer = NO_TRACER, nowMs = () => performance.now(), childEnv = {} } = deps;
  const store = createFsObjectStore({ url: config.storeUrl });
  const { openIndex: openFile, index } = await chooseIndex(config.vectorIndex, logger);
  const openIndex = orOfServer(openFile);
  const model = await openOnnxModel({
    dir: await modelVersionDir(config),
    threads: config.threads,
    provider: config.device,
    maxQueue: config.maxQueue,
    maxBatch: MAX_RUNNING,
    runTimeoutMs: Math.max(MIN_RUN_TIMEOUT_MS, 2 * config.requestTimeoutMs),
    childEnv,
    observer,
    nowMs,
  });

  const traced = traceModel(model, tracer);
  const admission = createAdmission({ maxImages: config.maxQueue + MAX_RUNNING, nowMs });

  const loaded = new Map<string, Region>();
  const health = new Map<string, RegionHealth>();
  let regionsTried = false;
  const regions: RegionSource = { list: () => [...loaded.values()] };
  const limits = { ...DEFAULT_IMAGE_LIMITS, maxBytes: config.maxImageBytes, maxPixels: config.maxPixels };

  async function listRegions(): Promise<readonly string[]> {
    return config.regions === '*' ? publishedRegions(store) : config.regions;
  }

  async function loadRegions(): Promise<void> {
    const ids = await listRegions();
    for (const id of ids) health.set(id, { id, status: 'LOADING' });
    for (const id of ids) await loadOne(id); // one after the other: checksums are read at the speed of the disk
    regionsTried = true;
  }

  async function loadOne(id: string): Promise<void> {
    const { name, version, embedding } = model.manifest;
    try {
      const local = await openVersion(store, `regions/${id}`, { cacheDir: config.cacheDir });
      const expectation = { openIndex, model: { name, version, width: embedding.width }, expectedId: id };
      const region = await loadRegion(local, expectation);
      loaded.set(id, region);
      health.set(id, { id, status: 'READY', version: region.version });
      logger.info({ region: id, version: region.version, tiles: region.tiles.count, index }, 'region loaded');
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const file = error instanceof Geo2Error && typeof error.data.file === 'string' ? error.data.file : undefined;
      health.set(id, { id, status: 'UNAVAILABLE', reason, ...(file === undefined ? {} : { file }) });
      logger.error({ region: id, file, err: error }, `region ${id} cannot be loaded: ${reason}`);
    }
  }

  async function stop(): Promise<void> {
    await model.stop();
    regionsTried = false;
    const open = [...loaded.values()];
    loaded.clear();
    await Promise.all(open.map((region) => region.close()));
  }

  /** "Out of coverage" would be a wrong answer while a region is still being read. */
  function afterLoading(geolocate: Geolocate): Geolocate {
    return async (request) => {
      if (regionsTried) return geolocate(request);
      throw new Geo2Error('MODEL_UNAVAILABLE', 'The regions are being loaded.', { data: { retryAfterS: 1 } });
    };
  }

  const geolocate = createGeolocate({ model: traced, regions, limits, nowMs, tracer });
  const embed = createEmbed({ model: traced, limits, maxImages: config.maxBatch, nowMs, tracer });

  let starting: Promise<void> | undefined;
  async function startAll(): Promise<void> {
    const [started] = await Promise.allSettled([model.start(), loadRegions()]);
    if (started.status === 'fulfilled') return;
    await stop();
    throw started.reason;
  }

  return {
    model,
    regions,
    store,
    listRegions,
    limits,
    index,
    geolocate: afterLoading((request) =>
      admission.run({ images: 1, deadlineMs: request.deadlineMs }, () => geolocate(request)),
    ),
    embed: (request) =>
      admission.run({ images: request.images.length, deadlineMs: request.deadlineMs }, () => embed(request)),
    regionHealth: () => [...health.values()].sort((a, b) => (a.id < b.id ? -1 : 1)),
    start() {
      starting ??= startAll();
      return starting;
    },
    async stop() {
      await starting?.catch(() => {}); // a start that failed has cleaned up
      starting = undefined;
      await stop();
    },
  };
}

/** The folder of the version that is asked for, or that `current.json` points at. */
export async function modelVersionDir({ modelDir, modelVersion }: Config): Promise<string> {
  if (modelVersion !== undefined) return join(modelDir, modelVersion);
  const store = createFsObjectStore({ url: pathToFileURL(dirname(modelDir)).href });
  const current = await readCurrent(store, basename(modelDir));
  if (current !== undefined) return join(modelDir, current.version);
  throw new Geo2Error(
    'FILE_MISSING',
    `There is no current.json in ${modelDir}: point GEO2_MODEL_DIR at a released model's folder, or set GEO2_MODEL_VERSION.`,
    { data: { file: 'current.json' } },
  );
}

/** Ids of every region of the store that has a published version. */
async function publishedRegions(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of store.list('regions/')) {
    const [, id, file, ...rest] = key.split('/');
    if (id !== undefined && file === 'current.json' && rest.length === 0) ids.push(id);
  }
  return ids.sort();
}

/** A region that a server holds is searched there; what it needs is loaded with the first such region. */
function orOfServer(openFile: OpenIndex): OpenIndex {
  return async (path, facts) => {
    if (facts?.servedBy === undefined) return openFile(path, facts);
    const { openMilvusIndex } = await import('./core/retrieval/vector-index.milvus.ts');
    return openMilvusIndex(facts.servedBy.url);
  };
}

/** FAISS where its binding is built, else the exact index, which says so. */
async function chooseIndex(
  asked: Config['vectorIndex'],
  logger: EngineDeps['logger'],
): Promise<{ openIndex: OpenIndex; index: 'faiss' | 'exact' }> {
  if (asked !== 'exact') {
    try {
      const { openFaissIndex } = await import('./core/retrieval/vector-index.faiss.ts');
      const { faissVersion } = await import('#native/faiss');
      faissVersion(); // the binding is loaded at its first use: here, while there is another way
      return { openIndex: (path) => openFaissIndex(path), index: 'faiss' };
    } catch (cause) {
      if (asked === 'faiss') {
        throw new Geo2Error('INDEX_INVALID', 'FAISS is asked for, and its binding is not built: run `make setup`.', {
          cause,
        });
      }
      logger.warn({ err: cause }, 'FAISS is not built here (`make setup` builds it): searching with the exact index');
    }
  }
  const { openExactIndex } = await import('./core/retrieval/vector-index.exact.ts');
  return { openIndex: (path) => openExactIndex(path), index: 'exact' };
}
