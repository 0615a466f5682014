import { randomBytes, randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from 'pino';
import * as z from 'zod';
import { createApp, createWorkerApp } from './app.ts';
import { type Config, PROGRAM_DIR, readConfig } from './config.ts';
import { Geo2Error } from './core/errors.ts';
import type { InferenceObserver } from './core/inference/observer.ts';
import { createImageFetcher } from './core/outbound/image-fetcher.ts';
import { createPinnedFetcher } from './core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from './core/outbound/public-address.ts';
import { traceFetcher } from './core/outbound/traced-fetcher.ts';
import { demoSamples } from './demo-samples.ts';
import { type Engine, openEngine } from './engine.ts';
import { createMetrics } from './handlers/metrics.ts';
import { createHttpServer } from './http-server.ts';
import { createItemRunner } from './job-items.ts';
import { createLogger } from './logging.ts';
import { openObjectStore } from './object-store.ts';
import { openPreviews } from './previews.ts';
import { openState, type State } from './state.ts';
import { openTracer } from './tracing.ts';

/** Bodies that are held at one time; decoding has a budget of its own. */
const MAX_HELD_BYTES = 160 * 1024 * 1024;
/** Part of the request's time that fetching an image may take. */
const FETCH_SHARE = 0.5;

export interface RunningServer {
  /** `http://127.0.0.1:8080` */
  readonly url: string;
  readonly engine: Engine;
  /** Refuses new connections, finishes what is in flight (within the drain time), ends every process. */
  stop(): Promise<void>;
}

export interface ServerDeps {
  readonly logger?: Logger | undefined;
  /** Environment of the inference process. */
  readonly childEnv?: Readonly<Record<string, string>> | undefined;
}

/**
 * Serves the API and the page, and runs jobs, as far as its role says. It listens first, so that `/v2/health` can tell how loading goes, and resolves when requests
 * can be answered. Rejects, with nothing left running, when the port is taken or the model cannot be loaded.
 */
export async function startServer(config: Config, deps: ServerDeps = {}): Promise<RunningServer> {
  const version = await programVersion();
  const logger = deps.logger ?? createLogger({ level: config.logLevel, version });
  const metrics = createMetrics();
  const { tracer, stop: stopTracing } = await openTracer(config.otlp, { version, logger });
  let modelName = 'unknown';
  const engine = await openEngine(config, {
    logger,
    tracer,
    childEnv: deps.childEnv,
    onReload: metrics.onReload,
    onRegions: (regions) =>
      metrics.setRegionTiles(Object.fromEntries(regions.map(({ id, manifest }) => [id, manifest.tileCount]))),
    observer: observing(
      metrics.inferenceObserver(() => modelName),
      logger,
    ),
  });
  modelName = engine.model.manifest.name;
  const pinned = createPinnedFetcher({
    isAllowed: createAddressPolicy(config.outboundAllow),
    resolveHost: (host) => lookup(host, { all: true }),
  });
  const fetcher = traceFetcher(pinned, tracer);
  const images = createImageFetcher({ fetcher, timeoutMs: config.requestTimeoutMs * FETCH_SHARE });
  const jobStoreUrl = config.jobs.storeUrl ?? pathToFileURL(join(config.dataDir, 'objects')).href;
  const jobStore = await openObjectStore(jobStoreUrl, config);
  const state = openState(config, {
    jobStore,
    ...engine,
    fetcher,
    tracer,
    logger,
    metrics,
    runItem: createItemRunner({ ...engine, ...config, fetchImage: images.fetch, onAnswer: metrics.onAnswer }),
  });
  const draining = new AbortController();
  const app = (config.role === 'worker' ? createWorkerApp : createApp)({
    ...engine,
    version,
    previews: openPreviews(engine, { store: jobStore, logger }),
    fetchImage: images.fetch,
    limits: { ...config, maxHeldBytes: MAX_HELD_BYTES },
    metrics,
    logger,
    newRequestId: randomUUID,
    tracer,
    nowMs: () => performance.now(),
    now: () => new Date(),
    randomBytes,
    access: { ...state.accounts, ...config },
    jobs: state.jobs,
    webhooks: state.webhooks,
    isDraining: () => draining.signal.aborted,
    draining: draining.signal,
    swaggerUiDir: join(PROGRAM_DIR, 'node_modules/swagger-ui-dist'),
    maplibreDir: join(PROGRAM_DIR, 'node_modules/maplibre-gl/dist'),
    pageDir: join(PROGRAM_DIR, 'src/handlers/page'),
    samples: demoSamples(join(PROGRAM_DIR, 'demo/view-set')),
  });
  const server = createHttpServer({
    ...config,
    fetch: app.fetch,
    newRequestId: randomUUID,
    onRefused({ status, code, requestId }) {
      metrics.onHttpRequest({ method: '_OTHER', route: 'unmatched', status, durationMs: 0 });
      logger.info({ requestId, status, code }, 'refused before it was a request');
    },
  });

  let stopping: Promise<void> | undefined;
  async function stop(): Promise<void> {
    draining.abort();
    logger.info('stopping: finishing what is in flight');
    // at the same time: all have until the drain is over
    await Promise.all([server.close(config.drainTimeoutMs), state.stop(config.drainTimeoutMs)]);
    await engine.stop();
    await state.close();
    await stopTracing();
    metrics.stop();
    logger.info('stopped');
  }
  function stopOnce(): Promise<void> {
    stopping ??= stop();
    return stopping;
  }

  try {
    const url = await server.listen();
    logger.info({ url, model: modelName, index: engine.index }, 'listening; loading the model and the regions');
    await startBoth(engine, state);
    engine.follow();
    if (config.withoutKey === 'open') {
      logger.warn(
        'no key is needed (GEO2_REQUIRE_KEY=false), and others can reach this service: they may use every verb',
      );
    }
    logger.info({ url, regions: engine.regions.list().map(({ id }) => id) }, 'ready');
    return { url, engine, stop: stopOnce };
  } catch (error) {
    await stopOnce();
    throw error;
  }
}

/** At the same time; where one fails, the other is let finish before the failure is told. */
async function startBoth(engine: Engine, state: State): Promise<void> {
  for (const result of await Promise.allSettled([engine.start(), state.start()])) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/**
 * The whole life of a serving process: environment, start, SIGTERM or SIGINT, drain. Resolves with the exit code. A second
 * signal does not wait.
 */
export async function runServer(
  env: Readonly<Record<string, string | undefined>>,
  options: { onReady?: (server: RunningServer) => void } = {},
): Promise<number> {
  const asked = Promise.withResolvers<void>();
  const onSignal = (): void => {
    for (const signal of SIGNALS) process.once(signal, () => process.exit(1));
    asked.resolve();
  };
  for (const signal of SIGNALS) process.once(signal, onSignal);
  try {
    const server = await startServer(readConfig(env), { childEnv: libraryPathOf(env) });
    options.onReady?.(server);
    await asked.promise;
    await server.stop();
    return 0;
  } catch (error) {
    if (!(error instanceof Geo2Error)) throw error;
    process.stderr.write(`geo2: ${error.message}\n`);
    return 1;
  }
}

const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** Where the inference process finds CUDA; nothing else of the environment is its business. */
function libraryPathOf(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return env.LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH: env.LD_LIBRARY_PATH };
}

/** Metrics first, then what an operator should read. */
function observing(metrics: InferenceObserver, logger: Logger): InferenceObserver {
  return {
    ...metrics,
    onState(state) {
      metrics.onState?.(state);
      logger[state.status === 'UNAVAILABLE' && state.reason !== 'stopped' ? 'error' : 'info'](state, 'model state');
    },
    onRestart(event) {
      metrics.onRestart?.(event);
      logger.warn(event, 'the inference process ended; the next one starts');
    },
  };
}

async function programVersion(): Promise<string> {
  const text = await readFile(join(PROGRAM_DIR, 'package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}

if (import.meta.main) process.exitCode = await runServer(process.env);
