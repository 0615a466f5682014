import type { Dirent } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Scope } from '#core/accounts/caller.ts';
import { MIGRATIONS as ACCOUNTS } from '#core/accounts/migrations.ts';
import { newId } from '#core/ids.ts';
import { createJobService } from '#core/jobs/job-service.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import type { AppDeps } from '../src/app.ts';
import { createItemRunner, type ItemRunnerDeps } from '../src/job-items.ts';
import { type AppUnderTest, accessOf, appUnderTest, LIMITS } from './app-under-test.ts';
import { recordTold, TEST_MIGRATIONS } from './contract/jobs-told.ts';
import { openPglite } from './each-database.ts';

/** Nothing here is about time: a machine that does other things is slow. */
export const PATIENT = { ...LIMITS, requestTimeoutMs: 60_000, uploadTimeoutMs: 100_000 };

/** The app with real jobs: an embedded database, a store in a folder, and a worker that runs the verbs that it is given. */
export interface JobsUnderTest {
  /** The app on these jobs; each has verbs of its own, which the worker runs from then on. */
  app(overrides?: Partial<AppDeps>): Promise<AppUnderTest>;
  /** Headers with a new key of the tenant. */
  keyOf(tenant: string, scopes?: readonly Scope[]): Promise<{ authorization: string }>;
  /** Every file that images or results of jobs take in the store. */
  files(): Promise<string[]>;
  stop(): Promise<void>;
}

export async function jobsUnderTest(): Promise<JobsUnderTest> {
  const { database, stop } = await openPglite([...ACCOUNTS, ...TEST_MIGRATIONS]);
  const storeDir = await mkdtemp(join(tmpdir(), 'geo2-jobs-'));
  const access = accessOf(database);
  const unused = (): Promise<never> => Promise.reject(new Error('not used here'));
  let verbs: Pick<ItemRunnerDeps, 'geolocate' | 'embed' | 'synthesize' | 'fetchImage'> = {
    geolocate: unused,
    embed: unused,
    synthesize: unused,
    fetchImage: unused,
  };
  const service = createJobService({
    database,
    store: createFsObjectStore({ url: pathToFileURL(storeDir).href }),
    recordEvent: recordTold,
    newId,
    now: () => new Date(),
    onError: () => {},
    ttlMs: 3_600_000,
    retentionMs: 3_600_000,
    stagingMs: 600_000,
    maxUnfinished: 1_000,
    worker: {
      runItem: (item) => createItemRunner({ ...verbs, maxImageBytes: LIMITS.maxImageBytes, onAnswer: () => {} })(item),
      maxJobs: 8,
      maxItems: 4,
      maxImageBytes: LIMITS.maxImageBytes,
      sweepMs: 100,
    },
  });
  await service.start();

  return {
    async app(overrides = {}) {
      verbs = { geolocate: unused, embed: unused, synthesize: unused, fetchImage: unused, ...overrides };
      return appUnderTest({ jobs: service.jobs, access, limits: PATIENT, ...overrides });
    },
    async keyOf(tenant, scopes = ['geolocate', 'embed', 'jobs']) {
      const { text } = await access.keys.create({ tenant, name: 'test', scopes });
      return { authorization: `Bearer ${text}` };
    },
    async files() {
      const entries = await entriesOf(storeDir);
      return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    },
    async stop() {
      await service.stop(0);
      await stop();
      await rm(storeDir, { recursive: true, force: true });
    },
  };
}

/** Of a folder in which others remove what is over: a look that came upon a folder as it went is taken again. */
async function entriesOf(dir: string): Promise<Dirent[]> {
  for (;;) {
    try {
      return await readdir(dir, { recursive: true, withFileTypes: true });
    } catch (cause) {
      if (!(cause instanceof Error && 'code' in cause && cause.code === 'ENOENT')) throw cause;
    }
  }
}
