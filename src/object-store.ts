import type { Config } from './config.ts';
import type { VerifyFiles } from './core/storage/checksums.ts';
import { createFsObjectStore } from './core/storage/object-store.fs.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import { createVersionCache, type VersionCache } from './core/storage/version-cache.ts';

/** The store at a URL. The S3 client is loaded only where it is needed: it is large. */
export async function openObjectStore(url: string, { s3 }: Pick<Config, 's3'>): Promise<ObjectStore> {
  if (url.startsWith('file:')) return createFsObjectStore({ url });
  const { createS3ObjectStore } = await import('./core/storage/object-store.s3.ts');
  return createS3ObjectStore({ url, ...s3 });
}

/** Where versions of stores that are not local are kept on this machine. */
export function openVersionCache(
  { cacheDir, cacheBytes }: Pick<Config, 'cacheDir' | 'cacheBytes'>,
  { verify }: { verify?: VerifyFiles } = {},
): VersionCache {
  return createVersionCache({ dir: cacheDir, maxBytes: cacheBytes, verify });
}
