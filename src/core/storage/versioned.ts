import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { type FileFacts, FileFactsSchema, verifyFiles } from './checksums.ts';
import { type ObjectStore, readBytes } from './object-store.ts';
import { parseStoredJson } from './stored-json.ts';

/** Names a version folder may have: what a semantic version and a time stamp need. */
export const VersionSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, 'a version');

const PointerSchema = z.strictObject({ version: VersionSchema });
const ListedFilesSchema = z.object({ files: z.array(FileFactsSchema) });

/** A folder of an immutable version, on this machine, with every listed file verified. */
export interface LocalVersion {
  readonly version: string;
  /** Absolute path; the files may be memory-mapped and are never changed in place. */
  readonly dir: string;
}

/** The version that `prefix/current.json` points at, with the pointer's etag; undefined when nothing is published. */
export async function readCurrent(
  store: ObjectStore,
  prefix: string,
): Promise<{ version: string; etag: string } | undefined> {
  const key = `${prefix}/current.json`;
  const found = await readBytes(store, key, { maxBytes: 10_000 });
  if (found === undefined) return undefined;
  const { version } = parseStoredJson(PointerSchema, found.bytes, key);
  return { version, etag: found.etag };
}

/**
 * Moves the pointer: only over the pointer that `readCurrent` returned, or, without one, only where there is none.
 * Errors: STORE_CONFLICT when somebody else moved it meanwhile.
 */
export async function writeCurrent(
  store: ObjectStore,
  prefix: string,
  pointer: { version: string; replaces: { etag: string } | undefined },
): Promise<void> {
  const body = new TextEncoder().encode(`${JSON.stringify({ version: VersionSchema.parse(pointer.version) })}\n`);
  await store.put(`${prefix}/current.json`, body, {
    contentType: 'application/json',
    ...(pointer.replaces === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: pointer.replaces.etag }),
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

/**
 * Brings a version onto this machine and verifies the size and sha256 of every file that its manifest lists. Without
 * `version` the pointer decides. In a local store the folder is used where it lies; from any other it is downloaded
 * into `cacheDir` (under a temporary name, then renamed).
 *
 * Errors: FILE_MISSING (nothing published, no such version, a file is gone), FILE_CORRUPT (names the file), MANIFEST_INVALID.
 */
export async function openVersion(
  store: ObjectStore,
  prefix: string,
  options: { version?: string | undefined; cacheDir?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<LocalVersion> {
  const version = options.version ?? (await readCurrent(store, prefix))?.version;
  if (version === undefined) {
    throw new Geo2Error('FILE_MISSING', `${prefix} has no published version in ${store.url}.`, { data: { prefix } });
  }
  const key = `${prefix}/${VersionSchema.parse(version)}/manifest.json`;
  const manifest = await readBytes(store, key, { signal: options.signal });
  if (manifest === undefined) {
    throw new Geo2Error('FILE_MISSING', `${key} is missing in ${store.url}.`, { data: { file: key } });
  }
  const { files } = parseStoredJson(ListedFilesSchema, manifest.bytes, key);
  const dir =
    store.localPath === undefined
      ? await download(store, `${prefix}/${version}`, files, options)
      : dirname(store.localPath(key));
  await verifyFiles(dir, files, { signal: options.signal });
  return { version, dir };
}

async function download(
  store: ObjectStore,
  prefix: string,
  files: readonly FileFacts[],
  options: { cacheDir?: string | undefined; signal?: AbortSignal | undefined },
): Promise<string> {
  if (options.cacheDir === undefined) {
    throw new Geo2Error('STORE_FAILED', `${store.url} is not local: a cache folder is needed.`, { data: { prefix } });
  }
  const target = join(options.cacheDir, prefix);
  if (await isVerified(target, files)) return target;
  const temporary = `${target}.${process.pid}.part`;
  try {
    for (const path of [...files.map((file) => file.path), 'manifest.json']) {
      throwIfCanceled(options.signal);
      const found = await store.get(`${prefix}/${path}`, { signal: options.signal });
      if (found === undefined || found === 'unchanged') {
        throw new Geo2Error('FILE_MISSING', `${prefix}/${path} is missing in ${store.url}.`, { data: { file: path } });
      }
      await mkdir(dirname(join(temporary, path)), { recursive: true });
      await pipeline(found.body, createWriteStream(join(temporary, path)));
    }
    await verifyFiles(temporary, files, { signal: options.signal });
    await rm(target, { recursive: true, force: true });
    await rename(temporary, target);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return target;
}

function isVerified(dir: string, files: readonly FileFacts[]): Promise<boolean> {
  return verifyFiles(dir, files).then(
    () => true,
    () => false,
  );
}
