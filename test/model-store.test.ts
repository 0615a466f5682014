import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { readCurrent, writeCurrent } from '#core/storage/versioned.ts';
import { readConfig } from '../src/config.ts';
import { openCurrentModel, openModelStore } from '../src/model-store.ts';
import { openObjectStore, openVersionCache } from '../src/object-store.ts';
import { geo2 } from './cli/run.ts';
import { writeManifest, writeTinyModel } from './core/inference/tiny-model.ts';
import { seaweedfs, useRegionsInS3 } from './regions-in-s3.ts';
import { temporaryFolder } from './temporary.ts';

vi.setConfig({ testTimeout: 120_000 });

let modelDir: string;
let env: Record<string, string>;
beforeEach(async () => {
  const root = await temporaryFolder();
  modelDir = join(root, 'models/tiny');
  env = { GEO2_MODEL_DIR: modelDir, GEO2_CACHE_DIR: join(root, 'cache') };
  await writeTinyModel(join(modelDir, '0.0.1'));
  await addVersion('0.0.2');
  await writeFile(join(modelDir, 'current.json'), '{"version":"0.0.1"}\n');
});

async function addVersion(version: string): Promise<void> {
  const dir = join(modelDir, version);
  await cp(join(modelDir, '0.0.1'), dir, { recursive: true });
  await rm(join(dir, 'manifest.json'));
  await writeManifest(dir, { version });
}

const pointer = async (): Promise<unknown> => JSON.parse(await readFile(join(modelDir, 'current.json'), 'utf8'));

describe('geo2 model publish and rollback', () => {
  test('move the pointer there and back', async () => {
    const there = await geo2(['model', 'publish', '0.0.2', '--json'], { env });
    expect(there).toMatchObject({ code: 0, stdout: '{"model":"tiny","version":"0.0.2","replaced":"0.0.1"}\n' });
    expect(await pointer()).toEqual({ version: '0.0.2', previous: '0.0.1' });
    const back = await geo2(['model', 'rollback'], { env });
    expect(back).toMatchObject({ code: 0, stdout: 'tiny: 0.0.1 is published again (before: 0.0.2)\n' });
    expect(await pointer()).toEqual({ version: '0.0.1', previous: '0.0.2' });
  });

  test('say what is wrong, and the pointer stays', async () => {
    await truncate(join(modelDir, '0.0.2/ground.onnx'), 100);
    for (const [args, code, message] of [
      [['publish', '0.0.2'], 1, /ground\.onnx has 100 bytes, its manifest says/],
      [['publish', '9.9.9'], 1, /tiny\/9\.9\.9\/manifest\.json is missing/],
      [['publish', '../x'], 1, /"\.\.\/x" is no version; write for example 1\.2\.3/],
      [['publish'], 2, /geo2 model publish VERSION/],
      [['rollback'], 1, /No earlier version of tiny was published in .*: geo2 model publish takes any/],
      [['rollback', 'tiny'], 2, /takes no "tiny"/],
    ] as const) {
      const ran = await geo2(['model', ...args], { env });
      expect({ code: ran.code, stderr: ran.stderr }, args.join(' ')).toEqual({
        code,
        stderr: expect.stringMatching(message),
      });
    }
    expect(await pointer()).toEqual({ version: '0.0.1' });
  });
});

describe('the versions that may be served', () => {
  test('are the published one and the one before, or the one that the settings name', async () => {
    const models = await openModelStore(readConfig(env));
    expect(await models.versions()).toEqual(['0.0.1']);
    const cache = openVersionCache(readConfig(env));
    await models.publish('0.0.2', { cache, signal: new AbortController().signal });
    expect(await models.versions()).toEqual(['0.0.2', '0.0.1']);
    const fixed = await openModelStore(readConfig({ ...env, GEO2_MODEL_VERSION: '0.0.1' }));
    expect(await fixed.versions()).toEqual(['0.0.1']);
  });

  test('are none where nothing is published, which is said', async () => {
    await rm(join(modelDir, 'current.json'));
    const models = await openModelStore(readConfig(env));
    await expect(models.versions()).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringMatching(/no current\.json in .*GEO2_MODEL_DIR/),
    });
  });
});

test('of two who publish at the same time one wins, and the other is told', async () => {
  await addVersion('0.0.3');
  const models = await openModelStore(readConfig(env));
  const cache = openVersionCache(readConfig(env));
  const { signal } = new AbortController();
  // both have read the pointer before either has verified what it publishes
  const outcomes = await Promise.allSettled(
    ['0.0.2', '0.0.3'].map((version) => models.publish(version, { cache, signal })),
  );
  const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []));
  expect(lost).toEqual([
    expect.objectContaining({ code: 'STORE_CONFLICT', message: expect.stringMatching(/published by somebody else/) }),
  ]);
  const winner = outcomes[0]?.status === 'fulfilled' ? '0.0.2' : '0.0.3';
  expect(await pointer()).toEqual({ version: winner, previous: '0.0.1' });
});

describe.skipIf(seaweedfs === undefined)('a model in S3', () => {
  const regions = useRegionsInS3();

  test('is published, brought here, and rolled back', async () => {
    const { env: s3Env, store, files } = regions();
    const inS3 = { ...s3Env, GEO2_MODEL_DIR: `${s3Env.GEO2_STORE}/models/tiny` };
    const config = readConfig(inS3);
    const at = await openObjectStore(`${s3Env.GEO2_STORE}/models`, config);
    for (const version of ['0.0.1', '0.0.2']) {
      const { files: listed } = JSON.parse(await readFile(join(modelDir, version, 'manifest.json'), 'utf8'));
      for (const path of ['manifest.json', ...listed.map((file: { path: string }) => file.path)]) {
        await at.put(`tiny/${version}/${path}`, await readFile(join(modelDir, version, path)));
      }
    }
    await writeCurrent(at, 'tiny', { version: '0.0.1', replaces: undefined });
    onTestFinished(() => rm(join(files.root, 'cache'), { recursive: true, force: true }));
    expect(await geo2(['model', 'publish', '0.0.2'], { env: inS3 })).toMatchObject({ code: 0 });
    const name = await openCurrentModel(config, openVersionCache(config), async (dir) =>
      JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')),
    );
    expect(name).toMatchObject({ name: 'tiny', version: '0.0.2' });
    expect(await geo2(['model', 'rollback'], { env: inS3 })).toMatchObject({ code: 0 });
    expect(await readCurrent(at, 'tiny')).toMatchObject({ version: '0.0.1', previous: '0.0.2' });
    await store.delete('models/tiny/0.0.2/ground.onnx');
    const { code, stderr } = await geo2(['model', 'publish', '0.0.2'], {
      env: { ...inS3, GEO2_CACHE_DIR: join(files.root, 'cache') },
    });
    expect(code).toBe(1);
    expect(stderr).toMatch(/tiny\/0\.0\.2\/ground\.onnx is missing in s3:/);
  });
});
