import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { type ObjectStore, readBytes } from '../storage/object-store.ts';

/** Where a job's images and results lie in the store. */
export function jobFolder(jobId: string): string {
  return `jobs/${jobId}`;
}

export function inputsFolder(jobId: string): string {
  return `${jobFolder(jobId)}/inputs`;
}

function resultKey(jobId: string, index: number): string {
  return `${jobFolder(jobId)}/results/${index}.json`;
}

const ResultSchema = z.record(z.string(), z.unknown());
export type ItemResult = z.infer<typeof ResultSchema>;

/** Errors: STORE_FAILED. */
export async function writeResult(
  store: ObjectStore,
  at: { jobId: string; index: number },
  result: ItemResult,
): Promise<void> {
  await store.put(resultKey(at.jobId, at.index), new TextEncoder().encode(JSON.stringify(result)), {
    contentType: 'application/json',
  });
}

/** Errors: FILE_MISSING, FILE_CORRUPT, STORE_FAILED. */
export async function readResult(
  store: ObjectStore,
  at: { jobId: string; index: number },
  signal?: AbortSignal,
): Promise<ItemResult> {
  const key = resultKey(at.jobId, at.index);
  const found = await readBytes(store, key, { signal });
  if (found === undefined)
    throw new Geo2Error('FILE_MISSING', `The result ${key} is missing.`, { data: { file: key } });
  try {
    return ResultSchema.parse(JSON.parse(new TextDecoder().decode(found.bytes)));
  } catch (cause) {
    throw new Geo2Error('FILE_CORRUPT', `The result ${key} is damaged.`, { data: { file: key }, cause });
  }
}

/** The ids of jobs that have anything in the store. */
export async function storedJobIds(store: ObjectStore, signal?: AbortSignal): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const { key } of store.list('jobs/', { signal })) ids.add(key.split('/')[1] ?? '');
  return ids;
}
