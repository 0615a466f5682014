/**
 * A process with a job worker, for tests that kill it: `jobs-process.ts KIND PLACE STORE_DIR submit COUNT` submits a job of so
 * many slow items and runs it; `… work` runs what is there and tells how the job ended.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createPgliteDatabase } from '#core/database/database.pglite.ts';
import { createPostgresDatabase } from '#core/database/database.postgres.ts';
import { newId } from '#core/ids.ts';
import { createJobService } from '#core/jobs/job-service.ts';
import type { NewJobItem } from '#core/jobs/jobs.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { TEST_MIGRATIONS as migrations, recordTold } from './jobs-told.ts';

const [kind, place = '', storeDir = '', doing, count = '0'] = process.argv.slice(2);
const database =
  kind === 'postgres'
    ? createPostgresDatabase({ url: place, migrations })
    : createPgliteDatabase({ dataDir: place, migrations });
const service = createJobService({
  database,
  store: createFsObjectStore({ url: pathToFileURL(storeDir).href }),
  recordEvent: recordTold,
  newId,
  now: () => new Date(),
  onError: (error) => console.error(error),
  ttlMs: 3_600_000,
  retentionMs: 3_600_000,
  stagingMs: 600_000,
  maxUnfinished: 1_000,
  worker: {
    maxJobs: 1,
    maxItems: 2,
    maxImageBytes: 1_000,
    leaseMs: 3_000,
    sweepMs: 200,
    async runItem({ image }) {
      await new Promise((wake) => setTimeout(wake, 100));
      const said =
        image.type === 'bytes' ? new TextDecoder().decode(image.bytes) : image.type === 'url' ? image.url : '';
      console.log(`item ${said}`);
      return { said };
    },
  },
});
const { jobs } = service;
await service.start();

if (doing === 'submit') {
  const staged = await jobs.stage('ada');
  const items: NewJobItem[] = [];
  for (let i = 0; i < Number(count); i++) {
    items.push({ input: await staged.put(new TextEncoder().encode(`${i}`)), options: {} });
  }
  await jobs.submit({ tenant: 'ada', kind: 'embed', form: 'batch', items, staged });
} else {
  const [job] = (await jobs.list('ada', { limit: 1 })).jobs;
  const id = job?.id ?? '';
  const done = await jobs.wait('ada', id, { ms: 180_000 });
  await service.stop(5_000);
  const told = await database.query('select status from geo2.told where job_id = $1', [id]);
  // hidden is what a writer that was killed left: it goes with the job
  const filesIn = async (folder: string) =>
    (await readdir(join(storeDir, 'jobs', id, folder)).catch(() => [])).filter((name) => !name.startsWith('.')).length;
  console.log(
    `ended ${done?.status} ${done?.progress.completed} told ${told.map(({ status }) => status).join()} inputs ${await filesIn('inputs')} results ${await filesIn('results')}`,
  );
  await database.stop();
}
