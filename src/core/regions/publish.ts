import { Geo2Error } from '../errors.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { listVersions, openVersion, readCurrent, writeCurrent } from '../storage/versioned.ts';

/** A region of the store with its versions, oldest first. */
export interface ListedRegion {
  readonly id: string;
  readonly versions: readonly string[];
  /** The version in use; undefined when none was published. */
  readonly current: string | undefined;
}

/** Every region that has a version, by id. */
export async function listRegions(store: ObjectStore): Promise<ListedRegion[]> {
  const ids = new Set<string>();
  for await (const { key } of store.list('regions/')) {
    const [, id, , file] = key.split('/');
    if (id !== undefined && file === 'manifest.json') ids.add(id);
  }
  return Promise.all(
    [...ids].sort().map(async (id) => ({
      id,
      versions: await listVersions(store, `regions/${id}`),
      current: (await readCurrent(store, `regions/${id}`))?.version,
    })),
  );
}

/**
 * Makes a version the one in use, after the checksums of its files were verified. Errors: FILE_MISSING, FILE_CORRUPT,
 * MANIFEST_INVALID, STORE_CONFLICT when somebody else moved the pointer meanwhile.
 */
export async function publishRegion(
  store: ObjectStore,
  { id, version }: { id: string; version: string },
  options: { cacheDir?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<{ replaced: string | undefined }> {
  const prefix = `regions/${id}`;
  const replaces = await readCurrent(store, prefix);
  const versions = await listVersions(store, prefix);
  if (!versions.includes(version)) {
    throw new Geo2Error(
      'FILE_MISSING',
      `There is no ${id}@${version} in ${store.url}; ${versions.length === 0 ? 'build one first' : `there are ${versions.join(', ')}`}.`,
      { data: { id, version, versions } },
    );
  }
  await openVersion(store, prefix, { version, ...options });
  await writeCurrent(store, prefix, { version, replaces });
  return { replaced: replaces?.version };
}
