import { readConfig } from '../config.ts';
import { RegionIdSchema, type RegionManifest, RegionManifestSchema } from '../core/retrieval/region-manifest.ts';
import { createFsObjectStore } from '../core/storage/object-store.fs.ts';
import { type ObjectStore, readBytes } from '../core/storage/object-store.ts';
import { parseStoredJson } from '../core/storage/stored-json.ts';
import { VersionSchema } from '../core/storage/versioned.ts';
import type { CommandContext } from './command.ts';
import { UsageError } from './failure.ts';
import { checked } from './values.ts';

/** The store that the environment names. */
export function openStore({ env }: Pick<CommandContext, 'env'>): ObjectStore {
  return createFsObjectStore({ url: readConfig(env).storeUrl });
}

export function regionPrefix(id: string): string {
  return `regions/${id}`;
}

/** Ids of every region that has something in the store. */
export async function regionIds(store: ObjectStore, signal: AbortSignal): Promise<string[]> {
  const ids = new Set<string>();
  for await (const { key } of store.list('regions/', { signal })) {
    const [, id, ...rest] = key.split('/');
    if (id !== undefined && rest.length > 0 && RegionIdSchema.safeParse(id).success) ids.add(id);
  }
  return [...ids].sort();
}

/** Undefined when that version has no manifest. Throws MANIFEST_INVALID. */
export async function readManifest(
  store: ObjectStore,
  { id, version }: { id: string; version: string },
): Promise<RegionManifest | undefined> {
  const key = `${regionPrefix(id)}/${version}/manifest.json`;
  const found = await readBytes(store, key);
  return found === undefined ? undefined : parseStoredJson(RegionManifestSchema, found.bytes, key);
}

/** Reads `ID` or `ID@VERSION`. Throws UsageError. */
export function regionReference(text: string): { id: string; version: string | undefined } {
  const [id = '', version, ...rest] = text.split('@');
  if (rest.length > 0) throw new UsageError(`${JSON.stringify(text)} is no region: write ID or ID@VERSION`);
  return {
    id: checked('ID', RegionIdSchema, id),
    version: version === undefined ? undefined : checked('VERSION', VersionSchema, version),
  };
}

/** The one positional argument of a command. Throws UsageError. */
export function onlyArgument(positionals: readonly string[], usage: string): string {
  const [first, second] = positionals;
  if (first === undefined || second !== undefined) throw new UsageError(`Write: ${usage}`);
  return first;
}
