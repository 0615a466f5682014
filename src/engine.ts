import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createEmbed, type Embed } from './core/embed.ts';
import { Geo2Error } from './core/errors.ts';
import { createGeolocate, type Geolocate } from './core/geolocate.ts';
import { DEFAULT_IMAGE_LIMITS, type ImageLimits } from './core/image/limits.ts';
import { createAdmission } from './core/inference/admission.ts';
import type { ModelManifest } from './core/inference/manifest.ts';
import { openOnnxModel } from './core/inference/model.onnx.ts';
import type { Model } from './core/inference/model.ts';
import type { InferenceObserver } from './core/inference/observer.ts';
import { traceModel } from './core/inference/traced-model.ts';
import {
  type Generation,
  type LineupModel,
  openLineup,
  type RegionHealth,
  type Reload,
} from './core/regions/lineup.ts';
import type { ReadImageryTile } from './core/regions/place-imagery.ts';
import { createPointers } from './core/regions/pointers.ts';
import { createQuietThread } from './core/regions/quiet-thread.ts';
import { openVerified } from './core/regions/verify.ts';
import type { RegionFacts, RegionSource } from './core/retrieval/region.ts';
import { type VerifyFiles, verifyFiles } from './core/storage/checksums.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import { createSynthesize, type Synthesize } from './core/synthesize.ts';
import { NO_TRACER, type Tracer } from './core/tracing/tracer.ts';
import { chooseIndex } from './index-choice.ts';
import { openModelStore } from './model-store.ts';
import { openObjectStore, openVersionCache } from './object-store.ts';
import { createImageryReader } from './region-imagery.ts';

/** Model, regions and index, put together: what the server and the command line both stand on. Model and regions are those in use now. */
export interface Engine {
  readonly model: Model & { readonly pid: number | undefined };
  readonly geolocate: Geolocate;
  readonly embed: Embed;
  readonly synthesize: Synthesize;
  readonly readImageryTile: ReadImageryTile;
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
  /** From here on takes over what is published or rolled back, within the poll that is set, until it stops. */
  follow(): void;
  /** Does so once. Errors: those of the store. */
  look(): Promise<void>;
  /** Finishes what runs, then ends the model's process and closes the regions. */
  stop(): Promise<void>;
}

export interface EngineDeps {
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly observer?: InferenceObserver | undefined;
  readonly tracer?: Tracer | undefined;
  readonly nowMs?: (() => number) | undefined;
  /** Told of each version that was put to use or could not be. */
  readonly onReload?: ((reload: Reload) => void) | undefined;
  /** Told when other versions of regions are in use. */
  readonly onRegions?: ((regions: readonly RegionFacts[]) => void) | undefined;
  /** Environment of the inference process. */
  readonly childEnv?: Readonly<Record<string, string>> | undefined;
}

/** Images that one run of the model takes, beside those that wait for it. */
const MAX_RUNNING = 8;
/** Views that are made or wait for it: each takes as long as many images. */
const MAX_SYNTHESES = 16;
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
  const { onReload = () => {}, onRegions = () => {} } = deps;
  const store = await openObjectStore(config.storeUrl, config);
  // before requests are answered there is nobody to be quiet for
  let answers = false;
  const quiet = createQuietThread();
  const verify: VerifyFiles = (...files) => (answers ? quiet.verifyFiles : verifyFiles)(...files);
  const cache = openVersionCache(config, { verify });
  const models = await openModelStore(config);
  const { openIndex, index } = await chooseIndex(config, logger);
  const limits = { ...DEFAULT_IMAGE_LIMITS, maxBytes: config.maxImageBytes, maxPixels: config.maxPixels };
  const admission = createAdmission({ maxImages: config.maxQueue + MAX_RUNNING, nowMs });
  const viewAdmission = createAdmission({ maxImages: MAX_SYNTHESES, nowMs });
  const readImageryTile = createImageryReader();
  const now = (): Date => new Date();

  async function openModel(version: string): Promise<ServedModel> {
    const local = await models.open(version, cache);
    let served: ServedModel | undefined;
    const model = await openOnnxModel({
      dir: local.dir,
      threads: config.threads,
      provider: config.device,
      maxQueue: config.maxQueue,
      maxBatch: MAX_RUNNING,
      runTimeoutMs: Math.max(MIN_RUN_TIMEOUT_MS, 2 * config.requestTimeoutMs),
      childEnv,
      verify,
      // the state of the service is that of the model in use, not of one that comes or goes beside it
      observer: { ...observer, onState: (state) => served === inUse() && observer.onState?.(state) },
      nowMs,
    });
    served = {
      manifest: model.manifest,
      model,
      traced: traceModel(model, tracer),
      start: () => model.start(),
      async stop() {
        await model.stop();
        await local.release?.();
      },
    };
    return served;
  }

  const lineup = await openLineup<ServedModel>({
    store,
    pointers: createPointers(store),
    regions: config.regions,
    modelName: models.name,
    modelVersions: models.versions,
    openModel,
    async openRegion({ id, version, signal }, { manifest: { name, version: modelVersion, embedding } }) {
      const model = { name, version: modelVersion, width: embedding.width };
      const deps = { store, openIndex, model, quiet: answers ? quiet : undefined };
      return openVerified({ id, version, cache, signal }, deps);
    },
    maxBytes: config.regionsBytes,
    pollMs: config.pollMs,
    nowMs,
    onReload(reload) {
      tell(reload, logger);
      onReload(reload);
      if (reload.type === 'model') observer.onState?.({ status: 'READY' });
      onRegions(regions.list());
    },
    onError: (err) =>
      logger.warn({ err }, 'the store cannot be looked at; what is loaded is served, and it is tried again'),
  });
  /** Undefined while the first one is being opened. */
  function inUse(): ServedModel | undefined {
    return lineup?.current.model;
  }

  const regions: RegionSource = {
    list: () => lineup.current.shelf.list(),
    hold: (ids, options) => lineup.current.shelf.hold(ids, options),
    coverage: (region) => lineup.current.shelf.coverage(region),
  };
  const verbs = new WeakMap<Generation<ServedModel>, Verbs>();
  function verbsOf(generation: Generation<ServedModel>): Verbs {
    const known = verbs.get(generation);
    if (known !== undefined) return known;
    const { model, shelf } = generation;
    const made = {
      geolocate: createGeolocate({ model: model.traced, regions: shelf, limits, nowMs, tracer }),
      embed: createEmbed({ model: model.traced, limits, maxImages: config.maxBatch, nowMs, tracer }),
      synthesize: createSynthesize({
        model: model.traced,
        regions: shelf,
        readImageryTile,
        limits,
        nowMs,
        now,
        tracer,
      }),
    };
    verbs.set(generation, made);
    return made;
  }

  /** "Out of coverage" would be a wrong answer while a region is still being read. */
  function afterLoading<T, A>(work: (request: T) => Promise<A>): (request: T) => Promise<A> {
    return async (request) => {
      if (lineup.isTried) return work(request);
      throw new Geo2Error('MODEL_UNAVAILABLE', 'The regions are being loaded.', { data: { retryAfterS: 1 } });
    };
  }

  /** A view is one request to the model, however many runs it takes. */
  const countedSynthesize: Synthesize = async (request) => {
    const call = { graph: 'synthesis', items: 1 };
    try {
      const answer = await viewAdmission.run({ images: 1, deadlineMs: request.deadlineMs }, () =>
        lineup.run((generation) => verbsOf(generation).synthesize(request)),
      );
      observer.onRequest?.({ ...call, outcome: 'success' });
      return answer;
    } catch (error) {
      if (error instanceof Geo2Error) observer.onRequest?.({ ...call, outcome: 'failure', reason: error.code });
      throw error;
    }
  };
  const synthesizePlace = afterLoading(countedSynthesize);

  let starting: Promise<void> | undefined;
  return {
    model: {
      get manifest() {
        return lineup.current.model.model.manifest;
      },
      get state() {
        const { state } = lineup.current.model.model;
        const reason = state.reason ?? lineup.modelNote();
        return reason === undefined ? state : { ...state, reason };
      },
      get pid() {
        return lineup.current.model.model.pid;
      },
      start: () => lineup.current.model.start(),
      stop: () => lineup.current.model.stop(),
      embedGround: (batch, options) => lineup.run(({ model }) => model.traced.embedGround(batch, options)),
      embedSatellite: (batch, options) => lineup.run(({ model }) => model.traced.embedSatellite(batch, options)),
      get synthesis() {
        return lineup.current.model.traced.synthesis;
      },
    },
    regions,
    store,
    listRegions: lineup.regionIds,
    limits,
    index,
    geolocate: afterLoading((request) =>
      admission.run({ images: 1, deadlineMs: request.deadlineMs }, () =>
        lineup.run((generation) => verbsOf(generation).geolocate(request)),
      ),
    ),
    embed: (request) =>
      admission.run({ images: request.images.length, deadlineMs: request.deadlineMs }, () =>
        lineup.run((generation) => verbsOf(generation).embed(request)),
      ),
    synthesize: (request) =>
      request.source.type === 'location' ? synthesizePlace(request) : countedSynthesize(request),
    readImageryTile,
    regionHealth: lineup.health,
    start() {
      starting ??= lineup.start();
      return starting;
    },
    follow() {
      quiet.start();
      answers = true;
      lineup.follow();
    },
    look: lineup.look,
    async stop() {
      await starting?.catch(() => {}); // a start that failed has cleaned up
      starting = undefined;
      await lineup.stop();
      await quiet.stop();
      answers = false;
    },
  };
}

/** The verbs of one generation of model and regions. */
interface Verbs {
  readonly geolocate: Geolocate;
  readonly embed: Embed;
  readonly synthesize: Synthesize;
}

/** A model in its process, and the same with spans. */
interface ServedModel extends LineupModel {
  readonly manifest: ModelManifest;
  readonly model: Awaited<ReturnType<typeof openOnnxModel>>;
  readonly traced: Model;
}

function tell({ type, name, version, outcome, error }: Reload, logger: EngineDeps['logger']): void {
  if (outcome === 'success') {
    logger.info({ [type]: name, version }, `${type} ${name} ${version} is in use`);
    return;
  }
  const reason = error instanceof Error ? error.message : String(error);
  const file = error instanceof Geo2Error ? error.data.file : undefined;
  logger.error({ [type]: name, version, file, err: error }, `${type} ${name} cannot be loaded: ${reason}`);
}
