import { rm } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { useBuild } from '#native/faiss';
import { readConfig } from '../src/config.ts';
import { openEngine } from '../src/engine.ts';
import { createLogger } from '../src/logging.ts';
import { colourImage, GREEN, prepareFiles, type ServiceFiles, tileOf } from './e2e/service.ts';

let files: ServiceFiles;

beforeAll(async () => {
  useBuild('/nowhere/faiss.node');
  files = await prepareFiles();
});

afterAll(() => rm(files.root, { recursive: true, force: true }));

function open(vectorIndex: string, log: Record<string, unknown>[]) {
  const config = readConfig({
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: vectorIndex,
  });
  const destination = { write: (line: string) => void log.push(JSON.parse(line)) };
  return openEngine(config, { logger: createLogger({ level: 'warn', version: 'test' }, destination) });
}

describe('where the FAISS binding is not built', () => {
  test('the exact index answers, and the log says so', async () => {
    const log: Record<string, unknown>[] = [];
    const engine = await open('auto', log);
    try {
      await engine.start();
      expect(engine.index).toBe('exact');
      expect(log.map(({ msg }) => msg)).toEqual([expect.stringContaining('make setup')]);
      const answer = await engine.geolocate({ image: await colourImage(GREEN) });
      expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
    } finally {
      await engine.stop();
    }
  });

  test('asking for FAISS is refused with what to run', async () => {
    await expect(open('faiss', [])).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringContaining('make setup'),
    });
  });
});
