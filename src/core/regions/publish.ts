import { Geo2Error, throwIfCanceled } from '../errors.ts';
import type { OpenIndex } from '../retrieval/region.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { VersionCache } from '../storage/version-cache.ts';
import { listVersions, readCurrent, writeCurrent } from '../storage/versioned.ts';
import { enterInCatalog } from './catalog.ts';
import { openVerified } from './verify.ts';

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

export interface PublishOptions {
  readonly cache?: VersionCache | undefined;
  /** What verifies the index. */
  readonly openIndex: OpenIndex;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes a version the one in use, after it was checked as a service does (`openVerified`), and enters it in the store's catalogue. Errors:
 * FILE_MISSING (also where there is no such version), STORE_CONFLICT when somebody else moved the pointer meanwhile, those of
 * `openVerified`.
 */
export async function publishRegion(
  store: ObjectStore,
  { id, version }: { id: string; version: string },
  { cache, openIndex, signal }: PublishOptions,
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
  const region = await openVerified({ id, version, cache, signal }, { store, openIndex });
  try {
    throwIfCanceled(signal);
    await writeCurrent(store, prefix, { version, replaces });
    await enterInCatalog(store, region); // not canceled half way: the pointer has moved
  } finally {
    await region.close();
  }
  return { replaced: replaces?.version };
}

/** Publishes the version that was in use before the present one. Errors: FILE_MISSING where there was none, those of `publishRegion`. */
export async function rollBackRegion(
  store: ObjectStore,
  id: string,
  options: PublishOptions,
): Promise<{ version: string; replaced: string }> {
  const pointer = await readCurrent(store, `regions/${id}`);
  if (pointer?.previous === undefined) {
    const versions = await listVersions(store, `regions/${id}`);
    const known =
      versions.length === 0 ? 'it has no version' : `geo2 region publish takes any of ${versions.join(', ')}`;
    throw new Geo2Error('FILE_MISSING', `No earlier version of ${id} was in use in ${store.url}: ${known}.`, {
      data: { id, versions },
    });
  }
  await publishRegion(store, { id, version: pointer.previous }, options);
  return { version: pointer.previous, replaced: pointer.version };
}
