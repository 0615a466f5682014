/**
 * From a job's acceptance to the start of its work: `node bench/job-latency.ts`. The jobs themselves do nothing; both databases
 * are this program's own: embedded PGlite, and a PostgreSQL that is started for it with a second process that works.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { createPgliteDatabase } from '../src/core/database/database.pglite.ts';
import { createPostgresDatabase } from '../src/core/database/database.postgres.ts';
import type { Database } from '../src/core/database/database.ts';
import { newId } from '../src/core/ids.ts';
import { createJobService } from '../src/core/jobs/job-service.ts';
import { MIGRATIONS } from '../src/core/jobs/migrations.ts';
import { createFsObjectStore } from '../src/core/storage/object-store.fs.ts';
import { startPostgres } from '../test/postgres.ts';
import { type BenchRow, benchTable, percentileRow } from './rows.ts';

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/job-latency.json') },
  },
});
const WARM_UP = 5;

const root = await mkdtemp(join(tmpdir(), 'geo2-latency-'));
const postgres = await startPostgres();
try {
  const rows: BenchRow[] = [];
  const pglite = createPgliteDatabase({ dataDir: join(root, 'data'), migrations: MIGRATIONS });
  rows.push(...(await measure('pglite', { accepts: pglite, works: undefined })));
  const connect = (): Database => createPostgresDatabase({ url: postgres.url, migrations: MIGRATIONS });
  rows.push(...(await measure('postgres', { accepts: connect(), works: connect() })));
  process.stdout.write(benchTable(rows));
  await writeFile(values.out, reportText(rows));
} finally {
  await postgres.stop();
  await rm(root, { recursive: true, force: true });
}

/** One job after the other: what is measured is not how long a queue gets. `works`: another connection's own service runs them. */
async function measure(
  condition: string,
  { accepts, works }: { accepts: Database; works: Database | undefined },
): Promise<BenchRow[]> {
  const common = {
    store: createFsObjectStore({ url: pathToFileURL(join(root, condition)).href }),
    recordEvent: async () => {},
    newId,
    now: () => new Date(),
    onError: (error: unknown) => void process.stderr.write(`${error}\n`),
    ttlMs: 600_000,
    retentionMs: 600_000,
    stagingMs: 600_000,
    maxUnfinished: 1_000,
  };
  const begun = new Map<string, number>();
  const worker = {
    maxJobs: 4,
    maxItems: 4,
    maxImageBytes: 1_000,
    async runItem({ image }: { image: { type: string; url?: string } }) {
      begun.set(image.url ?? '', performance.now());
      return {};
    },
  };
  const accepting = createJobService({
    ...common,
    database: accepts,
    worker: works === undefined ? worker : undefined,
  });
  const working = works === undefined ? accepting : createJobService({ ...common, database: works, worker });
  process.stderr.write(`job-latency: ${condition}\n`);
  await accepting.start();
  await working.start();
  const waitsMs: number[] = [];
  for (let i = 0; i < WARM_UP + Number(values.jobs); i++) {
    const url = `https://example.org/${i}`;
    const job = await accepting.jobs.submit({
      tenant: 'bench',
      kind: 'embed',
      form: 'single',
      items: [{ input: { type: 'url', url }, options: {} }],
    });
    const acceptedMs = performance.now();
    await accepting.jobs.wait('bench', job.id, { ms: 60_000 });
    if (i >= WARM_UP) waitsMs.push(Math.max(0, (begun.get(url) ?? Number.POSITIVE_INFINITY) - acceptedMs));
  }
  await working.stop(0);
  if (working !== accepting) await accepting.stop(0);
  await Promise.all([accepts.stop(), works?.stop()]);
  const about = { system: 'jobs', split: 'loopback', condition };
  return [
    percentileRow(about, 'enqueue_to_start_ms_p50', waitsMs, 0.5),
    percentileRow(about, 'enqueue_to_start_ms_p95', waitsMs, 0.95),
  ];
}
