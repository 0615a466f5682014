import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Config } from './config.ts';
import { Geo2Error } from './core/errors.ts';
import type { VersionCache } from './core/storage/version-cache.ts';
import {
  type LocalVersion,
  openVersion,
  type Pointer,
  pollCurrent,
  readCurrent,
  VersionSchema,
  writeCurrent,
} from './core/storage/versioned.ts';
import { openObjectStore } from './object-store.ts';

/** The released versions of one model, in a folder or in a store. */
export interface ModelStore {
  readonly name: string;
  /**
   * Versions that may be served, the pointer's own first, the one before second; only the one that the settings name where they
   * do. Errors: FILE_MISSING where nothing is published, MANIFEST_INVALID, those of the store.
   */
  versions(): Promise<readonly string[]>;
  /** Where a version lies on this machine; the model verifies its files itself. */
  open(version: string, cache: VersionCache): Promise<LocalVersion>;
  /** Moves the pointer after the version's files were verified. Errors: those of `openVersion`, STORE_CONFLICT. */
  publish(version: string, options: PublishOptions): Promise<{ replaced: string | undefined }>;
  /** To the version before the published one. Errors: FILE_MISSING where there was none, those of `publish`. */
  rollBack(options: PublishOptions): Promise<{ version: string; replaced: string }>;
}

interface PublishOptions {
  readonly cache: VersionCache;
  readonly signal: AbortSignal;
}

export async function openModelStore(config: Pick<Config, 'modelDir' | 'modelVersion' | 's3'>): Promise<ModelStore> {
  const { modelDir, modelVersion } = config;
  const name = basename(modelDir);
  const parent = dirname(modelDir);
  const isRemote = modelDir.startsWith('s3:');
  const store = await openObjectStore(isRemote ? parent : pathToFileURL(parent).href, config);
  let seen: Pointer | undefined;

  async function publish(
    version: string,
    { cache, signal }: PublishOptions,
  ): Promise<{ replaced: string | undefined }> {
    const replaces = await readCurrent(store, name);
    const local = await openVersion(store, name, { version: checkedVersion(version), cache, signal });
    await local.release?.();
    await writeCurrent(store, name, { version, replaces });
    return { replaced: replaces?.version };
  }

  return {
    name,
    publish,
    async rollBack(options) {
      const pointer = await readCurrent(store, name);
      if (pointer?.previous === undefined) {
        throw new Geo2Error(
          'FILE_MISSING',
          `No earlier version of ${name} was published in ${modelDir}: geo2 model publish takes any.`,
        );
      }
      await publish(pointer.previous, options);
      return { version: pointer.previous, replaced: pointer.version };
    },
    async versions() {
      if (modelVersion !== undefined) return [modelVersion];
      const found = await pollCurrent(store, name, { ifNoneMatch: seen?.etag });
      if (found !== 'unchanged') seen = found;
      if (seen === undefined) throw nothingReleased(modelDir);
      const { version, previous } = seen;
      return previous === undefined ? [version] : [version, previous];
    },
    async open(version, cache) {
      if (!isRemote) return { version, dir: join(modelDir, version) };
      return openVersion(store, name, { version, cache });
    },
  };
}

/** Looks at the folder of the version that is asked for, or in use. Errors: those of a `ModelStore`, and of `look`. */
export async function openCurrentModel<T>(
  config: Pick<Config, 'modelDir' | 'modelVersion' | 's3'>,
  cache: VersionCache,
  look: (dir: string) => Promise<T>,
): Promise<T> {
  const models = await openModelStore(config);
  const [version] = await models.versions();
  if (version === undefined) throw nothingReleased(config.modelDir);
  const local = await models.open(version, cache);
  try {
    return await look(local.dir);
  } finally {
    await local.release?.();
  }
}

function checkedVersion(version: string): string {
  const parsed = VersionSchema.safeParse(version);
  if (parsed.success) return parsed.data;
  throw new Geo2Error('INVALID_REQUEST', `${JSON.stringify(version)} is no version; write for example 1.2.3.`);
}

function nothingReleased(modelDir: string): Geo2Error {
  return new Geo2Error(
    'FILE_MISSING',
    `There is no current.json in ${modelDir}: point GEO2_MODEL_DIR at a released model's folder, or set GEO2_MODEL_VERSION.`,
    { data: { file: 'current.json' } },
  );
}
