/**
 * `make bench`: the figures of the running service and of the vector search. Prints a table and writes
 * bench/results/service.json. `--quick` tries everything on a few requests; its figures mean nothing.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { Geo2Error } from '../src/core/errors.ts';
import { readViewSetQueries } from '../src/core/regions/view-set.ts';
import { memoryOf } from './memory.ts';
import { benchPreviews } from './previews.ts';
import { type BenchRow, benchTable, measured, percentileRow, single } from './rows.ts';
import { benchSearch } from './search.ts';
import { askMany, geolocate, loopDelayMs, type Photo, type Served, type Service, startService } from './service.ts';

const MAX_PHOTOS = 32;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    images: { type: 'string', default: join(PROGRAM_DIR, 'demo/view-set') },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/service.json') },
  },
});
const size = values.quick
  ? {
      starts: 1,
      warmUp: 3,
      alone: 20,
      together: 24,
      places: 2,
      repeats: 10,
      search: { rows: 4_000, width: 512, rounds: 5 },
    }
  : {
      starts: 5,
      warmUp: 20,
      alone: 200,
      together: 400,
      places: 30,
      repeats: 200,
      search: { rows: 100_000, width: 512, rounds: 40 },
    };

try {
  const panoramas = await panoramasOf(values.images);
  const rows = [...(await benchServed(panoramas)), ...(await searchRows())];
  process.stdout.write(benchTable(rows));
  await mkdir(dirname(resolve(values.out)), { recursive: true });
  await writeFile(values.out, reportText(rows));
  say(`written: ${values.out}`);
} catch (error) {
  if (!(error instanceof Geo2Error)) throw error;
  say(error.message);
  process.exitCode = 1;
}

/** Panoramas of a view set, with the heading of their middle. */
async function panoramasOf(dir: string): Promise<Photo[]> {
  const queries = (await readViewSetQueries(dir)).filter(({ kind }) => kind === 'panorama').slice(0, MAX_PHOTOS);
  if (queries.length === 0) throw new Error(`${dir} has no panoramas`);
  return Promise.all(
    queries.map(async ({ image, headingDeg }) => ({
      bytes: new Uint8Array(await readFile(join(dir, image))),
      headingDeg,
    })),
  );
}

async function benchServed(photos: readonly Photo[]): Promise<BenchRow[]> {
  const [first] = photos;
  if (first === undefined) return [];
  let system = 'unknown';
  const about = (condition: string) => ({ system, split: 'served', condition });

  say(`start to first answer, ${size.starts} times`);
  const startsMs: number[] = [];
  for (let i = 0; i < size.starts; i++) {
    const startedMs = performance.now();
    const service = await startService(process.env);
    system = (await geolocate(service, first)).model;
    startsMs.push(performance.now() - startedMs);
    await service.stop();
  }
  const found = [percentileRow(about('start'), 'first_answer_ms_p50', startsMs, 0.5)];

  const service = await startService(process.env);
  try {
    await askMany(service, photos, { requests: size.warmUp, concurrency: 1 });
    found.push(...(await alone(service, photos, about('panorama_concurrency_1'))));
    const turned = photos.map(({ bytes }) => ({ bytes, headingDeg: undefined }));
    found.push(...(await alone(service, turned, about('panorama_unknown_heading_concurrency_1'))));
    found.push(...(await together(service, photos, about('panorama_concurrency_8'))));
    const memory = await memoryOf(service.pid);
    if (memory === undefined) say('memory is not measured: there is no /proc here');
    else {
      found.push(single(about('after_load'), 'memory_mb', memory.proportionalMb, memory.processes));
      found.push(single(about('after_load'), 'memory_rss_sum_mb', memory.residentMb, memory.processes));
    }
    say('views, where the model makes them');
    found.push(...(await benchPreviews(service, { system, places: size.places, repeats: size.repeats })));
  } finally {
    await service.stop();
  }
  return found;
}

async function alone(
  service: Service,
  photos: readonly Photo[],
  about: Parameters<typeof single>[0],
): Promise<BenchRow[]> {
  say(`${about.condition}: ${size.alone} requests`);
  const { served } = await askMany(service, photos, { requests: size.alone, concurrency: 1 });
  const walls = served.map(({ wallMs }) => wallMs);
  const median = (metric: string, of: (served: Served) => number): BenchRow =>
    percentileRow(about, metric, served.map(of), 0.5);
  return [
    percentileRow(about, 'latency_ms_p50', walls, 0.5),
    percentileRow(about, 'latency_ms_p95', walls, 0.95),
    median('graph_ms_p50', ({ graphMs }) => graphMs),
    median('decode_ms_p50', ({ decodeMs }) => decodeMs),
    median('search_ms_p50', ({ searchMs }) => searchMs),
    median('http_ms_p50', ({ wallMs, totalMs }) => wallMs - totalMs),
    measured(about, 'graph_share_of_geolocate', served, (sample) => graphShare(sample, ({ totalMs }) => totalMs)),
    measured(about, 'graph_share_of_request', served, (sample) => graphShare(sample, ({ wallMs }) => wallMs)),
  ];
}

async function together(
  service: Service,
  photos: readonly Photo[],
  about: Parameters<typeof single>[0],
): Promise<BenchRow[]> {
  say(`${about.condition}: ${size.together} requests`);
  await loopDelayMs(service); // starts the window
  const { served, elapsedMs } = await askMany(service, photos, { requests: size.together, concurrency: 8 });
  const delay = await loopDelayMs(service);
  const walls = served.map(({ wallMs }) => wallMs);
  return [
    percentileRow(about, 'latency_ms_p50', walls, 0.5),
    percentileRow(about, 'latency_ms_p99', walls, 0.99),
    single(about, 'requests_per_s', (1000 * served.length) / elapsedMs, served.length),
    single(about, 'event_loop_delay_ms_p99', delay.p99, served.length),
    single(about, 'event_loop_delay_ms_max', delay.max, served.length),
  ];
}

/** In percent. */
function graphShare(sample: readonly Served[], wholeMs: (served: Served) => number): number {
  const sum = (of: (served: Served) => number): number => sample.reduce((all, served) => all + of(served), 0);
  return (100 * sum(({ graphMs }) => graphMs)) / sum(wholeMs);
}

async function searchRows(): Promise<BenchRow[]> {
  say(`vector search: ${size.search.rows} rows of ${size.search.width} floats`);
  return benchSearch(size.search);
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
