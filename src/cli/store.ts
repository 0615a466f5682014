import { readConfig } from '../config.ts';
import { RegionIdSchema } from '../core/retrieval/region-manifest.ts';
import type { ObjectStore } from '../core/storage/object-store.ts';
import type { VersionCache } from '../core/storage/version-cache.ts';
import { VersionSchema } from '../core/storage/versioned.ts';
import { openObjectStore, openVersionCache } from '../object-store.ts';
import type { CommandContext } from './command.ts';
import { UsageError } from './failure.ts';
import { checked } from './values.ts';

/** The store that the environment names, and where versions of one that is not local are kept. */
export async function openStore({
  env,
}: Pick<CommandContext, 'env'>): Promise<{ store: ObjectStore; cache: VersionCache }> {
  const config = readConfig(env);
  return { store: await openObjectStore(config.storeUrl, config), cache: openVersionCache(config) };
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
