import { cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { publishRegion, rollBackRegion } from '#core/regions/publish.ts';
import { openExactIndex, writeExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { readCurrent, writeCurrent } from '#core/storage/versioned.ts';
import { readConfig } from '../src/config.ts';
import type { Reload } from '../src/core/regions/lineup.ts';
import { type Engine, startEngine } from '../src/engine.ts';
import { createLogger } from '../src/logging.ts';
import { embeddingOf, writeManifest } from './core/inference/tiny-model.ts';
import { copyVersion, replaceFile } from './e2e/region-bundle.ts';
import {
  BLUE,
  COLOURS,
  colourImage,
  GREEN,
  prepareFiles,
  type ServiceFiles,
  slowImage,
  tileOf,
} from './e2e/service.ts';

// each starts inference processes, one after the other
vi.setConfig({ testTimeout: 120_000 });

const logger = createLogger({ level: 'silent', version: 'test' });

let files: ServiceFiles;
let engine: Engine | undefined;
let reloads: Reload[];
beforeEach(async () => {
  files = await prepareFiles({ regions: ['one', 'two'] });
  reloads = [];
});
afterEach(async () => {
  await engine?.stop();
  engine = undefined;
  await rm(files.root, { recursive: true, force: true });
});

async function start(env: Record<string, string> = {}): Promise<Engine> {
  const config = readConfig({
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
    GEO2_POLL_S: '1',
    ...env,
  });
  engine = await startEngine(config, { logger, onReload: (reload) => void reloads.push(reload) });
  return engine;
}

const store = () => createFsObjectStore({ url: pathToFileURL(files.storeDir).href });
const dirOf = (id: string): string => join(files.storeDir, 'regions', id);
const publish = (id: string, version: string) => publishRegion(store(), { id, version }, { openIndex: openExactIndex });

/** Moves a pointer without looking at what it points at, as a script might. */
async function point(prefix: string, version: string, root = files.storeDir): Promise<void> {
  const at = createFsObjectStore({ url: pathToFileURL(root).href });
  await writeCurrent(at, prefix, { version, replaces: await readCurrent(at, prefix) });
}

async function addModel(version: string): Promise<void> {
  const dir = join(files.root, 'models/tiny', version);
  await cp(files.modelVersionDir, dir, { recursive: true });
  await rm(join(dir, 'manifest.json'));
  await writeManifest(dir, { version });
}

async function answeredBy(serving: Engine, region: string): Promise<{ model: string; region: string | undefined }> {
  const answer = await serving.geolocate({ image: await colourImage(GREEN), regions: [region], headingDeg: 0 });
  expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
  return { model: answer.model.version, region: answer.region?.version };
}

const versionsOf = ({ regions }: Engine): string[] => regions.list().map(({ id, version }) => `${id}@${version}`);

describe('a region that is published', () => {
  test('is served after the next look, and a roll-back likewise', async () => {
    const serving = await start();
    await copyVersion(dirOf('one'), { to: '2' });
    await publish('one', '2');
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '2' });
    expect(await rollBackRegion(store(), 'one', { openIndex: openExactIndex })).toEqual({
      version: '1',
      replaced: '2',
    });
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
    expect(serving.regionHealth()).toEqual([
      { id: 'one', status: 'READY', version: '1' },
      { id: 'two', status: 'READY', version: '1' },
    ]);
  });

  test('is taken over by itself within the poll', async () => {
    const serving = await start();
    serving.follow();
    await copyVersion(dirOf('one'), { to: '2' });
    await publish('one', '2');
    await expect.poll(() => versionsOf(serving), { timeout: 20_000 }).toEqual(['one@2', 'two@1']);
  });

  test('leaves the request that began with the version before to its end', async () => {
    const serving = await start();
    await copyVersion(dirOf('one'), { to: '2' });
    const held = await serving.regions.hold(['one']);
    await publish('one', '2');
    await serving.look();
    expect(versionsOf(serving)).toContain('one@2');
    const [region] = held.regions;
    expect(region?.version).toBe('1');
    expect(await region?.index.search(new Float32Array(8).fill(1), { k: 1, rows: { rowsPerTile: 4 } })).toHaveLength(1);
    held.release();
  });

  test('is found where nothing was published before', async () => {
    await cp(dirOf('one'), join(files.root, 'kept'), { recursive: true });
    await rm(dirOf('one'), { recursive: true });
    const serving = await start();
    expect(versionsOf(serving)).toEqual(['two@1']);
    await cp(join(files.root, 'kept'), dirOf('one'), { recursive: true });
    await serving.look();
    expect(versionsOf(serving)).toEqual(['one@1', 'two@1']);
  });
});

describe('a version that cannot be served leaves the one before', () => {
  const vectors = (width: number) => new Float32Array(6 * 4 * width).fill(width ** -0.5);
  const broken: [string, (dir: string) => Promise<unknown>, RegExp][] = [
    ['a file is missing', (dir) => rm(join(dir, 'tiles.parquet')), /tiles\.parquet is missing/],
    [
      'a file is truncated',
      (dir) => truncate(join(dir, 'index.faiss'), 20),
      /index\.faiss has 20 bytes, its manifest says/,
    ],
    [
      'a file is another one of the same length',
      async (dir) => {
        const path = join(dir, 'calibration.json');
        await writeFile(path, (await readFile(path, 'utf8')).replace('0', '1'));
      },
      /calibration\.json has other content/,
    ],
    ['there is nothing', (dir) => rm(dir, { recursive: true }), /regions\/one\/2\/manifest\.json is missing/],
    ['the manifest is damaged', (dir) => writeFile(join(dir, 'manifest.json'), '{'), /manifest\.json is not JSON/],
    [
      'the index is of another width',
      async (dir) => {
        const path = join(dir, 'wide.faiss');
        await writeExactIndex(path, { width: 16, vectors: vectors(16) });
        await replaceFile(dir, 'index.faiss', await readFile(path));
      },
      /index\.faiss holds 24 rows of 16; .* 24 rows of 8/,
    ],
    [
      'the index holds no unit vectors',
      async (dir) => {
        const path = join(dir, 'long.faiss');
        await writeExactIndex(path, { width: 8, vectors: vectors(8).map((value) => value * 2) });
        await replaceFile(dir, 'index.faiss', await readFile(path));
      },
      /golden-queries\.json expects another answer for tile-0 .* has similarity -?0\.\d+, not 1\.0000/,
    ],
    [
      'the index answers golden queries otherwise',
      async (dir) => {
        const path = join(dir, 'other.faiss');
        const rows = [BLUE, GREEN, ...COLOURS.slice(2)].flatMap((colour) => Array(4).fill([...embeddingOf(colour)]));
        await writeExactIndex(path, { width: 8, vectors: Float32Array.from(rows.flat()) });
        await replaceFile(dir, 'index.faiss', await readFile(path));
      },
      /golden-queries\.json expects another answer for tile-0 .*tile tile-0 at orientation 0/,
    ],
    [
      'the golden queries are missing',
      (dir) => rm(join(dir, 'golden-queries.json')),
      /golden-queries\.json is missing/,
    ],
    [
      'the golden queries make no sense',
      (dir) => replaceFile(dir, 'golden-queries.json', Buffer.from('{"schemaVersion":1,"queries":[]}')),
      /golden-queries\.json is not valid/,
    ],
    [
      'another model embedded it',
      async (dir) => {
        const manifest = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8'));
        await writeFile(
          join(dir, 'manifest.json'),
          JSON.stringify({ ...manifest, model: { name: 'tiny', version: '9.9.9' } }),
        );
      },
      /embedded by tiny 9\.9\.9; in use is tiny 0\.0\.1/,
    ],
  ];

  test.each(broken)('where %s', async (_name, breakIt, reason) => {
    const serving = await start({ GEO2_REGIONS: 'one' });
    await breakIt(await copyVersion(dirOf('one'), { to: '2' }));
    await point('regions/one', '2');
    await serving.look();
    expect(serving.regionHealth()).toEqual([
      expect.objectContaining({ id: 'one', status: 'READY', version: '1', reason: expect.stringMatching(reason) }),
    ]);
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
    // a container that starts now does the same
    await serving.stop();
    const fresh = await start({ GEO2_REGIONS: 'one' });
    expect(fresh.regionHealth()).toEqual([
      expect.objectContaining({ id: 'one', status: 'READY', version: '1', reason: expect.stringMatching(reason) }),
    ]);
    await point('regions/one', '1');
    await fresh.look();
    expect(fresh.regionHealth()).toEqual([{ id: 'one', status: 'READY', version: '1' }]);
  });

  test('but a bundle of before there were golden queries is served, if its rows are unit vectors', async () => {
    const serving = await start({ GEO2_REGIONS: 'one' });
    for (const [version, factor] of [
      ['2', 1],
      ['3', 2],
    ] as const) {
      const dir = await copyVersion(dirOf('one'), { to: version });
      await rm(join(dir, 'golden-queries.json'));
      const path = join(dir, 'manifest.json');
      const manifest = JSON.parse(await readFile(path, 'utf8'));
      const files = manifest.files.filter((file: { path: string }) => file.path !== 'golden-queries.json');
      await writeFile(path, JSON.stringify({ ...manifest, files }));
      const rows = COLOURS.flatMap((colour) => Array(4).fill([...embeddingOf(colour)])).flat();
      await writeExactIndex(join(dir, 'scaled'), { width: 8, vectors: Float32Array.from(rows, (n) => n * factor) });
      await replaceFile(dir, 'index.faiss', await readFile(join(dir, 'scaled')));
      await point('regions/one', version);
      await serving.look();
      expect(await answeredBy(serving, 'one')).toMatchObject({ region: '2' });
    }
    expect(serving.regionHealth()).toEqual([
      expect.objectContaining({
        version: '2',
        reason: expect.stringMatching(/index\.faiss holds a vector of length (2|1\.99)/),
      }),
    ]);
  });

  test('and so does a pointer that cannot be read, or is gone', async () => {
    const serving = await start();
    await writeFile(join(dirOf('one'), 'current.json'), '{"version":"../1"}');
    await rm(join(dirOf('two'), 'current.json'));
    await serving.look();
    expect(serving.regionHealth()).toEqual([
      expect.objectContaining({
        id: 'one',
        status: 'READY',
        version: '1',
        reason: expect.stringMatching(/current\.json/),
      }),
      expect.objectContaining({
        id: 'two',
        status: 'READY',
        version: '1',
        reason: expect.stringMatching(/no published/),
      }),
    ]);
    expect(await answeredBy(serving, 'two')).toMatchObject({ region: '1' });
  });

  test('is told once for each attempt, not at every look', async () => {
    const serving = await start({ GEO2_POLL_S: '3600' });
    const dir = await copyVersion(dirOf('one'), { to: '2' });
    await truncate(join(dir, 'index.faiss'), 20);
    await point('regions/one', '2');
    for (let i = 0; i < 3; i++) await serving.look();
    expect(reloads.filter(({ outcome }) => outcome === 'failure')).toHaveLength(1);
  });
});

describe('a model and its regions', () => {
  const by = (version: string) => ({ changes: { model: { name: 'tiny', version } } });
  const modelPointer = (version: string) => point('tiny', version, join(files.root, 'models'));

  test('switch together, when the last of their pointers has moved, and back', async () => {
    await addModel('0.0.2');
    const serving = await start();
    const { pid } = serving.model;
    for (const id of ['one', 'two']) await copyVersion(dirOf(id), { to: '2', ...by('0.0.2') });

    await publish('one', '2');
    await serving.look();
    expect(serving.regionHealth()[0]).toMatchObject({
      version: '1',
      reason: expect.stringMatching(/one 2 was embedded by tiny 0\.0\.2; in use is tiny 0\.0\.1/),
    });
    await modelPointer('0.0.2');
    await serving.look();
    expect(serving.model.state).toEqual({
      status: 'READY',
      reason: expect.stringMatching(/0\.0\.2 is published; .*every region/),
    });
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });

    // what starts in the middle of it does as what runs
    const running = serving;
    engine = undefined;
    const fresh = await start();
    expect(await answeredBy(fresh, 'one')).toEqual({ model: '0.0.1', region: '1' });
    await fresh.stop();
    engine = running;

    const slow = serving.geolocate({ image: await slowImage(10), regions: ['two'] });
    await publish('two', '2');
    await serving.look();
    for (const id of ['one', 'two']) expect(await answeredBy(serving, id)).toEqual({ model: '0.0.2', region: '2' });
    expect((await slow).model.version).toBe('0.0.1');
    expect(serving.model.state).toEqual({ status: 'READY' });
    expect(serving.model.pid).not.toBe(pid);
    await expect.poll(() => isAlive(pid), { timeout: 20_000 }).toBe(false);
    expect(reloads.filter(({ type }) => type === 'model')).toEqual([
      { type: 'model', name: 'tiny', version: '0.0.2', outcome: 'success' },
    ]);

    for (const id of ['one', 'two']) await rollBackRegion(store(), id, { openIndex: openExactIndex });
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.2', region: '2' });
    await modelPointer('0.0.1');
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
  });

  test('stay where the next model does not load', async () => {
    await addModel('0.0.2');
    const serving = await start({ GEO2_REGIONS: 'one' });
    await copyVersion(dirOf('one'), { to: '2', ...by('0.0.2') });
    await truncate(join(files.root, 'models/tiny/0.0.2/ground.onnx'), 100);
    await publish('one', '2');
    await modelPointer('0.0.2');
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
    expect(serving.model.state.reason).toMatch(
      /0\.0\.2 is published and cannot be put to use: ground\.onnx has 100 bytes/,
    );
    expect(reloads.at(-1)).toMatchObject({ type: 'model', version: '0.0.2', outcome: 'failure' });
  });

  test('stay where a region of the next model does not load', async () => {
    await addModel('0.0.2');
    const serving = await start({ GEO2_REGIONS: 'one' });
    const dir = await copyVersion(dirOf('one'), { to: '2', ...by('0.0.2') });
    await point('regions/one', '2');
    await truncate(join(dir, 'index.faiss'), 20);
    await modelPointer('0.0.2');
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
    expect(serving.model.state.reason).toMatch(/index\.faiss has 20 bytes/);
  });

  test('wait for each other, whichever pointer moves first', async () => {
    await addModel('0.0.2');
    const serving = await start({ GEO2_REGIONS: 'one' });
    await modelPointer('0.0.2');
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.1', region: '1' });
    await copyVersion(dirOf('one'), { to: '2', ...by('0.0.2') });
    await publish('one', '2');
    await serving.look();
    expect(await answeredBy(serving, 'one')).toEqual({ model: '0.0.2', region: '2' });
  });
});

describe('more regions than may be open at one time', () => {
  /** Room for one of the two. */
  const oneOpen = async (): Promise<Record<string, string>> => {
    const { files: listed } = JSON.parse(await readFile(join(dirOf('one'), '1/manifest.json'), 'utf8'));
    const sizes = listed.filter(({ path }: { path: string }) => /^(index|tiles)/.test(path));
    const bytes = sizes.reduce((sum: number, { sizeBytes }: { sizeBytes: number }) => sum + sizeBytes, 0);
    return { GEO2_REGIONS_BYTES: String(Math.round(bytes * 1.5)) };
  };

  test('are opened when they are asked for', async () => {
    const serving = await start(await oneOpen());
    expect(versionsOf(serving)).toEqual(['one@1', 'two@1']);
    for (const id of ['two', 'one', 'two']) expect(await answeredBy(serving, id)).toMatchObject({ region: '1' });
    const all = serving.geolocate({ image: await colourImage(GREEN) });
    await expect(all).rejects.toMatchObject({
      code: 'INVALID_REQUEST',
      message: expect.stringMatching(/prior, or name/),
    });
    const [closed] = serving.regions.list();
    expect(closed === undefined ? [] : serving.regions.coverage(closed)).not.toEqual([]);
  });

  test('are replaced all the same', async () => {
    const serving = await start(await oneOpen());
    await copyVersion(dirOf('two'), { to: '2' });
    await publish('two', '2');
    await serving.look();
    expect(versionsOf(serving)).toEqual(['one@1', 'two@2']);
    expect(await answeredBy(serving, 'two')).toMatchObject({ region: '2' });
    expect(await answeredBy(serving, 'one')).toMatchObject({ region: '1' });
  });

  test('where one cannot be opened, it is an error, not an answer without it', async () => {
    const serving = await start(await oneOpen());
    await answeredBy(serving, 'one');
    await rm(join(dirOf('two'), '1/index.faiss'));
    await expect(answeredBy(serving, 'two')).rejects.toMatchObject({
      code: 'MODEL_UNAVAILABLE',
      message: expect.stringMatching(/Region two cannot be opened: index\.faiss is missing/),
    });
  });
});

function isAlive(pid: number | undefined): boolean {
  try {
    return process.kill(pid ?? -1, 0);
  } catch {
    return false;
  }
}
