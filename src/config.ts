import { availableParallelism } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ipaddr from 'ipaddr.js';
import * as z from 'zod';
import type { Rate } from './core/accounts/keys.ts';
import { isLoopbackHost } from './core/accounts/loopback.ts';
import { Geo2Error } from './core/errors.ts';
import { DEFAULT_IMAGE_LIMITS } from './core/image/limits.ts';

/** The folder of this program: what it ships with is found from here, whatever the current directory is. */
export const PROGRAM_DIR = fileURLToPath(new URL('..', import.meta.url));

const DEFAULT_STORE_DIR = join(PROGRAM_DIR, 'demo/store');
const DEFAULT_MODEL_DIR = join(PROGRAM_DIR, 'models/released/geo2-mini');
const MIB = 1024 * 1024;
const DAY_S = 86_400;
const S3_URL = /^s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](\/[A-Za-z0-9_][A-Za-z0-9._@-]*)*\/*$/;
const REGION_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

function integer(range: { min: number; max: number; unit?: string }) {
  const { min, max, unit = '' } = range;
  const hint = `must be a whole number from ${min} to ${max}${unit === '' ? '' : ` ${unit}`}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, hint)
    .transform(Number)
    .refine((value) => value >= min && value <= max, hint);
}

function oneOf<const T extends readonly [string, ...string[]]>(values: T) {
  return z.enum(values, { error: `must be one of ${values.join(', ')}` });
}

const StoreUrlSchema = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'file:' && url.host === '') return url.href;
  if (url === undefined && (isAbsolute(text) || text.startsWith('.'))) return pathToFileURL(resolve(text)).href;
  if (S3_URL.test(text)) return text.replace(/\/+$/, '');
  context.addIssue('must be file:///absolute/path (or a path), or s3://bucket/prefix');
  return z.NEVER;
});

const ModelDirSchema = z.string().transform((text, context) => {
  if (!text.startsWith('s3:')) return resolve(text);
  if (S3_URL.test(text) && text.split('/').length > 4) return text.replace(/\/+$/, '');
  context.addIssue('must be the folder of a released model: a path, or s3://bucket/models/NAME');
  return z.NEVER;
});

const RegionsSchema = z.string().transform((text, context) => {
  if (text.trim() === '*') return '*' as const;
  const ids = listOf(text);
  const wrong = ids.filter((id) => !REGION_ID.test(id));
  if (ids.length > 0 && wrong.length === 0) return ids;
  context.addIssue(
    ids.length === 0
      ? 'must be * or region ids separated by commas'
      : `names no region: ${wrong.map((id) => JSON.stringify(id)).join(', ')} (lower-case letters, digits and -)`,
  );
  return z.NEVER;
});

const CidrListSchema = z.string().transform((text, context) => {
  const ranges = listOf(text);
  for (const range of ranges) {
    if (ipaddr.isValidCIDR(range)) continue;
    context.addIssue(`${JSON.stringify(range)} is not a range of addresses; write for example 10.0.0.0/8 or fd00::/8`);
  }
  return ranges;
});

const DatabaseUrlSchema = z
  .string()
  .refine(
    (text) => URL.canParse(text) && ['postgres:', 'postgresql:'].includes(new URL(text).protocol),
    'must be the address of a PostgreSQL database: postgres://user:password@host:5432/name',
  );

/** `600/60`: so many requests in so many seconds. */
export const RateTextSchema = z.string().transform((text, context): Rate => {
  const [, requests, windowS] = /^(\d{1,7})\/(\d{1,5})$/.exec(text) ?? [];
  const rate = { requests: Number(requests), windowS: Number(windowS) };
  if (rate.requests >= 1 && rate.requests <= 1_000_000 && rate.windowS >= 1 && rate.windowS <= 86_400) return rate;
  context.addIssue('must be REQUESTS/SECONDS, such as 600/60: 1 to 1000000 requests in 1 to 86400 seconds');
  return z.NEVER;
});

/** What the environment may say, and what holds where it says nothing. */
const EnvironmentSchema = z.object({
  GEO2_STORE: StoreUrlSchema.default(pathToFileURL(DEFAULT_STORE_DIR).href),
  GEO2_S3_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be the address of an S3 server, such as http://127.0.0.1:8333' })
    .optional(),
  GEO2_S3_REGION: z
    .string()
    .regex(/^[a-z0-9-]{2,40}$/, 'must be a region of S3, such as eu-north-1')
    .optional(),
  GEO2_S3_PATH_STYLE: oneOf(['true', 'false']).optional(),
  GEO2_S3_RETRY_S: integer({ min: 0, max: 3_600, unit: 'seconds' }).default(90),
  GEO2_POLL_S: integer({ min: 1, max: 86_400, unit: 'seconds' }).default(10),
  GEO2_MODEL_DIR: ModelDirSchema.default(DEFAULT_MODEL_DIR),
  GEO2_MODEL_VERSION: z
    .string()
    .regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/, 'must be a version such as 1.2.3')
    .optional(),
  GEO2_REGIONS: RegionsSchema.default('*'),
  GEO2_REGIONS_BYTES: integer({ min: 1, max: 1024 * 1024 * MIB, unit: 'bytes' }).default(16 * 1024 * MIB),
  GEO2_CACHE_DIR: z
    .string()
    .transform((path) => resolve(path))
    .default(join(PROGRAM_DIR, '.geo2/cache')),
  GEO2_CACHE_BYTES: integer({ min: 1, max: 1024 * 1024 * MIB, unit: 'bytes' }).default(20 * 1024 * MIB),
  GEO2_THREADS: integer({ min: 1, max: 256, unit: 'threads' }).default(Math.max(1, availableParallelism() - 1)),
  GEO2_DEVICE: oneOf(['cpu', 'cuda']).default('cpu'),
  GEO2_VECTOR_INDEX: oneOf(['auto', 'faiss', 'exact']).default('auto'),
  GEO2_MAX_QUEUE: integer({ min: 1, max: 10_000, unit: 'images' }).default(64),
  GEO2_MAX_IMAGE_BYTES: integer({ min: 1024, max: 512 * MIB, unit: 'bytes' }).default(DEFAULT_IMAGE_LIMITS.maxBytes),
  GEO2_MAX_PIXELS: integer({ min: 4096, max: 1_000_000_000, unit: 'pixels' }).default(DEFAULT_IMAGE_LIMITS.maxPixels),
  GEO2_MAX_BATCH: integer({ min: 1, max: 256, unit: 'images' }).default(16),
  GEO2_MAX_BATCH_BYTES: integer({ min: 1024, max: 64 * 1024 * MIB, unit: 'bytes' }).default(4 * 1024 * MIB),
  GEO2_UPLOAD_TIMEOUT_MS: integer({ min: 1_000, max: 840_000, unit: 'milliseconds' }).default(600_000),
  GEO2_REQUEST_TIMEOUT_MS: integer({ min: 100, max: 600_000, unit: 'milliseconds' }).default(10_000),
  GEO2_DRAIN_TIMEOUT_MS: integer({ min: 0, max: 600_000, unit: 'milliseconds' }).default(25_000),
  GEO2_OUTBOUND_ALLOW: CidrListSchema.default([]),
  GEO2_DATABASE_URL: DatabaseUrlSchema.optional(),
  GEO2_DATA_DIR: z
    .string()
    .transform((path) => resolve(path))
    .default(join(PROGRAM_DIR, '.geo2/data')),
  GEO2_ROLE: oneOf(['api', 'worker', 'all']).default('all'),
  GEO2_JOB_STORE: StoreUrlSchema.optional(),
  GEO2_JOB_CONCURRENCY: integer({ min: 1, max: 64, unit: 'jobs' }).default(4),
  GEO2_JOB_IMAGES: integer({ min: 1, max: 64, unit: 'images' }).default(2),
  GEO2_JOB_TTL_S: integer({ min: 1, max: 2_592_000, unit: 'seconds' }).default(DAY_S),
  GEO2_JOB_RETENTION_S: integer({ min: 1, max: 31_536_000, unit: 'seconds' }).default(DAY_S),
  GEO2_JOB_STAGING_S: integer({ min: 1, max: 86_400, unit: 'seconds' }).default(900),
  GEO2_MAX_JOBS: integer({ min: 1, max: 1_000_000, unit: 'jobs' }).default(10_000),
  GEO2_REQUIRE_KEY: oneOf(['true', 'false']).optional(),
  GEO2_RATE_LIMIT: RateTextSchema.default({ requests: 600, windowS: 60 }),
  GEO2_MAX_CONCURRENT: integer({ min: 1, max: 10_000, unit: 'requests' }).default(32),
  GEO2_SECRET_KEY: z
    .string()
    .min(32, 'must have 32 characters or more; `openssl rand -base64 32` makes one')
    .optional(),
  GEO2_LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  MILVUS_TOKEN: z.string().optional(),
  MILVUS_USER: z
    .string()
    .regex(/^[^:]+$/, 'must be a name without a colon')
    .optional(),
  MILVUS_PASSWORD: z.string().optional(),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/, error: 'must be the address of an OTLP/HTTP receiver, such as http://127.0.0.1:4318' })
    .optional(),
  OTEL_SERVICE_NAME: z.string().max(100, 'may have 100 characters').default('geo2'),
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: integer({ min: 0, max: 65_535 }).default(8080),
});

/** How this process runs; every value checked. */
export interface Config {
  /** `file:///…` or `s3://bucket/prefix` */
  readonly storeUrl: string;
  readonly s3: S3Config;
  /** How often the pointers of regions and model are looked at. */
  readonly pollMs: number;
  /** Holds `current.json` and a folder for each released version: a path, or `s3://bucket/models/NAME`. */
  readonly modelDir: string;
  /** Overrides `current.json`. */
  readonly modelVersion?: string | undefined;
  readonly regions: '*' | readonly string[];
  /** Of index and tiles of the regions that are open at one time; beyond it the one that was used longest ago is closed. */
  readonly regionsBytes: number;
  /** Where versions of a store that is not local are kept, and how many bytes of them. */
  readonly cacheDir: string;
  readonly cacheBytes: number;
  /** Threads inside one run of the model. */
  readonly threads: number;
  readonly device: 'cpu' | 'cuda';
  readonly vectorIndex: 'auto' | 'faiss' | 'exact';
  /** `user:password`, or a key, of the Milvus servers that hold regions. */
  readonly milvus: { readonly token?: string | undefined };
  /** Images that may wait for the model. */
  readonly maxQueue: number;
  readonly maxImageBytes: number;
  readonly maxPixels: number;
  /** Images in one embed request. */
  readonly maxBatch: number;
  /** Of one batch of files. */
  readonly maxBatchBytes: number;
  /** For a batch, from its first byte to the job. */
  readonly uploadTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** How long a stop waits for requests in flight. */
  readonly drainTimeoutMs: number;
  /** Address ranges that image URLs and webhooks may reach beside public addresses. */
  readonly outboundAllow: readonly string[];
  /** Of a PostgreSQL server that several processes may share; without it the database is embedded, in `dataDir`. */
  readonly databaseUrl?: string | undefined;
  readonly dataDir: string;
  /** `api` accepts jobs, `worker` runs them; either alone needs a database that both share. */
  readonly role: 'api' | 'worker' | 'all';
  readonly jobs: JobsConfig;
  /** What a request without a key may do: nothing, everything from this machine, or only what stores nothing. */
  readonly withoutKey: 'required' | 'local' | 'open';
  /** Of a key that has none of its own. */
  readonly rate: Rate;
  /** Requests that such a key may have in flight. */
  readonly maxConcurrent: number;
  /** Encrypts secrets that are stored to be read again; without it they are stored as they are. */
  readonly secretKey?: string | undefined;
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
  /** Where traces go; undefined: nowhere, and nothing is traced. */
  readonly otlp?: { readonly endpoint: string; readonly serviceName: string } | undefined;
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
}

/** How an S3 server is reached; credentials come from where the SDK looks for them. */
export interface S3Config {
  /** Undefined: Amazon's. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** Whether the bucket is part of the path; undefined: with an endpoint. */
  readonly pathStyle?: boolean | undefined;
  /** How long a request is tried again while the server is away. */
  readonly patienceMs: number;
}

export interface JobsConfig {
  /** Where images and results of jobs lie; undefined: in the data folder. */
  readonly storeUrl?: string | undefined;
  /** Jobs that one worker runs at one time, and images over all of them. */
  readonly maxJobs: number;
  readonly maxItems: number;
  /** After which a job that is not final expires. */
  readonly ttlMs: number;
  /** How long an ended job and its results are kept. */
  readonly retentionMs: number;
  /** After which images that came without a job are deleted. */
  readonly stagingMs: number;
  /** Jobs that may be unfinished at one time, of all tenants. */
  readonly maxUnfinished: number;
}

/**
 * Reads the environment. Throws INVALID_REQUEST with every problem at once, a line each that names the variable. An empty
 * variable counts as unset; an unknown `GEO2_…` one is a problem, because it is most likely misspelt.
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const known = Object.keys(EnvironmentSchema.shape);
  const problems = Object.keys(given)
    .filter((name) => name.startsWith('GEO2_') && !known.includes(name) && !READ_ELSEWHERE.has(name))
    .map((name) => ({ name, problem: `is not known; known are ${known.join(', ')}` }));
  const parsed = EnvironmentSchema.safeParse(given);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push({ name: issue.path.join('.'), problem: issue.message });
  }
  if (['api', 'worker'].includes(given.GEO2_ROLE ?? '') && given.GEO2_DATABASE_URL === undefined) {
    const problem =
      'needs GEO2_DATABASE_URL: without it the database is embedded, and one process (role all) has it alone';
    problems.push({ name: 'GEO2_ROLE', problem });
  }
  if ((given.MILVUS_USER === undefined) !== (given.MILVUS_PASSWORD === undefined)) {
    const [name, other] =
      given.MILVUS_USER === undefined ? ['MILVUS_PASSWORD', 'MILVUS_USER'] : ['MILVUS_USER', 'MILVUS_PASSWORD'];
    problems.push({ name, problem: `needs ${other} beside it` });
  }
  if (!parsed.success || problems.length > 0) throw invalid(problems, given);

  const found = parsed.data;
  return {
    storeUrl: found.GEO2_STORE,
    s3: {
      endpoint: found.GEO2_S3_ENDPOINT,
      region: found.GEO2_S3_REGION ?? given.AWS_REGION ?? given.AWS_DEFAULT_REGION,
      ...(found.GEO2_S3_PATH_STYLE === undefined ? {} : { pathStyle: found.GEO2_S3_PATH_STYLE === 'true' }),
      patienceMs: found.GEO2_S3_RETRY_S * 1000,
    },
    pollMs: found.GEO2_POLL_S * 1000,
    modelDir: found.GEO2_MODEL_DIR,
    modelVersion: found.GEO2_MODEL_VERSION,
    regions: found.GEO2_REGIONS,
    regionsBytes: found.GEO2_REGIONS_BYTES,
    cacheDir: found.GEO2_CACHE_DIR,
    cacheBytes: found.GEO2_CACHE_BYTES,
    threads: found.GEO2_THREADS,
    device: found.GEO2_DEVICE,
    vectorIndex: found.GEO2_VECTOR_INDEX,
    milvus: {
      token:
        found.MILVUS_TOKEN ??
        (found.MILVUS_USER === undefined ? undefined : `${found.MILVUS_USER}:${found.MILVUS_PASSWORD}`),
    },
    maxQueue: found.GEO2_MAX_QUEUE,
    maxImageBytes: found.GEO2_MAX_IMAGE_BYTES,
    maxPixels: found.GEO2_MAX_PIXELS,
    maxBatch: found.GEO2_MAX_BATCH,
    maxBatchBytes: found.GEO2_MAX_BATCH_BYTES,
    uploadTimeoutMs: found.GEO2_UPLOAD_TIMEOUT_MS,
    requestTimeoutMs: found.GEO2_REQUEST_TIMEOUT_MS,
    drainTimeoutMs: found.GEO2_DRAIN_TIMEOUT_MS,
    outboundAllow: found.GEO2_OUTBOUND_ALLOW,
    databaseUrl: found.GEO2_DATABASE_URL,
    dataDir: found.GEO2_DATA_DIR,
    role: found.GEO2_ROLE,
    jobs: {
      storeUrl: found.GEO2_JOB_STORE,
      maxJobs: found.GEO2_JOB_CONCURRENCY,
      maxItems: found.GEO2_JOB_IMAGES,
      ttlMs: found.GEO2_JOB_TTL_S * 1000,
      retentionMs: found.GEO2_JOB_RETENTION_S * 1000,
      stagingMs: found.GEO2_JOB_STAGING_S * 1000,
      maxUnfinished: found.GEO2_MAX_JOBS,
    },
    withoutKey: withoutKey(found.GEO2_REQUIRE_KEY, found.HOST),
    rate: found.GEO2_RATE_LIMIT,
    maxConcurrent: found.GEO2_MAX_CONCURRENT,
    secretKey: found.GEO2_SECRET_KEY,
    logLevel: found.GEO2_LOG_LEVEL,
    ...(found.OTEL_EXPORTER_OTLP_ENDPOINT === undefined
      ? {}
      : { otlp: { endpoint: found.OTEL_EXPORTER_OTLP_ENDPOINT, serviceName: found.OTEL_SERVICE_NAME } }),
    host: found.HOST,
    port: found.PORT,
  };
}

/** Variables of the same prefix that belong to the command line, to builds and tests, or to roles with state. */
const READ_ELSEWHERE: ReadonlySet<string> = new Set(['GEO2_URL', 'GEO2_API_KEY']);

/** Their values are not repeated in messages. */
const SECRET: ReadonlySet<string> = new Set([
  'GEO2_DATABASE_URL',
  'GEO2_SECRET_KEY',
  'MILVUS_TOKEN',
  'MILVUS_PASSWORD',
]);

/** Who can be reached by others asks them for a key, unless its operator has said that none is needed. */
function withoutKey(requireKey: 'true' | 'false' | undefined, host: string): Config['withoutKey'] {
  if (requireKey === 'true') return 'required';
  if (isLoopbackHost(host)) return 'local';
  return requireKey === 'false' ? 'open' : 'required';
}

function invalid(
  problems: readonly { name: string; problem: string }[],
  given: Readonly<Record<string, string | undefined>>,
): Geo2Error {
  const lines = problems.map(({ name, problem }) => {
    const value = SECRET.has(name) ? undefined : given[name];
    return `  ${name}${value === undefined ? '' : `=${JSON.stringify(value.slice(0, 100))}`}: ${problem}`;
  });
  return new Geo2Error('INVALID_REQUEST', `The environment cannot be used:\n${lines.join('\n')}`, {
    data: { problems },
  });
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
