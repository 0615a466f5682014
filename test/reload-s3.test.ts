import { pathToFileURL } from 'node:url';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { rollBackRegion } from '#core/regions/publish.ts';
import { openExactIndex } from '#core/retrieval/vector-index.exact.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { readCurrent, writeCurrent } from '#core/storage/versioned.ts';
import { type Config, readConfig } from '../src/config.ts';
import { type Engine, startEngine } from '../src/engine.ts';
import { createLogger } from '../src/logging.ts';
import { openObjectStore } from '../src/object-store.ts';
import { geo2 } from './cli/run.ts';
import { colourImage, GREEN, tileOf } from './e2e/service.ts';
import { type RegionsInS3, seaweedfs, useRegionsInS3 } from './regions-in-s3.ts';
import type { TestS3 } from './seaweedfs.ts';

vi.setConfig({ testTimeout: 180_000 });

const logger = createLogger({ level: 'silent', version: 'test' });

const regions = useRegionsInS3();
let s3: TestS3;
let env: RegionsInS3['env'];
let config: Config;
let store: ObjectStore;
let copyToStore: RegionsInS3['copyToStore'];
beforeEach(() => {
  if (seaweedfs === undefined) return;
  ({ s3, env, store, copyToStore } = regions());
  config = readConfig(env);
});

async function start(): Promise<Engine> {
  const engine = await startEngine(config, { logger });
  onTestFinished(() => engine.stop());
  return engine;
}

async function served(engine: Engine): Promise<string | undefined> {
  const answer = await engine.geolocate({ image: await colourImage(GREEN), headingDeg: 0 });
  expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
  return answer.region?.version;
}

describe.skipIf(seaweedfs === undefined)('a region in S3', () => {
  test('is published and rolled back by one command each, and services follow', async () => {
    const engine = await start();
    expect(await served(engine)).toBe('1');
    await copyToStore('2');
    const published = await geo2(['region', 'publish', 'test@2', '--json'], { env });
    expect(published).toMatchObject({ code: 0, stdout: '{"id":"test","version":"2","replaced":"1"}\n' });
    await engine.look();
    expect(await served(engine)).toBe('2');
    const back = await geo2(['region', 'rollback', 'test'], { env });
    expect(back).toMatchObject({ code: 0, stdout: 'test: 1 is served again (before: 2)\n' });
    await engine.look();
    expect(await served(engine)).toBe('1');
    const catalog = JSON.parse(Buffer.from(await bytesOf('catalog.json')).toString());
    expect(catalog.links).toContainEqual(
      expect.objectContaining({ rel: 'child', href: './regions/test/1/collection.json', 'geo2:version': '1' }),
    );
  });

  test('is served on while S3 is away, and what was published meanwhile after it is back', async () => {
    const engine = await start();
    await copyToStore('2');
    await writeCurrent(store, 'regions/test', { version: '2', replaces: await readCurrent(store, 'regions/test') });
    await s3.kill();
    try {
      await expect(engine.look()).rejects.toMatchObject({
        code: 'STORE_FAILED',
        message: expect.stringMatching(/cannot be reached.*GEO2_S3_ENDPOINT/),
      });
      expect(await served(engine)).toBe('1');
      expect(engine.regionHealth()).toEqual([
        expect.objectContaining({
          status: 'READY',
          version: '1',
          reason: expect.stringMatching(/what is loaded is served/),
        }),
      ]);
    } finally {
      await s3.start();
    }
    // a server that was killed answers with errors for a while
    await expect.poll(() => engine.look().then(() => served(engine)), { timeout: 60_000 }).toBe('2');
    expect(engine.regionHealth()).toEqual([{ id: 'test', status: 'READY', version: '2' }]);
  });

  test('that goes away in the middle of a download leaves the version before', async () => {
    const engine = await start();
    await copyToStore('2');
    await store.delete('regions/test/2/index.faiss');
    await writeCurrent(store, 'regions/test', { version: '2', replaces: await readCurrent(store, 'regions/test') });
    await engine.look();
    expect(await served(engine)).toBe('1');
    expect(engine.regionHealth()[0]).toMatchObject({
      version: '1',
      reason: expect.stringMatching(/2 is published and cannot be served: .*index\.faiss is missing/),
    });
  });

  test('is not published while S3 is away, and the message says what to do', async () => {
    await copyToStore('2');
    await s3.kill();
    const { code, stderr } = await geo2(['region', 'publish', 'test@2'], { env });
    await s3.start();
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be reached \(ECONNREFUSED\): check GEO2_S3_ENDPOINT/);
    const pointer = () => readCurrent(store, 'regions/test').catch(() => undefined);
    await expect.poll(pointer, { timeout: 60_000 }).toMatchObject({ version: '1' });
  });

  test('is published by one of two who do it at the same time, and the other is told', async () => {
    for (const version of ['2', '3']) await copyToStore(version);
    const seen = await readCurrent(store, 'regions/test');
    const outcomes = await Promise.allSettled(
      ['2', '3'].map((version) => writeCurrent(store, 'regions/test', { version, replaces: seen })),
    );
    const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
    expect(lost).toEqual([
      expect.objectContaining({ code: 'STORE_CONFLICT', message: expect.stringMatching(/published by somebody else/) }),
    ]);
    const winner = outcomes[0]?.status === 'fulfilled' ? '2' : '3';
    expect(await readCurrent(store, 'regions/test')).toMatchObject({ version: winner, previous: '1' });
  });

  test('that was never published twice cannot be rolled back', async () => {
    const cache = { hold: () => Promise.reject(new Error('nothing is to be downloaded')) };
    await expect(rollBackRegion(store, 'test', { cache, openIndex: openExactIndex })).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringMatching(/No earlier version of test was in use/),
    });
  });

  test('is looked at by the doctor', async () => {
    const { stdout } = await geo2(['doctor', '--json'], { env });
    const { checks } = JSON.parse(stdout);
    expect(checks).toContainEqual({
      check: 'store',
      status: 'ok',
      detail: `${env.GEO2_STORE} answers at ${s3.endpoint}`,
    });
    expect(checks).toContainEqual(expect.objectContaining({ check: 'region test', status: 'ok' }));
  });
});

test('a store in a folder needs no S3 client', async () => {
  const local = await openObjectStore(pathToFileURL('/nowhere').href, readConfig({}));
  expect(local.url).toBe('file:///nowhere');
});

async function bytesOf(key: string): Promise<Uint8Array> {
  const found = await store.get(key);
  if (found === undefined || found === 'unchanged') throw new Error(`${key} is not there`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of found.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}
