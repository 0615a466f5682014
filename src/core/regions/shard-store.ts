import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import type { RegionManifest } from '../retrieval/region-manifest.ts';
import { FileFactsSchema } from '../storage/checksums.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { parseStoredJson } from '../storage/stored-json.ts';
import type { VersionCache } from '../storage/version-cache.ts';
import { type LocalVersion, openVersion } from '../storage/versioned.ts';
import {
  type AssembleOptions,
  assembleRegion,
  type BundleMetadata,
  BundleMetadataSchema,
  type FinishedPart,
} from './assemble.ts';
import type { Shard } from './shard.ts';
import { MapChunkSchema, TileChunkSchema } from './work-folder.ts';
import { whileLocked } from './work-lock.ts';

/** `manifest.json` of a part of a region that was built alone. */
const ShardManifestSchema = z.object({
  schemaVersion: z.literal(1),
  metadata: BundleMetadataSchema,
  shard: z.object({ index: z.int().positive(), count: z.int().positive() }),
  /** Of the whole plan: parts of one region have the same. */
  fingerprint: z.string(),
  tiles: z.array(TileChunkSchema),
  map: z.array(MapChunkSchema),
  files: z.array(FileFactsSchema),
});

type ShardManifest = z.infer<typeof ShardManifestSchema>;

export interface StoreShardOptions {
  readonly metadata: BundleMetadata;
  readonly shard: Shard;
  readonly fingerprint: string;
  readonly part: FinishedPart;
  readonly onWritten: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** `shards/ID/VERSION`, where all parts of a region lie until they are merged. */
const prefixOf = ({ id, version }: { id: string; version: string }): string => `shards/${id}/${version}`;
const nameOf = ({ index, count }: Shard): string => `${index}-of-${count}`;

/** Writes a part's files, the manifest last; a part that was there before is replaced. Errors: STORE_FAILED, CANCELED. */
export async function storeShard(store: ObjectStore, options: StoreShardOptions): Promise<void> {
  const { metadata, shard, fingerprint, part, onWritten, signal } = options;
  const folder = `${prefixOf(metadata)}/${nameOf(shard)}`;
  const files = [
    ...part.tiles.map(({ vectors }) => vectors),
    ...part.map.flatMap(({ archive }) => (archive === null ? [] : [archive])),
  ];
  const manifest: ShardManifest = {
    schemaVersion: 1,
    metadata,
    shard: { ...shard },
    fingerprint,
    tiles: [...part.tiles],
    map: [...part.map],
    files,
  };
  await store.delete(`${folder}/manifest.json`);
  for (const [i, { path }] of files.entries()) {
    await store.put(`${folder}/${path}`, createReadStream(join(part.dir, path)), { signal });
    onWritten(i + 1, files.length + 1);
  }
  const text = new TextEncoder().encode(JSON.stringify(manifest));
  await store.put(`${folder}/manifest.json`, text, { contentType: 'application/json', signal });
  onWritten(files.length + 1, files.length + 1);
}

export interface MergeOptions {
  readonly id: string;
  readonly version: string;
  /** For the bundle's files until they are in the store. */
  readonly staging: string;
  /** For the parts, where the store is not local. */
  readonly cache?: VersionCache | undefined;
  readonly onWritten: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What writes the index, and opens what it wrote. */
type MergeDeps = Pick<AssembleOptions, 'writeIndex' | 'openIndex'>;

/**
 * Makes the region of its parts: byte for byte what one build of the whole makes, apart from when it was made. The parts are
 * removed then. Errors: FILE_MISSING (no parts, or not all), REGION_INVALID (parts that were not told the same), FILE_CORRUPT,
 * those of `assembleRegion`.
 */
export async function mergeRegion(
  store: ObjectStore,
  { id, version, staging, cache, onWritten, signal }: MergeOptions,
  deps: MergeDeps,
): Promise<RegionManifest> {
  const prefix = prefixOf({ id, version });
  return whileLocked(staging, async () => {
    const names = await partsOf(store, prefix);
    const opened: LocalVersion[] = [];
    try {
      for (const name of names) opened.push(await openVersion(store, prefix, { version: name, cache, signal }));
      const manifest = await assembleParts(store, opened, { id, version, staging, onWritten, signal }, deps);
      await store.deleteFolder(prefix);
      return manifest;
    } finally {
      for (const part of opened) await part.release?.();
    }
  });
}

async function assembleParts(
  store: ObjectStore,
  opened: readonly LocalVersion[],
  { id, version, staging, onWritten, signal }: Omit<MergeOptions, 'cache'>,
  deps: MergeDeps,
): Promise<RegionManifest> {
  const prefix = prefixOf({ id, version });
  const parts: (ShardManifest & { readonly dir: string })[] = [];
  for (const { dir, version: name } of opened) {
    const bytes = await readFile(join(dir, 'manifest.json'));
    parts.push({ ...parseStoredJson(ShardManifestSchema, bytes, `${prefix}/${name}/manifest.json`), dir });
  }
  const [first] = parts;
  if (first === undefined) throw noParts(store, prefix);
  const alien = parts.find((part) => part.fingerprint !== first.fingerprint);
  if (alien !== undefined) {
    throw new Geo2Error(
      'REGION_INVALID',
      `Parts ${nameOf(first.shard)} and ${nameOf(alien.shard)} of ${id}@${version} were not built from the same source, ` +
        'area, options and model: build one of them again.',
      { data: { file: `${prefix}/${nameOf(alien.shard)}` } },
    );
  }
  if (await exists(store, `regions/${id}/${version}/`)) {
    throw new Geo2Error('STORE_CONFLICT', `regions/${id}/${version} exists already: versions are never changed.`);
  }
  const createdAt =
    parts
      .map(({ metadata }) => metadata.createdAt)
      .sort()
      .at(-1) ?? first.metadata.createdAt;
  const metadata = { ...first.metadata, createdAt };
  return assembleRegion({ metadata, parts, staging, store, ...deps, onWritten, signal });
}

/** Names of all parts in their order; FILE_MISSING where one is not there. */
async function partsOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const found = new Set<string>();
  for await (const { key } of store.list(`${prefix}/`)) {
    const [name, file, ...rest] = key.slice(prefix.length + 1).split('/');
    if (name !== undefined && file === 'manifest.json' && rest.length === 0) found.add(name);
  }
  const counts = new Set([...found].map((name) => Number(/-of-(\d+)$/.exec(name)?.[1])));
  const [count, other] = counts;
  if (count === undefined) throw noParts(store, prefix);
  if (other !== undefined) {
    throw new Geo2Error('REGION_INVALID', `${prefix} holds parts of ${count} and of ${other}: remove the wrong ones.`);
  }
  const names = Array.from({ length: count }, (_, i) => nameOf({ index: i + 1, count }));
  const missing = names.filter((name) => !found.has(name));
  if (missing.length === 0) return names;
  throw new Geo2Error(
    'FILE_MISSING',
    `${prefix} lacks ${missing.join(', ')}: run geo2 region build with --shard ${missing[0]?.replace('-of-', '/')} first.`,
    { data: { missing } },
  );
}

async function exists(store: ObjectStore, prefix: string): Promise<boolean> {
  for await (const _ of store.list(prefix)) return true;
  return false;
}

function noParts(store: ObjectStore, prefix: string): Geo2Error {
  return new Geo2Error(
    'FILE_MISSING',
    `There are no parts in ${store.url}/${prefix}: build them with geo2 region build --shard 1/4 (and 2/4, 3/4, 4/4).`,
  );
}
