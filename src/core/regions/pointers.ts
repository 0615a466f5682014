import type { RegionManifest } from '../retrieval/region-manifest.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { type Pointer, pollCurrent } from '../storage/versioned.ts';
import { type CataloguedRegion, publishedIds, readCatalog } from './catalog.ts';
import { readManifest } from './region-facts.ts';

/** What the pointer of something says now, or why it cannot be read. */
export type Seen =
  | { readonly type: 'pointer'; readonly pointer: Pointer }
  | { readonly type: 'nothing' }
  | { readonly type: 'problem'; readonly error: unknown };

/** Looks at pointers: each look asks for each of them whether it has changed. */
export interface Pointers {
  /** The pointer under a prefix. */
  look(prefix: string): Promise<Seen>;
  /** Ids of every region of the store that is published. Errors: those of the store. */
  publishedRegions(): Promise<readonly string[]>;
  /** Of the catalogue, as `publishedRegions` saw it last. */
  catalogued(id: string): CataloguedRegion | undefined;
  /** Reads the catalogue if it has changed. */
  lookAtCatalog(): Promise<void>;
  /** The manifest of a region's version; read once. Errors: FILE_MISSING, MANIFEST_INVALID, those of the store. */
  manifest(id: string, version: string): Promise<RegionManifest>;
}

export function createPointers(store: ObjectStore): Pointers {
  const known = new Map<string, Pointer>();
  const manifests = new Map<string, RegionManifest>();
  let catalog: { regions: ReadonlyMap<string, CataloguedRegion>; etag: string } | undefined;

  async function lookAtCatalog(): Promise<void> {
    const found = await readCatalog(store, { ifNoneMatch: catalog?.etag });
    if (found === 'unchanged') return;
    const regions = found?.regions.map((region) => [region.id, region] as const);
    catalog = found === undefined ? undefined : { regions: new Map(regions), etag: found.etag };
  }

  return {
    async look(prefix) {
      try {
        const before = known.get(prefix);
        const found = await pollCurrent(store, prefix, { ifNoneMatch: before?.etag });
        if (found === undefined) known.delete(prefix);
        else if (found !== 'unchanged') known.set(prefix, found);
        const pointer = known.get(prefix);
        return pointer === undefined ? { type: 'nothing' } : { type: 'pointer', pointer };
      } catch (error) {
        return { type: 'problem', error };
      }
    },

    lookAtCatalog,

    async publishedRegions() {
      await lookAtCatalog();
      // a store of before there was a catalogue is listed
      return catalog === undefined ? publishedIds(store) : [...catalog.regions.keys()].sort();
    },

    catalogued: (id) => catalog?.regions.get(id),

    async manifest(id, version) {
      const key = `${id}@${version}`;
      const read = manifests.get(key) ?? (await readManifest(store, { id, version }));
      manifests.set(key, read);
      return read;
    },
  };
}
