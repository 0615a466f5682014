import { dirname } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { FileFactsSchema, type VerifyFiles, verifyFiles } from './checksums.ts';
import { type ObjectStore, readBytes } from './object-store.ts';
import { parseStoredJson } from './stored-json.ts';
import type { VersionCache } from './version-cache.ts';

/** Names a version folder may have: what a semantic version and a time stamp need. */
export const VersionSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'a version');

const PointerSchema = z.strictObject({
  version: VersionSchema,
  /** The one that was in use before: what a roll-back goes to. */
  previous: VersionSchema.optional(),
});
const ListedFilesSchema = z.object({ files: z.array(FileFactsSchema) });

/** A folder of an immutable version, on this machine, with every listed file verified. */
export interface LocalVersion {
  readonly version: string;
  /** Absolute path; the files may be memory-mapped and are never changed in place. */
  readonly dir: string;
  /** Says that it is used no more, so that its place in the cache may be used; left out where it lies in the store itself. */
  readonly release?: (() => Promise<void>) | undefined;
}

/** What a pointer says. */
export interface Pointer {
  readonly version: string;
  readonly previous?: string | undefined;
  readonly etag: string;
}

/** The version that `prefix/current.json` points at, with the pointer's etag; undefined when nothing is published. */
export async function readCurrent(store: ObjectStore, prefix: string): Promise<Pointer | undefined> {
  const found = await pollCurrent(store, prefix, {});
  return found === 'unchanged' ? undefined : found;
}

/** The same, or `unchanged` where the pointer's etag still is `ifNoneMatch`: one small request. */
export async function pollCurrent(
  store: ObjectStore,
  prefix: string,
  options: { ifNoneMatch?: string | undefined; signal?: AbortSignal | undefined },
): Promise<Pointer | 'unchanged' | undefined> {
  const key = `${prefix}/current.json`;
  const found = await readBytes(store, key, { maxBytes: 10_000, ...options });
  if (found === undefined || found === 'unchanged') return found;
  return { ...parseStoredJson(PointerSchema, found.bytes, key), etag: found.etag };
}

/**
 * Moves the pointer: only over the pointer that `readCurrent` returned, or, without one, only where there is none. It remembers
 * the version that it replaces. Errors: STORE_CONFLICT when somebody else moved it meanwhile.
 */
export async function writeCurrent(
  store: ObjectStore,
  prefix: string,
  { version, replaces }: { version: string; replaces: Pointer | undefined },
): Promise<void> {
  const previous = replaces?.version === version ? replaces.previous : replaces?.version;
  const pointer = PointerSchema.parse({ version, ...(previous === undefined ? {} : { previous }) });
  const body = new TextEncoder().encode(`${JSON.stringify(pointer)}\n`);
  await store
    .put(`${prefix}/current.json`, body, {
      contentType: 'application/json',
      ...(replaces === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: replaces.etag }),
    })
    .catch((error: unknown) => {
      if (!(error instanceof Geo2Error) || error.code !== 'STORE_CONFLICT') throw error;
      throw new Geo2Error(
        'STORE_CONFLICT',
        `${prefix} was published by somebody else at the same time: look what is served now, and publish again if need be.`,
        { data: { key: `${prefix}/current.json` }, cause: error },
      );
    });
}

/** Every complete version (one that has a manifest), oldest first where versions sort by time. */
export async function listVersions(store: ObjectStore, prefix: string): Promise<string[]> {
  const versions: string[] = [];
  for await (const { key } of store.list(`${prefix}/`)) {
    const [version, file, ...rest] = key.slice(prefix.length + 1).split('/');
    if (version !== undefined && file === 'manifest.json' && rest.length === 0) versions.push(version);
  }
  return versions;
}

export interface OpenVersionOptions {
  readonly version?: string | undefined;
  readonly cache?: VersionCache | undefined;
  /** Of a local store; a cache verifies by itself. */
  readonly verify?: VerifyFiles | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Brings a version onto this machine and verifies the size and sha256 of every file that its manifest lists. Without `version`
 * the pointer decides. In a local store the folder is used where it lies; of any other the version is held in `cache`.
 *
 * Errors: FILE_MISSING (nothing published, no such version, a file is gone), FILE_CORRUPT (names the file), MANIFEST_INVALID;
 * those of the cache.
 */
export async function openVersion(
  store: ObjectStore,
  prefix: string,
  options: OpenVersionOptions = {},
): Promise<LocalVersion> {
  const { cache, verify = verifyFiles, signal } = options;
  const version = options.version ?? (await readCurrent(store, prefix))?.version;
  if (version === undefined) {
    throw new Geo2Error('FILE_MISSING', `${prefix} has no published version in ${store.url}.`, { data: { prefix } });
  }
  const key = `${prefix}/${VersionSchema.parse(version)}/manifest.json`;
  const manifest = await readBytes(store, key, { signal });
  if (manifest === undefined) {
    throw new Geo2Error('FILE_MISSING', `${key} is missing in ${store.url}.`, { data: { file: key } });
  }
  const { files } = parseStoredJson(ListedFilesSchema, manifest.bytes, key);
  if (store.localPath !== undefined) {
    const dir = dirname(store.localPath(key));
    await verify(dir, files, { signal });
    return { version, dir };
  }
  if (cache === undefined) {
    throw new Geo2Error('STORE_FAILED', `${store.url} is not local: a cache folder is needed.`, { data: { prefix } });
  }
  return { version, ...(await cache.hold({ store, prefix, version, files, manifest: manifest.bytes }, { signal })) };
}
