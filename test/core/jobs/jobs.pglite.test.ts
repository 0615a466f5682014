import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { createPgliteDatabase } from '#core/database/database.pglite.ts';
import { jobsContract } from '../../contract/jobs.ts';
import { TEST_MIGRATIONS as migrations } from '../../contract/jobs-told.ts';

const folders: string[] = [];
afterAll(async () => void (await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))));

jobsContract(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'geo2-pglite-'));
  folders.push(dataDir);
  return { open: () => createPgliteDatabase({ dataDir, migrations }), where: ['pglite', dataDir] };
});
