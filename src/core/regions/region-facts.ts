import type * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import type { RegionFacts } from '../retrieval/region.ts';
import { type RegionManifest, RegionManifestSchema } from '../retrieval/region-manifest.ts';
import { extentBounds, StacCollectionSchema } from '../retrieval/stac.ts';
import { type ObjectStore, readBytes } from '../storage/object-store.ts';
import { parseStoredJson } from '../storage/stored-json.ts';

export interface RegionVersion {
  readonly id: string;
  readonly version: string;
}

/** What a version in the store says of itself, read without the rest. Errors: FILE_MISSING, MANIFEST_INVALID, those of the store. */
export async function readFacts(store: ObjectStore, { id, version }: RegionVersion): Promise<RegionFacts> {
  const manifest = await readManifest(store, { id, version });
  const collection = await readStored(store, keyOf({ id, version }, manifest.collection.file), StacCollectionSchema);
  return { id, version, manifest, collection, bounds: extentBounds(collection) };
}

/** Errors: those of `readFacts`. */
export function readManifest(store: ObjectStore, version: RegionVersion): Promise<RegionManifest> {
  return readStored(store, keyOf(version, 'manifest.json'), RegionManifestSchema);
}

function keyOf({ id, version }: RegionVersion, file: string): string {
  return `regions/${id}/${version}/${file}`;
}

async function readStored<T extends z.ZodType>(store: ObjectStore, key: string, schema: T): Promise<z.infer<T>> {
  const found = await readBytes(store, key);
  if (found !== undefined) return parseStoredJson(schema, found.bytes, key);
  throw new Geo2Error('FILE_MISSING', `${key} is missing in ${store.url}.`, { data: { file: key } });
}
