import * as z from 'zod';
import { coveredRectangles, type Rectangle } from '../coverage.ts';
import { Geo2Error } from '../errors.ts';
import type { Region, RegionFacts } from '../retrieval/region.ts';
import { RegionIdSchema } from '../retrieval/region-manifest.ts';
import { extentBounds, type StacCollection } from '../retrieval/stac.ts';
import { type ObjectStore, readBytes } from '../storage/object-store.ts';
import { parseStoredJson } from '../storage/stored-json.ts';
import { readCurrent, VersionSchema } from '../storage/versioned.ts';
import { readFacts } from './region-facts.ts';

const KEY = 'catalog.json';
/** What a region covers in more rectangles than these is stated by its bounding box. */
const MAX_RECTANGLES = 2_000;
/** Publishers that write at one time try again so often. */
const ATTEMPTS = 20;

const RectangleSchema = z.tuple([z.number(), z.number(), z.number(), z.number()]);
const ChildSchema = z.looseObject({
  rel: z.literal('child'),
  href: z.string(),
  'geo2:region': RegionIdSchema,
  'geo2:version': VersionSchema,
  'geo2:coverage': z.array(RectangleSchema),
});
const LinkSchema = z.union([ChildSchema, z.looseObject({ rel: z.string(), href: z.string() })]);

/** The STAC 1.1 Catalog at the store's root, as far as it is read here; other members and links are kept as they are. */
const CatalogSchema = z.looseObject({
  type: z.literal('Catalog'),
  stac_version: z.string(),
  id: z.string(),
  description: z.string(),
  links: z.array(LinkSchema),
});

type Catalog = z.infer<typeof CatalogSchema>;

/** What the catalogue says of a region: the version that was published last, and the ground that it covers. */
export interface CataloguedRegion {
  readonly id: string;
  readonly version: string;
  /** Rectangles that share no area; the bounding box where they would be too many. */
  readonly coverage: readonly Rectangle[];
}

/**
 * The regions of the catalogue; undefined where the store has none, `unchanged` where its etag still is `ifNoneMatch`. Errors:
 * MANIFEST_INVALID, those of the store.
 */
export async function readCatalog(
  store: ObjectStore,
  options: { ifNoneMatch?: string | undefined; signal?: AbortSignal | undefined } = {},
): Promise<{ regions: CataloguedRegion[]; etag: string } | 'unchanged' | undefined> {
  const found = await readBytes(store, KEY, { ...options, maxBytes: 64 * 1024 * 1024 });
  if (found === undefined || found === 'unchanged') return found;
  const { links } = parseStoredJson(CatalogSchema, found.bytes, KEY);
  const regions = links.flatMap((link) => {
    const child = ChildSchema.safeParse(link);
    if (!child.success) return [];
    const { 'geo2:region': id, 'geo2:version': version, 'geo2:coverage': coverage } = child.data;
    return [{ id, version, coverage }];
  });
  return { regions, etag: found.etag };
}

/** Enters the version of a region that is in use from now on; other publishers may do the same. Errors: those of the store. */
export async function enterInCatalog(
  store: ObjectStore,
  { id, version, collection, tiles, manifest }: Pick<Region, 'id' | 'version' | 'collection' | 'tiles' | 'manifest'>,
  options: { signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const rectangles = coveredRectangles(tiles.bounds);
  const coverage = rectangles.length > MAX_RECTANGLES ? [extentOf(collection)] : rectangles;
  const child = childOf({ id, version, manifest, coverage });
  for (let attempt = 1; ; attempt++) {
    const found = await readBytes(store, KEY, { ...options, maxBytes: 64 * 1024 * 1024 });
    const catalog = found === undefined ? await newCatalog(store) : parseStoredJson(CatalogSchema, found.bytes, KEY);
    const others = catalog.links.filter((link) => !(link.rel === 'child' && link['geo2:region'] === id));
    const text = `${JSON.stringify({ ...catalog, links: [...others, child] }, undefined, 1)}\n`;
    const condition = found === undefined ? { ifNoneMatch: '*' as const } : { ifMatch: found.etag };
    try {
      await store.put(KEY, new TextEncoder().encode(text), {
        contentType: 'application/json',
        ...condition,
        ...options,
      });
      return;
    } catch (error) {
      const isBeaten = error instanceof Geo2Error && error.code === 'STORE_CONFLICT';
      if (!isBeaten || attempt >= ATTEMPTS) throw error;
    }
  }
}

function childOf({
  id,
  version,
  manifest,
  coverage,
}: CataloguedRegion & Pick<RegionFacts, 'manifest'>): z.infer<typeof ChildSchema> {
  return {
    rel: 'child',
    href: `./regions/${id}/${version}/${manifest.collection.file}`,
    type: 'application/json',
    title: id,
    'geo2:region': id,
    'geo2:version': version,
    'geo2:coverage': coverage.map((rectangle) => [...rectangle]),
  };
}

/** With the regions that were published before the store had a catalogue; they cover their extent, as far as it tells. */
async function newCatalog(store: ObjectStore): Promise<Catalog> {
  const links: Catalog['links'] = [
    { rel: 'root', href: './catalog.json', type: 'application/json' },
    { rel: 'self', href: './catalog.json', type: 'application/json' },
  ];
  for (const id of await publishedIds(store)) {
    const current = await readCurrent(store, `regions/${id}`);
    if (current === undefined) continue;
    const facts = await readFacts(store, { id, version: current.version });
    links.push(childOf({ ...facts, coverage: [extentOf(facts.collection)] }));
  }
  return {
    type: 'Catalog',
    stac_version: '1.1.0',
    id: 'geo2',
    title: 'Geo2 regions',
    description: 'The regions of this store, each with the version that is in use.',
    links,
  };
}

/** Ids of every region of the store that has a pointer, found by listing it. */
export async function publishedIds(store: ObjectStore): Promise<string[]> {
  const ids: string[] = [];
  for await (const { key } of store.list('regions/')) {
    const [, id, file, ...rest] = key.split('/');
    if (id !== undefined && file === 'current.json' && rest.length === 0) ids.push(id);
  }
  return ids.sort();
}

function extentOf(collection: StacCollection): Rectangle {
  const { west, south, east, north } = extentBounds(collection);
  return [west, south, east, north];
}
