/**
 * `make reload-bench`: what callers notice of publications. Sends photos at a steady rate, first with nothing else going on, then
 * while two versions of a region are published and rolled back in turn, and holds what was seen to the promises: no failed request,
 * and a p99 during switches of at most 1.5 times the p99 without. Who publishes is a process of its own with what the service leaves of
 * the cores, as it is on another machine. A switch lasts from the pointer's move until half a second after the service has followed. Exit code 1 when one is broken. Prints counts, writes
 * bench/results/reload.json.
 */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import * as z from 'zod';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { quantile } from '../src/cli/evaluation/statistics.ts';
import { PROGRAM_DIR, readConfig } from '../src/config.ts';
import { readViewSetQueries } from '../src/core/regions/view-set.ts';
import { readCurrent } from '../src/core/storage/versioned.ts';
import { openObjectStore } from '../src/object-store.ts';
import { type BenchRow, benchTable, percentileRow, single } from './rows.ts';
import { geolocate, type Photo, startService } from './service.ts';

const { values } = parseArgs({
  options: {
    switches: { type: 'string', default: '50' },
    rate: { type: 'string', default: '20' },
    /** Without a switch, for comparison. */
    'quiet-seconds': { type: 'string', default: '60' },
    region: { type: 'string', default: 'null-island-demo' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/reload.json') },
  },
});
const SWITCHES = Number(values.switches);
const EVERY_MS = 1000 / Number(values.rate);
const QUIET_MS = Number(values['quiet-seconds']) * 1000;
const REGION = values.region;

const PHOTOS = 20;
const WARM_UP = 20;
const P99_FACTOR = 1.5;
/** After a service says that it has switched: what was under way then belongs to the switch. */
const AFTERMATH_MS = 500;
/** Between two looks whether the pointer has moved, and between two whether the service has followed. */
const POINTER_LOOK_MS = 10;
const SERVICE_LOOK_MS = 100;
const TAKE_OVER_TIMEOUT_MS = 60_000;
const execute = promisify(execFile);

interface Sent {
  readonly startedMs: number;
  readonly ms: number;
  /** Undefined where it was answered. */
  readonly failure: string | undefined;
}

const root = await mkdtemp(join(tmpdir(), 'geo2-reload-'));
try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  await rm(root, { recursive: true, force: true });
}

async function main(): Promise<boolean> {
  const versions = await twoVersions();
  const photos = await somePhotos();
  const service = await startService({
    ...process.env,
    GEO2_STORE: pathToFileURL(root).href,
    GEO2_REGIONS: REGION,
    GEO2_POLL_S: '1',
  });
  try {
    const first = photos[0];
    if (first === undefined) throw new Error('There is no photo.');
    for (let i = 0; i < WARM_UP; i++) await geolocate(service, first);
    const { model } = await geolocate(service, first);

    const quiet = await sendWhile(photos, pause(QUIET_MS));
    const windows: { fromMs: number; toMs: number }[] = [];
    const switched = await sendWhile(photos, switchOften(versions, windows));
    const within = switched.filter(({ startedMs, ms }) =>
      windows.some(({ fromMs, toMs }) => startedMs <= toMs && startedMs + ms >= fromMs),
    );
    return report({ model, quiet, switched, within, windows });
  } finally {
    await service.stop();
  }

  /** Open loop: a request begins when it is due, whatever became of those before. */
  async function sendWhile(asked: readonly Photo[], work: Promise<unknown>): Promise<Sent[]> {
    const sent: Promise<Sent>[] = [];
    let isOver = false;
    const ended = work.finally(() => {
      isOver = true;
    });
    ended.catch(() => {}); // it is told below
    const startMs = performance.now();
    for (let i = 0; !isOver; i++) {
      await pause(Math.max(0, startMs + i * EVERY_MS - performance.now()));
      const photo = asked[i % asked.length];
      if (photo !== undefined) sent.push(sendOne(photo));
    }
    await ended;
    return Promise.all(sent);
  }

  async function sendOne(photo: Photo): Promise<Sent> {
    const startedMs = performance.now();
    const failure = await geolocate(service, photo).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    return { startedMs, ms: performance.now() - startedMs, failure };
  }

  async function switchOften(names: readonly string[], windows: { fromMs: number; toMs: number }[]): Promise<void> {
    const store = await openObjectStore(pathToFileURL(root).href, readConfig({}));
    const pointer = async () => (await readCurrent(store, `regions/${REGION}`))?.version;
    const [first = '', second = ''] = names;
    for (let i = 0; i < SWITCHES; i++) {
      const wanted = i % 2 === 0 ? second : first;
      const done = wanted === second ? publish(['publish', `${REGION}@${second}`]) : publish(['rollback', REGION]);
      done.catch(() => {}); // told below
      while ((await Promise.race([pointer(), done.then(() => wanted)])) !== wanted) await pause(POINTER_LOOK_MS);
      const fromMs = performance.now();
      while ((await servedVersion()) !== wanted) {
        if (performance.now() - fromMs > TAKE_OVER_TIMEOUT_MS) throw new Error(`${wanted} is not taken over.`);
        await pause(SERVICE_LOOK_MS);
      }
      windows.push({ fromMs, toMs: performance.now() + AFTERMATH_MS });
      await pause(AFTERMATH_MS);
      await done;
    }
  }

  async function publish(command: readonly string[]): Promise<void> {
    const env = { ...process.env, GEO2_STORE: pathToFileURL(root).href };
    await execute('nice', ['-n', '10', join(PROGRAM_DIR, 'bin/geo2'), 'region', ...command], { env });
  }

  async function servedVersion(): Promise<string> {
    const response = await fetch(`${service.url}/v1/regions/${REGION}`);
    return z.object({ version: z.string() }).parse(await response.json()).version;
  }
}

/** A store of its own with the demo's region in two versions, the first one published. */
async function twoVersions(): Promise<string[]> {
  const { storeUrl } = readConfig(process.env);
  const prefix = `regions/${REGION}`;
  const from = await openObjectStore(storeUrl, readConfig(process.env));
  const version = (await readCurrent(from, prefix))?.version;
  if (version === undefined || from.localPath === undefined) {
    throw new Error(`${storeUrl} has no published ${REGION} in a folder: run \`make setup\`.`);
  }
  const second = `${version}-again`;
  for (const name of [version, second]) {
    await cp(from.localPath(`${prefix}/${version}`), join(root, prefix, name), { recursive: true });
  }
  const path = join(root, prefix, second, 'manifest.json');
  const manifest = z.looseObject({}).parse(JSON.parse(await readFile(path, 'utf8')));
  await writeFile(path, JSON.stringify({ ...manifest, version: second }));
  await writeFile(join(root, prefix, 'current.json'), JSON.stringify({ version }));
  return [version, second];
}

async function somePhotos(): Promise<Photo[]> {
  const dir = join(PROGRAM_DIR, 'demo/view-set');
  const queries = (await readViewSetQueries(dir)).filter(({ kind }) => kind === 'photo').slice(0, PHOTOS);
  return Promise.all(
    queries.map(async ({ image, headingDeg }) => ({
      bytes: new Uint8Array(await readFile(join(dir, image))),
      headingDeg,
    })),
  );
}

async function report(seen: {
  model: string;
  quiet: readonly Sent[];
  switched: readonly Sent[];
  within: readonly Sent[];
  windows: readonly { fromMs: number; toMs: number }[];
}): Promise<boolean> {
  const { model, quiet, switched, within, windows } = seen;
  const about = (condition: string) => ({ system: model, split: 'served', condition });
  const msOf = (sent: readonly Sent[]): number[] => sent.map(({ ms }) => ms);
  const failed = [...quiet, ...switched].filter(({ failure }) => failure !== undefined);
  const ratio = quantile(msOf(within), 0.99) / quantile(msOf(quiet), 0.99);
  const takeOverMs = windows.map(({ fromMs, toMs }) => toMs - AFTERMATH_MS - fromMs);
  const rows: BenchRow[] = [
    single(about('reload'), 'switches', windows.length),
    single(about('reload'), 'failed_requests', failed.length, quiet.length + switched.length),
    percentileRow(about('no_reload'), 'latency_ms_p50', msOf(quiet), 0.5),
    percentileRow(about('no_reload'), 'latency_ms_p99', msOf(quiet), 0.99),
    percentileRow(about('reload'), 'latency_ms_p50', msOf(within), 0.5),
    percentileRow(about('reload'), 'latency_ms_p99', msOf(within), 0.99),
    single(about('reload'), 'p99_ratio', ratio, within.length),
    percentileRow(about('reload'), 'take_over_ms_p50', takeOverMs, 0.5),
    percentileRow(about('reload'), 'take_over_ms_max', takeOverMs, 1),
  ];
  await writeFile(values.out, reportText(rows));
  process.stdout.write(benchTable(rows));
  for (const { failure } of failed.slice(0, 5)) process.stdout.write(`failed: ${failure}\n`);
  if (failed.length > 0) process.stdout.write(`${failed.length} requests failed; none may\n`);
  if (ratio > P99_FACTOR) process.stdout.write(`p99 during switches is ${ratio.toFixed(2)} times that without\n`);
  return failed.length === 0 && ratio <= P99_FACTOR;
}
