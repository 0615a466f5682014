import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import * as z from 'zod';
import { readCurrent } from '#core/storage/versioned.ts';
import { PROGRAM_DIR, readConfig } from '../src/config.ts';
import { type Engine, startEngine } from '../src/engine.ts';
import { createLogger } from '../src/logging.ts';
import { geo2, start as startGeo2 } from './cli/run.ts';
import { colourImage, GREEN, tileOf } from './e2e/service.ts';
import { type RegionsInS3, seaweedfs, useRegionsInS3 } from './regions-in-s3.ts';
import { startTcpLine } from './tcp-line.ts';

/** What goes wrong while versions travel: the store goes away, a process is killed, a disk is full. */

vi.setConfig({ testTimeout: 240_000 });

const logger = createLogger({ level: 'silent', version: 'test' });
const MIB = 1024 * 1024;
const regions = useRegionsInS3();
let it: RegionsInS3;
beforeEach(() => {
  if (seaweedfs !== undefined) it = regions();
});

async function start(env: Readonly<Record<string, string>>): Promise<Engine> {
  const engine = await startEngine(readConfig({ ...it.env, ...env }), { logger });
  onTestFinished(() => engine.stop());
  return engine;
}

async function served(engine: Engine): Promise<string | undefined> {
  const answer = await engine.geolocate({ image: await colourImage(GREEN), headingDeg: 0 });
  expect(answer.candidates[0]?.tileId).toBe(tileOf(GREEN));
  return answer.region?.version;
}

const published = async (): Promise<string | undefined> => (await readCurrent(it.store, 'regions/test'))?.version;

describe.skipIf(seaweedfs === undefined)('S3 that goes away', () => {
  /** In the middle of a download of the version, for so long. */
  async function lineThatBreaks({ outageMs }: { outageMs: number }) {
    const line = await startTcpLine(it.s3.endpoint);
    const broken = line.stallAfter(2 * MIB).then(async () => {
      line.down();
      await pause(outageMs);
      line.up();
    });
    return { endpoint: line.endpoint, broken };
  }

  test('in the middle of a publication delays it', async () => {
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    const { endpoint, broken } = await lineThatBreaks({ outageMs: 4_000 });
    const env = { ...it.env, GEO2_S3_ENDPOINT: endpoint, GEO2_S3_RETRY_S: '60' };
    const publishing = geo2(['region', 'publish', 'test@2'], { env });
    await broken;
    expect(await publishing).toMatchObject({ code: 0, stdout: 'test: 2 is served (before: 1)\n' });
    expect(await published()).toBe('2');
  });

  test('for longer than is waited ends it with what to do, and the same command publishes later', async () => {
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    const { endpoint, broken } = await lineThatBreaks({ outageMs: 20_000 });
    const env = { ...it.env, GEO2_S3_ENDPOINT: endpoint, GEO2_S3_RETRY_S: '1' };
    const { code, stderr } = await geo2(['region', 'publish', 'test@2'], { env });
    expect(code).toBe(1);
    expect(stderr).toMatch(/cannot be reached \(ECONN\w+\): check GEO2_S3_ENDPOINT, and that it runs/);
    expect(await published()).toBe('1');
    await broken;
    expect(await geo2(['region', 'publish', 'test@2'], { env })).toMatchObject({ code: 0 });
    expect(await published()).toBe('2');
  });

  test('in the middle of a reload leaves the version before until the next one is here', async () => {
    const { endpoint, broken } = await lineThatBreaks({ outageMs: 4_000 });
    const engine = await start({ GEO2_S3_ENDPOINT: endpoint, GEO2_S3_RETRY_S: '60' });
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    await it.point('2');
    const looking = engine.look();
    const first = await Promise.race([looking.then(() => 'taken over'), pause(1_000, 'on the way')]);
    if (first === 'on the way') expect(await served(engine)).toBe('1');
    await broken;
    await looking;
    expect(await served(engine)).toBe('2');
    expect(engine.regionHealth()).toEqual([{ id: 'test', status: 'READY', version: '2' }]);
  });

  test('for longer than is waited is told beside the version before, and made good for later', async () => {
    const { endpoint, broken } = await lineThatBreaks({ outageMs: 20_000 });
    const engine = await start({ GEO2_S3_ENDPOINT: endpoint, GEO2_S3_RETRY_S: '1' });
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    await it.point('2');
    await engine.look();
    expect(await served(engine)).toBe('1');
    expect(engine.regionHealth()).toEqual([
      expect.objectContaining({
        status: 'READY',
        version: '1',
        reason: expect.stringMatching(/2 is published and cannot be served: .*cannot be reached/),
      }),
    ]);
    await broken;
    await expect.poll(() => engine.look().then(() => served(engine)), { timeout: 60_000, interval: 1_000 }).toBe('2');
    expect(engine.regionHealth()).toEqual([{ id: 'test', status: 'READY', version: '2' }]);
  });
});

const ReadySchema = z.looseObject({ msg: z.string(), url: z.string().optional() });

/** The service in a process of its own; it is killed when the test ends. */
function serve(env: Readonly<Record<string, string>>, name: string) {
  const child = spawn(process.execPath, [join(PROGRAM_DIR, 'src/main.ts')], {
    env: { PATH: '', ...it.env, GEO2_DATA_DIR: join(it.files.root, name), PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ready = Promise.withResolvers<string>();
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { msg, url } = ReadySchema.parse(JSON.parse(line));
      if (msg === 'ready' && url !== undefined) ready.resolve(url);
    }
  });
  return {
    ready: ready.promise,
    async kill() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function versionAt(url: string): Promise<unknown> {
  const response = await fetch(`${url}/v1/geolocate?headingDeg=0`, {
    method: 'POST',
    body: await colourImage(GREEN),
    headers: { 'content-type': 'image/png' },
  });
  const { region } = z.looseObject({ region: z.looseObject({ version: z.string() }) }).parse(await response.json());
  return region.version;
}

/** Folders of downloads that have begun and not ended. */
async function parts(): Promise<string[]> {
  const names = await readdir(it.env.GEO2_CACHE_DIR ?? '', { recursive: true }).catch(() => []);
  return names.filter((name) => /\/part-[^/]+$/.test(name));
}

describe.skipIf(seaweedfs === undefined)('a service that is killed in the middle of a download', () => {
  test('serves when it is started again, and what was begun is gone', async () => {
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    await it.point('2');
    const line = await startTcpLine(it.s3.endpoint);
    const stalled = line.stallAfter(3 * MIB);
    const env = { GEO2_S3_ENDPOINT: line.endpoint };
    const first = serve(env, 'first');
    await stalled;
    await first.kill();
    expect(await parts()).toHaveLength(1);
    line.down();
    line.up();
    const startedMs = performance.now();
    const url = await serve(env, 'first').ready;
    expect(performance.now() - startedMs).toBeLessThan(40_000); // it does not wait for the dead one's lock to become old
    expect(await versionAt(url)).toBe('2');
    expect(await parts()).toEqual([]);
  });

  test('leaves the cache to another one that waits for the same version', async () => {
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    await it.point('2');
    const line = await startTcpLine(it.s3.endpoint);
    const stalled = line.stallAfter(3 * MIB);
    const first = serve({ GEO2_S3_ENDPOINT: line.endpoint }, 'first');
    await stalled;
    const second = serve({}, 'second');
    const early = await Promise.race([second.ready, pause(5_000, 'waits')]);
    expect(early).toBe('waits');
    expect(await parts()).toHaveLength(1); // the second does not download what the first does
    await first.kill();
    expect(await versionAt(await second.ready)).toBe('2');
    expect(await parts()).toEqual([]);
  });
});

const mayMount = userInfo().uid === 0;

describe.skipIf(seaweedfs === undefined || !mayMount)('a disk that is full', () => {
  const execute = promisify(execFile);
  /** The cache on a file system of so many bytes. */
  async function smallCache(bytes: number): Promise<string> {
    const dir = it.env.GEO2_CACHE_DIR ?? '';
    await mkdir(dir, { recursive: true });
    await execute('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', dir]);
    onTestFinished(async () => void (await execute('umount', ['-l', dir])));
    return dir;
  }

  test('ends a publication with what to do, and the pointer stays', async () => {
    await it.copyToStore('2', { extraBytes: 3 * MIB });
    await smallCache(MIB);
    const { code, stderr } = await geo2(['region', 'publish', 'test@2'], { env: it.env });
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /The disk is full where the cache .* is: regions\/test@2 needs \d+ bytes\. Make room, lower/,
    );
    expect(await published()).toBe('1');
    expect(await parts()).toEqual([]);
  });

  test('leaves a service the version before, and it takes over when there is room', async () => {
    const dir = await smallCache(MIB);
    const engine = await start({});
    await it.copyToStore('2', { extraBytes: 3 * MIB });
    await it.point('2');
    await engine.look();
    expect(await served(engine)).toBe('1');
    expect(engine.regionHealth()[0]).toMatchObject({
      status: 'READY',
      version: '1',
      reason: expect.stringMatching(/2 is published and cannot be served: The disk is full where the cache/),
    });
    await execute('mount', ['-o', `remount,size=${8 * MIB}`, dir]);
    await expect.poll(() => engine.look().then(() => served(engine)), { timeout: 60_000, interval: 1_000 }).toBe('2');
  });
});

describe.skipIf(seaweedfs === undefined)('a publication that is stopped in its middle', () => {
  test('leaves the pointer, and the cache to whoever publishes next', async () => {
    await it.copyToStore('2', { extraBytes: 5 * MIB });
    const line = await startTcpLine(it.s3.endpoint);
    const stalled = line.stallAfter(3 * MIB);
    const { child, ended } = startGeo2(['region', 'publish', 'test@2'], {
      env: { ...it.env, GEO2_S3_ENDPOINT: line.endpoint },
    });
    await stalled;
    child.kill('SIGKILL');
    await ended;
    expect(await published()).toBe('1');
    expect(await geo2(['region', 'publish', 'test@2'], { env: it.env })).toMatchObject({ code: 0 });
    expect(await published()).toBe('2');
  });
});
