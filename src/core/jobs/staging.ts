import type { Database, Sql } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import type { NewId } from '../ids.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { StagedInputs } from './jobs.ts';
import { inputsFolder, jobFolder } from './objects.ts';

export interface StagingDeps {
  readonly database: Database;
  readonly store: ObjectStore;
  readonly newId: NewId;
  readonly now: () => Date;
}

/** Before the first byte is stored it is written down that there may be some: no crash leaves files that nobody knows of. */
export async function stageInputs({ database, store, newId, now }: StagingDeps, tenant: string): Promise<StagedInputs> {
  const jobId = newId('job');
  await database.query('insert into geo2.job_stagings (job_id, tenant, created_at) values ($1, $2, $3)', [
    jobId,
    tenant,
    now(),
  ]);
  let count = 0;
  return {
    jobId,
    async put(bytes, options = {}) {
      const key = `${inputsFolder(jobId)}/${count++}`;
      await store.put(key, bytes, options);
      return { type: 'object', key };
    },
    async discard() {
      await store.deleteFolder(jobFolder(jobId));
      await database.query('delete from geo2.job_stagings where job_id = $1', [jobId]);
    },
  };
}

/** Makes staged inputs a job's, in the transaction that inserts the job. Errors: INVALID_REQUEST when they were swept away. */
export async function adoptStaged(sql: Sql, { jobId }: StagedInputs, tenant: string): Promise<void> {
  const adopted = await sql.query('delete from geo2.job_stagings where job_id = $1 and tenant = $2 returning job_id', [
    jobId,
    tenant,
  ]);
  if (adopted.length > 0) return;
  throw new Geo2Error('INVALID_REQUEST', 'The images took too long to arrive and were removed; send them again.', {
    data: { retryable: true },
  });
}
