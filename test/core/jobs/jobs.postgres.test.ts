import { afterAll, beforeAll } from 'vitest';
import { createPostgresDatabase } from '#core/database/database.postgres.ts';
import { jobsContract } from '../../contract/jobs.ts';
import { TEST_MIGRATIONS as migrations } from '../../contract/jobs-told.ts';
import { startPostgres, type TestPostgres } from '../../postgres.ts';

let postgres: TestPostgres;
let created = 0;
beforeAll(async () => {
  postgres = await startPostgres();
}, 120_000);
afterAll(() => postgres.stop());

jobsContract(async () => {
  created += 1;
  const url = await postgres.createDatabase(`test_${created}`);
  return { open: () => createPostgresDatabase({ url, migrations }), where: ['postgres', url] };
});
