import type { Config } from '../../config.ts';
import { openObjectStore } from '../../object-store.ts';
import { type Finding, messageOf } from './finding.ts';
import { checkCacheDir, checkStoreDir } from './machine.ts';

/** Nobody who asks waits for an outage to end. */
const PATIENCE_MS = 3_000;

/** Whether the store can be read; of one in S3 also whether its versions can be kept here. */
export async function checkStore(config: Pick<Config, 'storeUrl' | 's3' | 'cacheDir'>): Promise<Finding[]> {
  const { storeUrl, s3, cacheDir } = config;
  if (storeUrl.startsWith('file:')) return [await checkStoreDir(storeUrl)];
  return [await checkBucket(storeUrl, { ...s3, patienceMs: PATIENCE_MS }), await checkCacheDir(cacheDir)];
}

async function checkBucket(url: string, s3: Config['s3']): Promise<Finding> {
  try {
    const store = await openObjectStore(url, { s3 });
    for await (const _ of store.list('catalog.json')) break;
    return {
      check: 'store',
      status: 'ok',
      detail: `${url} answers${s3.endpoint === undefined ? '' : ` at ${s3.endpoint}`}`,
    };
  } catch (error) {
    const advice = 'docs/operating.md says which settings an S3 store has';
    return { check: 'store', status: 'fail', detail: messageOf(error), advice };
  }
}
