import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished } from 'vitest';
import type { z } from 'zod';
import { createAccounts } from '#core/accounts/accounts.ts';
import type { Database } from '#core/database/database.ts';
import type { GeolocateAnswer, GeolocateRequest } from '#core/geolocate.ts';
import { newId } from '#core/ids.ts';
import { openOnnxModel } from '#core/inference/model.onnx.ts';
import type { Jobs } from '#core/jobs/jobs.ts';
import { createPinnedFetcher } from '#core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '#core/outbound/public-address.ts';
import { createPassingTracer } from '#core/tracing/passing-tracer.ts';
import { createDeliveries } from '#core/webhooks/deliveries.ts';
import { createEndpoints } from '#core/webhooks/endpoints.ts';
import { createSecretBox } from '#core/webhooks/secret-box.ts';
import { type AppDeps, createApp } from '../src/app.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { createMetrics } from '../src/handlers/metrics.ts';
import { ProblemSchema } from '../src/handlers/schemas.ts';
import { createLogger } from '../src/logging.ts';
import { writeTinyModel } from './core/inference/tiny-model.ts';
import { regionsOf } from './core/retrieval/memory-region.ts';

let modelDir: Promise<string> | undefined;
afterAll(async () => {
  if (modelDir !== undefined) await rm(await modelDir, { recursive: true, force: true });
});

/** A tiny model that the tests of one file share and must not change. */
export function tinyModelDir(): Promise<string> {
  modelDir ??= (async () => {
    const dir = await mkdtemp(join(tmpdir(), 'geo2-'));
    await writeTinyModel(dir);
    return dir;
  })();
  return modelDir;
}

/** An answer with every member, for tests of what HTTP makes of it. */
export const MATCHED: GeolocateAnswer = {
  status: 'matched',
  location: [0.001, 0.002],
  accuracy: { radiusM: 20, confidence: 0.68 },
  heading: { deg: 91, accuracyDeg: 12 },
  probability: 0.9,
  candidates: [
    {
      rank: 1,
      location: [0.001, 0.002],
      probability: 0.9,
      similarity: 0.8,
      tileId: 't1',
      bounds: { west: 0, south: 0.001, east: 0.002, north: 0.003 },
      regionId: 'test',
      headingDeg: 91,
    },
  ],
  region: { id: 'test', version: '1', attribution: 'nobody', capturedAt: null },
  model: { name: 'tiny', version: '0.0.1' },
  reasons: ['narrow_fov'],
  timingMs: { decode: 1, queue: 0, inference: 2, search: 1, total: 4 },
};

export interface AppUnderTest {
  readonly request: (path: string, init?: RequestInit) => Promise<Response>;
  /** What reached the use case. */
  readonly asked: GeolocateRequest[];
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
}

/** For tests that touch nothing that is stored. */
const NO_DATABASE: Database = {
  kind: 'pglite',
  query: () => Promise.reject(new Error('not used here')),
  transaction: () => Promise.reject(new Error('not used here')),
  listen: () => Promise.reject(new Error('not used here')),
  start: async () => {},
  stop: async () => {},
};

const unused = (): Promise<never> => Promise.reject(new Error('not used here'));
const NO_JOBS: Jobs = {
  stage: unused,
  submit: unused,
  get: unused,
  list: unused,
  items: unused,
  cancel: unused,
  events: unused,
  wait: unused,
};

export const LIMITS = {
  maxImageBytes: 100_000,
  maxBatch: 4,
  maxBatchBytes: 1_000_000,
  requestTimeoutMs: 2_000,
  uploadTimeoutMs: 10_000,
  maxHeldBytes: 1_000_000,
};

/** Keys, limits and idempotency on a database; no key is needed unless `overrides` say so. */
export function accessOf(database: Database, overrides: Partial<AppDeps['access']> = {}): AppDeps['access'] {
  const accounts = createAccounts({ database, now: () => new Date(), newId, randomBytes });
  return { ...accounts, withoutKey: 'local', rate: { requests: 600, windowS: 60 }, maxConcurrent: 32, ...overrides };
}

/** Webhooks on a database, delivered by nobody; `127.0.0.1` is an address like any other, every name is there. */
export function webhooksOf(database: Database): AppDeps['webhooks'] {
  const fetcher = createPinnedFetcher({
    isAllowed: createAddressPolicy(['127.0.0.1/32']),
    resolveHost: async () => [{ address: '127.0.0.1', family: 4 }],
  });
  const now = (): Date => new Date();
  const secrets = createSecretBox(undefined);
  return {
    endpoints: createEndpoints({ database, fetcher, secrets, newId, now }),
    deliveries: createDeliveries({ database, newId, now }),
  };
}

/** The app with every real part of the edge, a model that is not started, no region, and a use case that notes what it is asked. */
export async function appUnderTest(overrides: Partial<AppDeps> = {}): Promise<AppUnderTest> {
  const asked: GeolocateRequest[] = [];
  const log: Record<string, unknown>[] = [];
  const metrics = createMetrics();
  onTestFinished(() => metrics.stop());
  const app = createApp({
    version: '0.0.0',
    model: await openOnnxModel({ dir: await tinyModelDir(), threads: 1 }),
    geolocate: async (request) => {
      asked.push(request);
      return MATCHED;
    },
    embed: () => Promise.reject(new Error('not used here')),
    synthesize: () => Promise.reject(new Error('not used here')),
    previews: { nameOf: () => expect.unreachable('not used here'), get: unused },
    draining: new AbortController().signal,
    regions: regionsOf([]),
    regionHealth: () => [],
    index: 'exact',
    readImageryTile: async () => undefined,
    fetchImage: () => Promise.reject(new Error('not used here')),
    limits: LIMITS,
    access: accessOf(NO_DATABASE),
    jobs: NO_JOBS,
    webhooks: webhooksOf(NO_DATABASE),
    metrics,
    logger: createLogger({ level: 'debug', version: '0.0.0' }, { write: (line) => void log.push(JSON.parse(line)) }),
    newRequestId: () => 'generated-id',
    tracer: createPassingTracer({ newSpanId: () => '00000000000000aa' }),
    nowMs: () => performance.now(),
    now: () => new Date(),
    randomBytes,
    isDraining: () => false,
    swaggerUiDir: join(PROGRAM_DIR, 'node_modules/swagger-ui-dist'),
    maplibreDir: join(PROGRAM_DIR, 'node_modules/maplibre-gl/dist'),
    pageDir: join(PROGRAM_DIR, 'src/handlers/page'),
    ...overrides,
  });
  return { request: async (path, init) => app.request(path, init), asked, log };
}

/** The problem of an answer that must be one, checked against its schema. */
export async function problemOf(response: Response): Promise<z.infer<typeof ProblemSchema> & { pointers: string[] }> {
  if (response.headers.get('content-type') !== 'application/problem+json') {
    throw new Error(`no problem but ${response.status} ${await response.text()}`);
  }
  const problem = ProblemSchema.parse(await response.json());
  if (problem.status !== response.status) {
    throw new Error(`status ${response.status}, the problem says ${problem.status}`);
  }
  return { ...problem, pointers: (problem.errors ?? []).map(({ pointer }) => pointer) };
}

/** A body that comes as a stream, without a length unless the headers state one. */
export function streamed(body: ReadableStream<Uint8Array>, headers: Record<string, string>): RequestInit {
  return { method: 'POST', body, headers, duplex: 'half' };
}
