import type { Migration } from '#core/database/database.ts';
import type { JobServiceOptions } from '#core/jobs/job-service.ts';
import { MIGRATIONS } from '#core/jobs/migrations.ts';

/** The final events of jobs, in a table as webhooks have them: what a rollback takes back was never told. */
export const TEST_MIGRATIONS: readonly Migration[] = [
  ...MIGRATIONS,
  { id: 'test-001', sql: 'create table geo2.told (job_id text not null, status text not null)' },
];

export const recordTold: JobServiceOptions['recordEvent'] = async (sql, job) => {
  await sql.query('insert into geo2.told (job_id, status) values ($1, $2)', [job.id, job.status]);
};
