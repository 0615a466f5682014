import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, vi } from 'vitest';
import * as z from 'zod';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { readCurrent, writeCurrent } from '#core/storage/versioned.ts';
import { readConfig } from '../src/config.ts';
import { openObjectStore } from '../src/object-store.ts';
import { copyVersion } from './e2e/region-bundle.ts';
import { prepareFiles, type ServiceFiles } from './e2e/service.ts';
import { findSeaweedfs, startSeaweedfs, type TestS3 } from './seaweedfs.ts';

/** Region `test` in version 1, published in a bucket of its own for each test, and a model in a folder. */
export interface RegionsInS3 {
  readonly s3: TestS3;
  readonly files: ServiceFiles;
  /** What a command or a service needs to be told to work on it. */
  readonly env: Readonly<Record<string, string>>;
  readonly store: ObjectStore;
  /** Version 1 under this name, unpublished; with a file of so many bytes beside the others. */
  copyToStore(version: string, options?: { extraBytes?: number }): Promise<void>;
  /** Moves the pointer without looking at what it points at. */
  point(version: string): Promise<void>;
}

export const seaweedfs = await findSeaweedfs();
if (seaweedfs === undefined) console.warn('SeaweedFS is not installed: regions in S3 are not tested (make setup-all)');

/** For a test file: one server, one bucket for each test. */
export function useRegionsInS3(): () => RegionsInS3 {
  let s3: TestS3;
  let files: ServiceFiles;
  let current: RegionsInS3 | undefined;
  let buckets = 0;
  beforeAll(async () => {
    if (seaweedfs === undefined) return;
    s3 = await startSeaweedfs();
    files = await prepareFiles();
    for (const [name, value] of Object.entries(s3.env)) if (name.startsWith('AWS_')) vi.stubEnv(name, value);
  }, 120_000);
  afterAll(async () => {
    await s3?.stop();
    vi.unstubAllEnvs();
    if (files !== undefined) await rm(files.root, { recursive: true, force: true });
  });
  beforeEach(async () => {
    if (seaweedfs === undefined) return;
    const bucket = `regions-${++buckets}`;
    await s3.createBucket(bucket);
    const env = {
      ...s3.env,
      GEO2_STORE: `s3://${bucket}/geo2`,
      GEO2_S3_RETRY_S: '2',
      GEO2_POLL_S: '1',
      GEO2_MODEL_DIR: files.modelDir,
      GEO2_CACHE_DIR: join(files.root, bucket),
      GEO2_DATA_DIR: join(files.root, `${bucket}-data`),
      GEO2_THREADS: '1',
      GEO2_VECTOR_INDEX: 'exact',
    };
    const config = readConfig(env);
    const store = await openObjectStore(config.storeUrl, config);
    const copyToStore: RegionsInS3['copyToStore'] = (version, options) =>
      upload(store, { regionDir: join(files.storeDir, 'regions/test'), version, ...options });
    const point: RegionsInS3['point'] = async (version) =>
      writeCurrent(store, 'regions/test', { version, replaces: await readCurrent(store, 'regions/test') });
    current = { s3, files, env, store, copyToStore, point };
    await copyToStore('1');
    await point('1');
  });
  return () => {
    if (current === undefined) throw new Error('a test has not begun');
    return current;
  };
}

async function upload(
  store: ObjectStore,
  { regionDir, version, extraBytes = 0 }: { regionDir: string; version: string; extraBytes?: number },
): Promise<void> {
  const dir = join(regionDir, version);
  if (version !== '1') await copyVersion(regionDir, { to: version });
  if (extraBytes > 0) await addFile(dir, randomBytes(extraBytes));
  for (const name of await readdir(dir)) {
    await store.put(`regions/test/${version}/${name}`, await readFile(join(dir, name)));
  }
}

const ManifestSchema = z.looseObject({ files: z.array(z.unknown()) });

async function addFile(dir: string, content: Uint8Array): Promise<void> {
  const path = 'notes.bin';
  await writeFile(join(dir, path), content);
  const manifest = ManifestSchema.parse(JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8')));
  const facts = { path, sha256: createHash('sha256').update(content).digest('hex'), sizeBytes: content.length };
  await writeFile(join(dir, 'manifest.json'), JSON.stringify({ ...manifest, files: [...manifest.files, facts] }));
}
