import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { Geo2Error } from '#core/errors.ts';
import { readConfig } from '../src/config.ts';

function problemOf(env: Record<string, string>): Geo2Error {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof Geo2Error) return error;
    throw error;
  }
  throw new Error('the environment was accepted');
}

describe('without any variable', () => {
  test('it serves the demo store on the loopback address', () => {
    const config = readConfig({});
    expect(config.storeUrl).toMatch(/^file:\/\/\/.*\/demo\/store$/);
    expect(config.modelDir).toMatch(/models\/released\/geo2-mini$/);
    expect(config).toMatchObject({ host: '127.0.0.1', port: 8080, regions: '*', device: 'cpu', outboundAllow: [] });
    expect(config.threads).toBeGreaterThanOrEqual(1);
  });

  test('an empty variable counts as unset', () => {
    expect(readConfig({ PORT: '', GEO2_STORE: '' })).toEqual(readConfig({}));
  });
});

describe('with variables', () => {
  test('each one is read', () => {
    const config = readConfig({
      GEO2_STORE: 's3://imagery/geo2/',
      GEO2_S3_ENDPOINT: 'http://127.0.0.1:8333',
      GEO2_S3_REGION: 'eu-north-1',
      GEO2_S3_PATH_STYLE: 'false',
      GEO2_S3_RETRY_S: '7',
      GEO2_POLL_S: '3',
      GEO2_REGIONS_BYTES: '2000000',
      GEO2_CACHE_BYTES: '4000000',
      GEO2_MODEL_DIR: '/srv/models/geo2-mini',
      GEO2_MODEL_VERSION: '1.2.3',
      GEO2_REGIONS: 'null-island-demo, helsinki',
      GEO2_CACHE_DIR: '/var/cache/geo2',
      GEO2_THREADS: '3',
      GEO2_DEVICE: 'cuda',
      GEO2_VECTOR_INDEX: 'exact',
      GEO2_MAX_QUEUE: '7',
      GEO2_MAX_IMAGE_BYTES: '1000000',
      GEO2_MAX_PIXELS: '2000000',
      GEO2_MAX_BATCH: '4',
      GEO2_MAX_BATCH_BYTES: '3000000',
      GEO2_UPLOAD_TIMEOUT_MS: '20000',
      GEO2_REQUEST_TIMEOUT_MS: '1500',
      GEO2_DRAIN_TIMEOUT_MS: '500',
      GEO2_OUTBOUND_ALLOW: '10.0.0.0/8, fd00::/8',
      GEO2_DATABASE_URL: 'postgres://geo2:secret@db.example:5432/geo2',
      GEO2_DATA_DIR: '/var/lib/geo2',
      GEO2_ROLE: 'worker',
      GEO2_JOB_STORE: '/mnt/jobs',
      GEO2_JOB_CONCURRENCY: '6',
      GEO2_JOB_IMAGES: '5',
      GEO2_JOB_TTL_S: '60',
      GEO2_JOB_RETENTION_S: '120',
      GEO2_JOB_STAGING_S: '30',
      GEO2_MAX_JOBS: '50',
      GEO2_REQUIRE_KEY: 'true',
      GEO2_RATE_LIMIT: '100/10',
      GEO2_MAX_CONCURRENT: '5',
      GEO2_LOG_LEVEL: 'warn',
      MILVUS_USER: 'geo2',
      MILVUS_PASSWORD: 'secret',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318',
      OTEL_SERVICE_NAME: 'geo2-eu',
      HOST: '0.0.0.0',
      PORT: '0',
    });
    expect(config).toEqual({
      storeUrl: 's3://imagery/geo2',
      s3: { endpoint: 'http://127.0.0.1:8333', region: 'eu-north-1', pathStyle: false, patienceMs: 7_000 },
      pollMs: 3_000,
      modelDir: '/srv/models/geo2-mini',
      modelVersion: '1.2.3',
      regions: ['null-island-demo', 'helsinki'],
      regionsBytes: 2_000_000,
      cacheDir: '/var/cache/geo2',
      cacheBytes: 4_000_000,
      threads: 3,
      device: 'cuda',
      vectorIndex: 'exact',
      milvus: { token: 'geo2:secret' },
      maxQueue: 7,
      maxImageBytes: 1_000_000,
      maxPixels: 2_000_000,
      maxBatch: 4,
      maxBatchBytes: 3_000_000,
      uploadTimeoutMs: 20_000,
      requestTimeoutMs: 1500,
      drainTimeoutMs: 500,
      outboundAllow: ['10.0.0.0/8', 'fd00::/8'],
      databaseUrl: 'postgres://geo2:secret@db.example:5432/geo2',
      dataDir: '/var/lib/geo2',
      role: 'worker',
      jobs: {
        storeUrl: 'file:///mnt/jobs',
        maxJobs: 6,
        maxItems: 5,
        ttlMs: 60_000,
        retentionMs: 120_000,
        stagingMs: 30_000,
        maxUnfinished: 50,
      },
      withoutKey: 'required',
      rate: { requests: 100, windowS: 10 },
      maxConcurrent: 5,
      logLevel: 'warn',
      otlp: { endpoint: 'http://127.0.0.1:4318', serviceName: 'geo2-eu' },
      host: '0.0.0.0',
      port: 0,
    });
  });

  test('a model may lie in S3, and the region of S3 may be the SDK’s', () => {
    const config = readConfig({ GEO2_MODEL_DIR: 's3://imagery/models/geo2-mini', AWS_REGION: 'eu-north-1' });
    expect(config).toMatchObject({ modelDir: 's3://imagery/models/geo2-mini', s3: { region: 'eu-north-1' } });
    expect(problemOf({ GEO2_MODEL_DIR: 's3://imagery' }).message).toMatch(/s3:\/\/bucket\/models\/NAME/);
    expect(problemOf({ GEO2_STORE: 's3://Bucket/../x' }).message).toMatch(/s3:\/\/bucket\/prefix/);
  });

  test('a store may be given as a path', () => {
    expect(readConfig({ GEO2_STORE: '/srv/geo2' }).storeUrl).toBe('file:///srv/geo2');
    expect(readConfig({ GEO2_STORE: './store' }).storeUrl).toBe(pathToFileURL('store').href);
  });
});

test.each(['api', 'worker'])('the role %s alone needs a database that others share', (role) => {
  expect(problemOf({ GEO2_ROLE: role }).message).toMatch(/GEO2_ROLE="(api|worker)": needs GEO2_DATABASE_URL/);
  expect(readConfig({ GEO2_ROLE: role, GEO2_DATABASE_URL: 'postgres://localhost/geo2' }).role).toBe(role);
  expect(readConfig({}).role).toBe('all');
});

describe('keys', () => {
  test.each([
    [{}, 'local'],
    [{ HOST: 'localhost' }, 'local'],
    [{ HOST: '::1' }, 'local'],
    [{ HOST: '127.9.9.9' }, 'local'],
    [{ GEO2_REQUIRE_KEY: 'false' }, 'local'],
    [{ GEO2_REQUIRE_KEY: 'true' }, 'required'],
    [{ HOST: '0.0.0.0' }, 'required'],
    [{ HOST: '::' }, 'required'],
    [{ HOST: '10.0.0.1' }, 'required'],
    [{ HOST: '127.0.0.1.example.org' }, 'required'],
    [{ HOST: '0.0.0.0', GEO2_REQUIRE_KEY: 'true' }, 'required'],
    [{ HOST: '0.0.0.0', GEO2_REQUIRE_KEY: 'false' }, 'open'],
  ])('with %j, what needs none is %s', (env, expected) => {
    expect(readConfig(env).withoutKey).toBe(expected);
  });

  test.each(['600', '0/60', '60/0', '1000001/60', '60/86401', '60/60/60', '-1/60', '1e3/60', '60 / 60'])(
    '%j is no rate',
    (rate) => {
      expect(problemOf({ GEO2_RATE_LIMIT: rate }).message).toMatch(/GEO2_RATE_LIMIT=.*must be REQUESTS\/SECONDS/);
    },
  );

  test('does not repeat a key that is too short, and takes one that is not', () => {
    const { message } = problemOf({ GEO2_SECRET_KEY: 'a short secret' });
    expect(message).toMatch(/GEO2_SECRET_KEY: must have 32 characters or more/);
    expect(message).not.toMatch(/a short secret/);
    const key = 'x'.repeat(32);
    expect(readConfig({ GEO2_SECRET_KEY: key }).secretKey).toBe(key);
  });

  test('of Milvus are a token, or a user and a password', () => {
    expect(readConfig({ MILVUS_TOKEN: 'a-key' }).milvus).toEqual({ token: 'a-key' });
    expect(readConfig({ MILVUS_USER: 'geo2', MILVUS_PASSWORD: 'a:b' }).milvus).toEqual({ token: 'geo2:a:b' });
    expect(readConfig({}).milvus).toEqual({ token: undefined });
    expect(problemOf({ MILVUS_USER: 'geo2' }).message).toMatch(/MILVUS_USER="geo2": needs MILVUS_PASSWORD beside it/);
    const { message } = problemOf({ MILVUS_PASSWORD: 'hidden' });
    expect(message).toMatch(/MILVUS_PASSWORD: needs MILVUS_USER beside it/);
    expect(message).not.toContain('hidden');
  });

  test('a password is not repeated where its address is wrong', () => {
    const { message } = problemOf({ GEO2_DATABASE_URL: 'mysql://geo2:secret@db.example/geo2' });
    expect(message).toMatch(/GEO2_DATABASE_URL: must be the address of a PostgreSQL database/);
    expect(message).not.toContain('secret');
  });
});

describe('a mistake', () => {
  test('is told together with all others, each naming its variable and what to write', () => {
    const { code, message } = problemOf({
      PORT: '99999',
      GEO2_THREADS: 'many',
      GEO2_DEVICE: 'tpu',
      GEO2_REGIONS: 'Helsinki!',
      GEO2_OUTBOUND_ALLOW: '10.0.0.0/8,localhost',
      GEO2_STORE: 'https://example.org/store',
    });
    expect(code).toBe('INVALID_REQUEST');
    expect(message.split('\n')).toHaveLength(7);
    expect(message).toMatch(/PORT="99999": must be a whole number from 0 to 65535/);
    expect(message).toMatch(/GEO2_THREADS="many": must be a whole number/);
    expect(message).toMatch(/GEO2_DEVICE="tpu": must be one of cpu, cuda/);
    expect(message).toMatch(/GEO2_REGIONS=.*names no region: "Helsinki!"/);
    expect(message).toMatch(/GEO2_OUTBOUND_ALLOW=.*"localhost" is not a range/);
    expect(message).toMatch(/GEO2_STORE=.*must be file:/);
  });

  test('in the name of a variable is told too', () => {
    expect(problemOf({ GEO2_TREADS: '2' }).message).toMatch(/GEO2_TREADS="2": is not known; known are .*GEO2_THREADS/);
  });

  test.each(['-1', '1.5', '1e3', ' 8080', '0x50'])('%j is no port', (port) => {
    expect(problemOf({ PORT: port }).message).toMatch(/PORT/);
  });

  test('other programs’ variables are not ours to judge', () => {
    expect(readConfig({ HOME: '/root', npm_config_x: '1' }).port).toBe(8080);
  });
});
