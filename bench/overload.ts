/**
 * `make overload`: what the service does when ten times as much is asked of it as it can do. Measures its capacity, then sends ten
 * times that rate for a minute, whatever comes back, and holds what was seen to the promises: nothing of 5xx but 503 with
 * Retry-After, at least 90 % of the capacity still served, health live, memory back within 10 % afterwards. Exit code 1 when one is
 * broken. Prints counts, writes bench/results/overload.json.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { quantile } from '../src/cli/evaluation/statistics.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { readViewSetQueries } from '../src/core/regions/view-set.ts';
import { memoryOf } from './memory.ts';
import { type BenchRow, benchTable, percentileRow, single } from './rows.ts';
import { geolocate, type Photo, type Service, startService } from './service.ts';

const { values } = parseArgs({
  options: {
    /** Of overload. */
    seconds: { type: 'string', default: '60' },
    'capacity-seconds': { type: 'string', default: '15' },
    factor: { type: 'string', default: '10' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/overload.json') },
  },
});
const OVERLOAD_MS = Number(values.seconds) * 1000;
const CAPACITY_MS = Number(values['capacity-seconds']) * 1000;
const FACTOR = Number(values.factor);

const WARM_UP = 20;
/** Enough to keep the model's batches full. */
const CAPACITY_CONCURRENCY = 24;
/** Connections at most: beyond it the client, not the service, is what is slow. */
const MAX_OPEN = 2_000;
const HEALTH_EVERY_MS = 250;
/** A live service answers within this time, however busy it is. */
const HEALTH_TIMEOUT_MS = 2_000;
const REST_MS = 3_000;
/** Garbage is collected when there is time: how long memory may take to come back. */
const MEMORY_BACK_MS = 60_000;
const GOODPUT_SHARE = 0.9;
const MEMORY_SHARE = 1.1;

interface Reply {
  /** 0 when there was none. */
  readonly status: number;
  readonly retryAfter: string | undefined;
  readonly ms: number;
}

const agent = new Agent({ keepAlive: true, maxSockets: MAX_OPEN });

/** Posts a photo and reads the answer to its end; never rejects. */
function post(service: Service, photo: Photo): Promise<Reply> {
  const startedMs = performance.now();
  const query = photo.headingDeg === undefined ? '' : `?headingDeg=${photo.headingDeg}`;
  return new Promise((resolve) => {
    const done = (status: number, retryAfter?: string): void =>
      resolve({ status, retryAfter, ms: performance.now() - startedMs });
    const sent = request(
      `${service.url}/v1/geolocate${query}`,
      {
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/octet-stream', 'content-length': photo.bytes.length },
      },
      (response) => {
        response.on('error', () => done(0));
        response.on('end', () => done(response.statusCode ?? 0, response.headers['retry-after']));
        response.resume();
      },
    );
    sent.on('error', () => done(0));
    sent.end(photo.bytes);
  });
}

/** As many at once as keep it busy: what it serves in a second is its capacity. */
async function capacityOf(service: Service, photos: readonly Photo[]): Promise<{ rps: number; served: number }> {
  let served = 0;
  let next = 0;
  const endsMs = performance.now() + CAPACITY_MS;
  async function worker(): Promise<void> {
    while (performance.now() < endsMs) {
      const photo = photos[next++ % photos.length];
      if (photo === undefined) return;
      const { status } = await post(service, photo);
      if (status !== 200) throw new Error(`capacity was measured with an answer of ${status}`);
      served++;
    }
  }
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: CAPACITY_CONCURRENCY }, worker));
  return { rps: (1000 * served) / (performance.now() - startedMs), served };
}

interface Seen {
  readonly replies: readonly Reply[];
  /** Due, but the client had all its connections in use. */
  readonly unsent: number;
  readonly elapsedMs: number;
  /** What was still open when the time was over is judged like the rest, but is no work done within it. */
  readonly servedInTime: number;
}

/** Sends at a steady rate, whatever comes back. */
async function overload(service: Service, photos: readonly Photo[], rps: number): Promise<Seen> {
  const replies: Reply[] = [];
  const open = new Set<Promise<void>>();
  let due = 0;
  let unsent = 0;
  const startedMs = performance.now();
  while (performance.now() - startedMs < OVERLOAD_MS) {
    const shouldBe = Math.floor(((performance.now() - startedMs) / 1000) * rps);
    for (; due < shouldBe; due++) {
      const photo = photos[due % photos.length];
      if (photo === undefined || open.size >= MAX_OPEN) {
        unsent++;
        continue;
      }
      const one = post(service, photo).then((reply) => {
        replies.push(reply);
        open.delete(one);
      });
      open.add(one);
    }
    await pause(5);
  }
  const elapsedMs = performance.now() - startedMs;
  const servedInTime = replies.filter(({ status }) => status === 200).length;
  await Promise.all(open);
  return { replies, unsent, elapsedMs, servedInTime };
}

/** Asks whether the service lives until told to stop; milliseconds of each answer, Infinity for none in time. */
function watchHealth(service: Service): { stop(): Promise<readonly number[]> } {
  const answersMs: number[] = [];
  let stopped = false;
  async function watch(): Promise<void> {
    while (!stopped) {
      const startedMs = performance.now();
      const ok = await fetch(`${service.url}/v2/health/live`, { signal: AbortSignal.timeout(HEALTH_TIMEOUT_MS) }).then(
        (response) => response.ok,
        () => false,
      );
      answersMs.push(ok ? performance.now() - startedMs : Number.POSITIVE_INFINITY);
      await pause(HEALTH_EVERY_MS);
    }
  }
  const watching = watch();
  return {
    async stop() {
      stopped = true;
      await watching;
      return answersMs;
    },
  };
}

async function memoryMb(service: Service): Promise<number | undefined> {
  return (await memoryOf(service.pid))?.proportionalMb;
}

/** Waits until memory is back; the last value, and how long that took. */
async function memoryAfter(
  service: Service,
  startMb: number | undefined,
): Promise<{ mb: number; ms: number } | undefined> {
  if (startMb === undefined) return undefined;
  const startedMs = performance.now();
  for (;;) {
    await pause(1_000);
    const mb = await memoryMb(service);
    const ms = performance.now() - startedMs;
    if (mb === undefined) return undefined;
    if (mb <= MEMORY_SHARE * startMb || ms > MEMORY_BACK_MS) return { mb, ms };
  }
}

const photos = await panoramas(join(PROGRAM_DIR, 'demo/view-set'));
const service = await startService(process.env);
try {
  const system = await warmUp(service, photos);
  say(`capacity: ${CAPACITY_CONCURRENCY} at once for ${CAPACITY_MS / 1000} s`);
  const capacity = await capacityOf(service, photos);
  await pause(REST_MS);
  const startMb = await memoryMb(service);
  const offered = FACTOR * capacity.rps;
  say(`overload: ${offered.toFixed(1)} requests a second for ${OVERLOAD_MS / 1000} s`);
  const health = watchHealth(service);
  const seen = await overload(service, photos, offered);
  const healthMs = await health.stop();
  const memory = await memoryAfter(service, startMb);
  const { rows, broken } = judge({ system, capacity, offered, seen, healthMs, startMb, memory });
  process.stdout.write(benchTable(rows));
  await writeFile(values.out, reportText(rows));
  say(`written: ${values.out}`);
  for (const sentence of broken) say(`BROKEN: ${sentence}`);
  say(broken.length === 0 ? 'every promise was kept' : `${broken.length} promises were broken`);
  process.exitCode = broken.length === 0 ? 0 : 1;
} finally {
  agent.destroy();
  await service.stop();
}

async function panoramas(dir: string): Promise<Photo[]> {
  const queries = (await readViewSetQueries(dir)).filter(({ kind }) => kind === 'panorama').slice(0, 32);
  return Promise.all(
    queries.map(async ({ image, headingDeg }) => ({
      bytes: new Uint8Array(await readFile(join(dir, image))),
      headingDeg,
    })),
  );
}

async function warmUp(service: Service, photos: readonly Photo[]): Promise<string> {
  let model = 'unknown';
  for (let i = 0; i < WARM_UP; i++) {
    const photo = photos[i % photos.length];
    if (photo !== undefined) ({ model } = await geolocate(service, photo));
  }
  return model;
}

interface Measured {
  readonly system: string;
  readonly capacity: { readonly rps: number; readonly served: number };
  readonly offered: number;
  readonly seen: Seen;
  readonly healthMs: readonly number[];
  readonly startMb: number | undefined;
  readonly memory: { readonly mb: number; readonly ms: number } | undefined;
}

function judge({ system, capacity, offered, seen, healthMs, startMb, memory }: Measured): {
  rows: BenchRow[];
  broken: string[];
} {
  const { replies, unsent, elapsedMs, servedInTime } = seen;
  const of = (wanted: (reply: Reply) => boolean): readonly Reply[] => replies.filter(wanted);
  const served = of(({ status }) => status === 200);
  const refused = of(({ status }) => status === 503);
  const otherFaults = of(({ status }) => status >= 500 && status !== 503);
  const unexpected = of(({ status }) => status !== 200 && status < 500);
  const speechless = refused.filter(({ retryAfter }) => !/^[1-9]\d*$/.test(retryAfter ?? ''));
  const goodput = (1000 * servedInTime) / elapsedMs;
  const dead = healthMs.filter((ms) => ms === Number.POSITIVE_INFINITY);
  const about = { system, split: 'served', condition: `overload_${FACTOR}x` };
  const sent = replies.length;
  const rows = [
    single({ ...about, condition: 'capacity' }, 'requests_per_s', capacity.rps, capacity.served),
    single(about, 'offered_per_s', offered, sent + unsent),
    single(about, 'sent', sent, sent),
    single(about, 'unsent_by_client', unsent, sent + unsent),
    single(about, 'served', served.length, sent),
    single(about, 'refused_503', refused.length, sent),
    single(about, 'refused_without_retry_after', speechless.length, refused.length),
    single(about, 'other_5xx', otherFaults.length, sent),
    single(about, 'other_answers_or_none', unexpected.length, sent),
    single(about, 'goodput_per_s', goodput, served.length),
    single(about, 'goodput_share_of_capacity', (100 * goodput) / capacity.rps, served.length),
    ...percentiles(about, 'served_latency_ms', served),
    ...percentiles(about, 'refused_latency_ms', refused),
    single(about, 'health_failures', dead.length, healthMs.length),
    single(about, 'health_ms_max', quantile(healthMs.filter(Number.isFinite), 1), healthMs.length),
    ...(startMb === undefined || memory === undefined
      ? []
      : [
          single(about, 'memory_mb_before', startMb),
          single(about, 'memory_mb_after', memory.mb),
          single(about, 'memory_share_of_start', (100 * memory.mb) / startMb),
          single(about, 'memory_back_s', memory.ms / 1000),
        ]),
  ];
  const broken = [
    ...(otherFaults.length > 0 ? [`${otherFaults.length} answers of 5xx that are not 503`] : []),
    ...(unexpected.length > 0 ? [`${unexpected.length} answers that are neither 200 nor 503, or none at all`] : []),
    ...(speechless.length > 0 ? [`${speechless.length} of 503 without Retry-After`] : []),
    ...(goodput < GOODPUT_SHARE * capacity.rps
      ? [`goodput is ${((100 * goodput) / capacity.rps).toFixed(1)} % of capacity`]
      : []),
    ...(dead.length > 0 ? [`health was not live ${dead.length} times`] : []),
    ...(startMb !== undefined && memory !== undefined && memory.mb > MEMORY_SHARE * startMb
      ? [`memory is ${((100 * memory.mb) / startMb).toFixed(1)} % of the start`]
      : []),
    ...(unsent > 0.05 * (sent + unsent) ? ['the client could not send at this rate: nothing is proved'] : []),
  ];
  return { rows, broken };
}

function percentiles(about: Parameters<typeof single>[0], metric: string, replies: readonly Reply[]): BenchRow[] {
  if (replies.length === 0) return [];
  const ms = replies.map((reply) => reply.ms);
  return [percentileRow(about, `${metric}_p50`, ms, 0.5), percentileRow(about, `${metric}_p99`, ms, 0.99)];
}

function say(text: string): void {
  process.stderr.write(`overload: ${text}\n`);
}
