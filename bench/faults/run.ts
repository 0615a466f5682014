import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import pg from 'pg';
import { PROGRAM_DIR } from '../../src/config.ts';
import { BLUE, colourImage, GREEN, prepareFiles, slowImage } from '../../test/e2e/service.ts';
import { freePort } from '../../test/free-port.ts';
import { startPostgres } from '../../test/postgres.ts';
import { createClient, type SeenJob } from './client.ts';
import { childrenOf, type Kept, keep } from './processes.ts';
import { startReceiver } from './receiver.ts';

/** What was counted over all rounds. What must be 0 is under `broken`. */
export interface FaultCounts {
  rounds: number;
  /** Jobs whose acceptance reached the client. */
  accepted: number;
  /** Jobs in the database: a crash between a commit and its answer makes one that the client asks for again. */
  stored: number;
  readonly ended: Record<string, number>;
  readonly kills: Record<Victim, number>;
  /** Deliveries of events, repeats included. */
  deliveries: number;
  /** How long after the last kill everything had ended, ms. */
  readonly settledMs: number[];
  readonly broken: {
    acceptedAndUnknown: number;
    notFinal: number;
    notExactlyOneFinalEvent: number;
    eventsNotDelivered: number;
    eventsWithSeveralIds: number;
    forgedDeliveries: number;
    itemsFailed: number;
    resultsLost: number;
    inputFilesLeft: number;
    queueEntriesLeft: number;
  };
}

export type Victim = 'api' | 'worker' | 'inference' | 'postgres';
const VICTIMS: readonly Victim[] = ['api', 'worker', 'inference', 'postgres'];

export interface FaultOptions {
  readonly rounds: number;
  readonly jobsPerRound: number;
  readonly seed: number;
  /** Over which jobs are submitted and processes killed. */
  readonly activeMs: number;
  readonly say: (line: string) => void;
  /** No round begins after so long. */
  readonly maxMs?: number | undefined;
}

/** Images that came without a job are swept after this time. */
const STAGING_S = 15;
/** After this time without an end, a round is broken. */
const SETTLE_MS = 180_000;

/** Runs the service as processes of its own, kills them at moments that the seed decides, and counts what became of every job. */
export async function runFaults(options: FaultOptions): Promise<FaultCounts> {
  const files = await prepareFiles();
  const postgres = await startPostgres();
  const receiver = await startReceiver();
  const random = generator(options.seed);
  const port = await freePort();
  const dataDir = join(files.root, 'data');
  const env = {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_CACHE_DIR: join(files.root, 'cache'),
    GEO2_DATA_DIR: dataDir,
    GEO2_DATABASE_URL: postgres.url,
    GEO2_OUTBOUND_ALLOW: '127.0.0.0/8',
    GEO2_VECTOR_INDEX: 'exact',
    GEO2_THREADS: '1',
    GEO2_JOB_STAGING_S: String(STAGING_S),
    GEO2_REQUEST_TIMEOUT_MS: '30000',
    GEO2_LOG_LEVEL: 'warn',
  };
  const process = (role: string, PORT: string): Kept =>
    keep({
      script: join(PROGRAM_DIR, role === 'worker' ? 'src/worker.ts' : 'src/main.ts'),
      env: { ...env, GEO2_ROLE: role, PORT },
      logFile: join(files.root, `${role}.log`),
    });
  const api = process('api', String(port));
  const worker = process('worker', '0');
  const client = createClient(`http://127.0.0.1:${port}`);
  const database = new pg.Pool({ connectionString: postgres.url, connectionTimeoutMillis: 5_000 });
  database.on('error', () => {});
  const images = [await colourImage(GREEN), await colourImage(BLUE), await slowImage(1)];
  const counts = nothing();

  async function kill(victim: Victim): Promise<void> {
    counts.kills[victim] += 1;
    if (victim === 'api') return api.kill();
    if (victim === 'worker') return worker.kill();
    if (victim === 'postgres') {
      await postgres.kill();
      await pause(300 * random());
      return postgres.start();
    }
    for (const pid of await childrenOf(worker.pid)) globalThis.process.kill(pid, 'SIGKILL');
  }

  async function round(): Promise<void> {
    const accepted: string[] = [];
    const submitting = Array.from({ length: options.jobsPerRound }, async () => {
      const [atMs, cancels, slow] = [options.activeMs * random(), random() < 0.1, random() < 0.3];
      const chosen = images.slice(slow ? 1 : 0, slow ? 3 : 2);
      await pause(atMs);
      const id = await client.submit(chosen);
      accepted.push(id);
      if (cancels) await client.cancel(id);
    });
    const killing = VICTIMS.map(async (victim) => {
      await pause(options.activeMs * random());
      await kill(victim);
    });
    await Promise.all([...killing, ...submitting]);
    counts.rounds += 1;
    counts.accepted += accepted.length;
    const sinceMs = performance.now();
    await settle();
    counts.settledMs.push(performance.now() - sinceMs);
    for (const id of accepted) await check(id);
  }

  /** Waits until nothing is under way any more: jobs, deliveries, staged images. */
  async function settle(): Promise<void> {
    const until = performance.now() + SETTLE_MS;
    for (;;) {
      const left = await underWay().catch(() => undefined);
      if (left === 0) return;
      if (performance.now() > until) return options.say(`not settled: ${left} under way`);
      await pause(250);
    }
  }

  async function underWay(): Promise<number> {
    const { rows } = await database.query(`select
      (select count(*) from geo2.jobs where finished_at is null or inputs_left) +
      (select count(*) from geo2.job_stagings) +
      (select count(*) from geo2.webhook_deliveries where status = 'pending') as left`);
    return Number(rows[0]?.left);
  }

  async function check(id: string): Promise<void> {
    const job: SeenJob | undefined = await client.job(id).catch(() => undefined);
    if (job === undefined) {
      counts.broken.acceptedAndUnknown += 1;
      return;
    }
    if (!['succeeded', 'failed', 'canceled', 'expired'].includes(job.status)) counts.broken.notFinal += 1;
    const items = job.result?.items ?? [];
    const results = items.filter(({ result }) => result !== undefined).length;
    counts.broken.itemsFailed += job.progress.failed;
    counts.broken.resultsLost += job.progress.completed - results;
    if (job.status === 'succeeded') counts.broken.resultsLost += job.progress.total - job.progress.completed;
  }

  /** What the database, the receiver and the disk hold of every job, also of those whose acceptance was never heard. */
  async function checkAll(): Promise<void> {
    const { rows: jobs } = await database.query('select id, status, finished_at from geo2.jobs');
    const { rows: events } = await database.query(
      `select payload::json -> 'data' ->> 'id' as job, id from geo2.webhook_events where type like 'job.%'`,
    );
    counts.stored = jobs.length;
    for (const { id, status, finished_at: finishedAt } of jobs) {
      counts.ended[status] = (counts.ended[status] ?? 0) + 1;
      if (finishedAt === null) counts.broken.notFinal += 1;
      if (events.filter(({ job }) => job === id).length !== 1) counts.broken.notExactlyOneFinalEvent += 1;
      const received = receiver.eventIdsOf(id);
      counts.deliveries += received.length;
      if (received.length === 0) counts.broken.eventsNotDelivered += 1;
      if (new Set(received).size > 1) counts.broken.eventsWithSeveralIds += 1;
    }
    counts.broken.forgedDeliveries = receiver.forged();
    counts.broken.inputFilesLeft = await inputFilesBelow(join(dataDir, 'objects'));
    const { rows: queue } = await database.query('select count(*) as left from pgboss.job');
    counts.broken.queueEntriesLeft = Number(queue[0]?.left);
  }

  try {
    receiver.useSecret(await client.createWebhook(receiver.url));
    const until = performance.now() + (options.maxMs ?? Number.POSITIVE_INFINITY);
    for (let i = 0; i < options.rounds && performance.now() < until; i++) {
      await round();
      const settledS = (counts.settledMs.at(-1) ?? 0) / 1000;
      options.say(
        `round ${i + 1} of ${options.rounds}: ${counts.accepted} jobs accepted, settled in ${settledS.toFixed(1)} s`,
      );
    }
    await checkAll();
    return counts;
  } finally {
    await Promise.all([api.stop(), worker.stop()]);
    await database.end();
    await receiver.stop();
    await postgres.stop();
    await rm(files.root, { recursive: true, force: true });
  }
}

/** Hidden ones, too: what a writer that was killed left. */
async function inputFilesBelow(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile() && /\/inputs(\/|$)/.test(entry.parentPath)).length;
}

function nothing(): FaultCounts {
  return {
    rounds: 0,
    accepted: 0,
    stored: 0,
    ended: {},
    kills: { api: 0, worker: 0, inference: 0, postgres: 0 },
    deliveries: 0,
    settledMs: [],
    broken: {
      acceptedAndUnknown: 0,
      notFinal: 0,
      notExactlyOneFinalEvent: 0,
      eventsNotDelivered: 0,
      eventsWithSeveralIds: 0,
      forgedDeliveries: 0,
      itemsFailed: 0,
      resultsLost: 0,
      inputFilesLeft: 0,
      queueEntriesLeft: 0,
    },
  };
}

/** Mulberry32: the same moments for the same seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
