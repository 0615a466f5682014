import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../src/config.ts';
import { type Engine, openEngine, startEngine } from '../src/engine.ts';
import { createLogger } from '../src/logging.ts';
import { COLOURS, colourImage, GREEN, prepareFiles, type ServiceFiles, tileOf } from './e2e/service.ts';

let files: ServiceFiles;
beforeAll(async () => {
  files = await prepareFiles({ regions: ['one', 'two'] });
});
afterAll(() => rm(files.root, { recursive: true, force: true }));

const logger = createLogger({ level: 'silent', version: 'test' });
const configOf = (env: Record<string, string> = {}) =>
  readConfig({
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    ...env,
  });

async function withEngine<T>(engine: Engine, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await engine.stop();
  }
}

describe('the engine', () => {
  test('is opened without starting anything', async () => {
    const engine = await openEngine(configOf(), { logger });
    expect(engine.model.state).toEqual({ status: 'UNAVAILABLE', reason: 'not started' });
    expect(engine.model.manifest.name).toBe('tiny');
    expect(engine.regions.list()).toEqual([]);
    await engine.stop();
  });

  test('says that it is loading rather than that a place is not covered', async () => {
    const engine = await openEngine(configOf(), { logger });
    const image = await colourImage(GREEN);
    const starting = engine.start();
    await expect(engine.geolocate({ image })).rejects.toMatchObject({
      code: 'MODEL_UNAVAILABLE',
      data: { retryAfterS: 1 },
    });
    await starting;
    await withEngine(engine, async () => expect((await engine.geolocate({ image })).candidates).not.toEqual([]));
  });

  test('loads every region of the store, and only those asked for', async () => {
    const all = await startEngine(configOf(), { logger });
    await withEngine(all, async () => expect(all.regions.list().map(({ id }) => id)).toEqual(['one', 'two']));
    const some = await startEngine(configOf({ GEO2_REGIONS: 'two' }), { logger });
    await withEngine(some, async () => expect(some.regions.list().map(({ id }) => id)).toEqual(['two']));
  });

  test('gives the same answers with FAISS and with the exact index', async () => {
    const answers = await Promise.all(
      ['faiss', 'exact'].map(async (index) => {
        const engine = await startEngine(configOf({ GEO2_VECTOR_INDEX: index, GEO2_REGIONS: 'one' }), { logger });
        expect(engine.index).toBe(index);
        return withEngine(engine, async () => {
          const images = await Promise.all(COLOURS.map(colourImage));
          const found = await Promise.all(images.map((image) => engine.geolocate({ image })));
          return found.map(({ status, candidates }) => ({
            status,
            tiles: candidates.map(({ tileId, similarity }) => [tileId, similarity.toFixed(4)]),
          }));
        });
      }),
    );
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[0]?.map(({ tiles }) => tiles[0]?.[0])).toEqual(COLOURS.map(tileOf));
  });

  test('started twice starts once, and stopped twice stops once', async () => {
    const engine = await openEngine(configOf(), { logger });
    await Promise.all([engine.start(), engine.start()]);
    const { pid } = engine.model;
    await engine.start();
    expect(engine.model.pid).toBe(pid);
    await Promise.all([engine.stop(), engine.stop()]);
    expect(() => process.kill(pid ?? -1, 0)).toThrow();
    expect(engine.regions.list()).toEqual([]);
  });

  test('can be started again after a stop', async () => {
    const engine = await openEngine(configOf({ GEO2_REGIONS: 'one' }), { logger });
    await engine.start();
    await engine.stop();
    await engine.start();
    await withEngine(engine, async () => {
      const answer = await engine.geolocate({ image: await colourImage(GREEN) });
      expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
    });
  });

  test('runs another released version when it is asked for, and says when there is none', async () => {
    await expect(openEngine(configOf({ GEO2_MODEL_VERSION: '9.9.9' }), { logger })).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringMatching(/9\.9\.9/),
    });
    const engine = await openEngine(configOf({ GEO2_MODEL_VERSION: '0.0.1' }), { logger });
    expect(engine.model.manifest.version).toBe('0.0.1');
    await engine.stop();
  });
});
