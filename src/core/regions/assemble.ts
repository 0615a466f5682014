import { createReadStream } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { type Bounds, centreOf, toBbox, unionOf } from '../geo/bounds.ts';
import { type MapTile, metresPerPixel } from '../geo/web-mercator.ts';
import { CalibrationSchema } from '../inference/manifest.ts';
import { askGoldenQueries, GOLDEN_FILE, GoldenVectorSchema, goldenVector } from '../retrieval/golden-queries.ts';
import type { OpenIndex } from '../retrieval/region.ts';
import { type IndexFacts, RegionIdSchema, type RegionManifest } from '../retrieval/region-manifest.ts';
import type { StacCollection } from '../retrieval/stac.ts';
import { rowsAt, type VectorRows } from '../retrieval/vector-rows.ts';
import { measureFile } from '../storage/checksums.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { VersionSchema } from '../storage/versioned.ts';
import { type ImageryArchive, openImagery } from './imagery-archive.ts';
import { openPmtilesWriter } from './pmtiles-writer.ts';
import { renderPyramid } from './pyramid.ts';
import { spread } from './spread.ts';
import { tilesParquet } from './tiles-file.ts';
import { diskError, type EmbeddedTile, type MapChunk, readVectors, type TileChunk } from './work-folder.ts';

const BoundsSchema = z.object({ west: z.number(), south: z.number(), east: z.number(), north: z.number() });

/** What a bundle says of itself beside its content: noted when the work begins, so that a resumed build ends as one that was not. */
export const BundleMetadataSchema = z.object({
  id: RegionIdSchema,
  version: VersionSchema,
  createdAt: z.string(),
  licence: z.string(),
  attribution: z.string(),
  description: z.string().optional(),
  capturedAt: z.object({ start: z.string(), end: z.string() }).optional(),
  model: z.object({ name: z.string(), version: z.string() }),
  embeddingWidth: z.int(),
  tileM: z.number(),
  overlap: z.number(),
  headings: z.int(),
  /** Of the plan. */
  bounds: BoundsSchema,
  zooms: z.object({ minZoom: z.int(), maxZoom: z.int() }),
  calibration: CalibrationSchema,
  /** Ground views that become golden queries, beside some of the region's own rows. */
  queries: z.array(GoldenVectorSchema).optional(),
});

export type BundleMetadata = z.infer<typeof BundleMetadataSchema>;

/** Finished chunks and the folder that their files lie in. */
export interface FinishedPart {
  readonly dir: string;
  readonly tiles: readonly TileChunk[];
  readonly map: readonly MapChunk[];
}

export type WriteIndex = (path: string, rows: VectorRows, options: WriteIndexOptions) => Promise<IndexFacts>;

export interface WriteIndexOptions {
  /** Rows of a tile. */
  readonly rowsPerTile: number;
  readonly signal?: AbortSignal | undefined;
}

export interface AssembleOptions {
  readonly metadata: BundleMetadata;
  /** In the order of the plan. */
  readonly parts: readonly FinishedPart[];
  /** For the bundle's files; made, and removed at the end. */
  readonly staging: string;
  readonly store: ObjectStore;
  readonly writeIndex: WriteIndex;
  /** Opens the index that was written: what it answers now is noted as golden queries. */
  readonly openIndex: OpenIndex;
  readonly onWritten: (done: number, total: number) => void;
  readonly signal?: AbortSignal | undefined;
}

const FILES = {
  tiles: 'tiles.parquet',
  index: 'index.faiss',
  imagery: 'imagery.pmtiles',
  collection: 'collection.json',
  calibration: 'calibration.json',
  golden: GOLDEN_FILE,
} as const;
/** Of the region's rows, spread over its tiles and orientations. */
const GOLDEN_ROWS = 8;
/** Chunks whose archives are open at one time. */
const OPEN_ARCHIVES = 16;

/**
 * Puts finished chunks together to a bundle in the store, complete or not at all: the manifest is written last. Errors:
 * SOURCE_INVALID (no tile has imagery), STORE_CONFLICT (the version exists), STORE_FAILED, CANCELED.
 */
export async function assembleRegion(options: AssembleOptions): Promise<RegionManifest> {
  const { metadata, parts, staging, store, signal, onWritten } = options;
  const { id, version, createdAt, headings, calibration, model, zooms } = metadata;
  const prefix = `regions/${id}/${version}`;
  const tiles = parts.flatMap((part) => part.tiles.flatMap((chunk) => chunk.tiles.map(placed)));
  const leftOut = parts.reduce((sum, part) => sum + part.tiles.reduce((of, chunk) => of + chunk.leftOut, 0), 0);
  const bounds = unionOf(tiles.map((tile) => tile.bounds));
  if (bounds === undefined) {
    throw new Geo2Error(
      'SOURCE_INVALID',
      `There is no imagery in the area: all of its ${leftOut} tiles are empty or have holes. Check the area and the source: ` +
        `imagery has to fill a tile of ${metadata.tileM} m.`,
      { data: { leftOut } },
    );
  }
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  try {
    const rows = rowsOf(parts, { width: metadata.embeddingWidth, rowCount: tiles.length * headings });
    const index = await options.writeIndex(join(staging, FILES.index), rows, { rowsPerTile: headings, signal });
    await writeFile(join(staging, FILES.tiles), tilesParquet(tiles, headings));
    await writeImagery(join(staging, FILES.imagery), options);
    await writeJson(join(staging, FILES.collection), collectionOf(metadata, bounds));
    await writeJson(join(staging, FILES.calibration), calibration);
    const tileIds = tiles.map((tile) => tile.id);
    await writeJson(join(staging, FILES.golden), await goldenQueries(options, { rows, index, tileIds }));

    const paths = Object.values(FILES);
    const manifest: RegionManifest = {
      schemaVersion: 1,
      id,
      version,
      createdAt,
      licence: metadata.licence,
      attribution: metadata.attribution,
      capturedAt: metadata.capturedAt ?? null,
      model,
      embeddingWidth: metadata.embeddingWidth,
      metresPerTile: metadata.tileM,
      overlap: metadata.overlap,
      headings,
      tileCount: tiles.length,
      ...(leftOut === 0 ? {} : { leftOutTiles: leftOut }),
      index: { ...index, file: FILES.index },
      imagery: { file: FILES.imagery, ...zooms, tileType: 'webp' },
      tiles: { file: FILES.tiles },
      collection: { file: FILES.collection },
      calibration: { file: FILES.calibration },
      files: await Promise.all(paths.map((path) => measureFile(staging, path, { signal }))),
    };
    await upload(store, prefix, { staging, paths, manifest, signal, onWritten });
    return manifest;
  } catch (error) {
    throw diskError(staging, error);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

function placed({ id, ...bounds }: EmbeddedTile): { id: string; bounds: Bounds } {
  return { id, bounds };
}

function rowsOf(parts: readonly FinishedPart[], about: Pick<VectorRows, 'width' | 'rowCount'>): VectorRows {
  return {
    ...about,
    async *read() {
      for (const { dir, tiles } of parts) {
        for (const { vectors } of tiles) yield await readVectors(join(dir, vectors.path));
      }
    },
  };
}

async function goldenQueries(
  { metadata: { headings, queries = [] }, staging, openIndex }: AssembleOptions,
  { rows, index: facts, tileIds }: { rows: VectorRows; index: IndexFacts; tileIds: readonly string[] },
): Promise<unknown> {
  const sampled = spread(tileIds.length, GOLDEN_ROWS).map((tile, i) => ({ tile, orientation: i % headings }));
  const vectors = await rowsAt(
    rows,
    sampled.map(({ tile, orientation }) => tile * headings + orientation),
  );
  const ofTiles = sampled.map(({ tile, orientation }, i) =>
    goldenVector(`tile ${tileIds[tile]} at orientation ${orientation}`, vectors[i] ?? new Float32Array(0)),
  );
  const index = await openIndex(join(staging, FILES.index), { ...facts, file: FILES.index });
  try {
    return await askGoldenQueries(index, tileIds, [...ofTiles, ...queries]);
  } finally {
    await index.close();
  }
}

async function writeImagery(path: string, { metadata, parts, signal }: AssembleOptions): Promise<void> {
  const { id, attribution, bounds, zooms } = metadata;
  const archives = archivesOf(parts);
  const writer = await openPmtilesWriter(path);
  try {
    const deepest = parts.flatMap((part) => part.map.flatMap((chunk) => chunk.tiles));
    for await (const { tile, bytes } of renderPyramid({ ...zooms, deepest, read: archives.read, signal })) {
      await writer.add(tile, bytes);
    }
    await writer.finish({ bounds, tileType: 'webp', metadata: { name: id, attribution, type: 'baselayer' } });
  } finally {
    await writer.close();
    await archives.close();
  }
}

/** The map tiles of all chunks by their place; few files are open at one time. */
function archivesOf(parts: readonly FinishedPart[]) {
  const chunks = parts.flatMap(({ dir, map }) =>
    map.flatMap(({ archive, tiles }) => (archive === null ? [] : [{ path: join(dir, archive.path), tiles }])),
  );
  const chunkOf = new Map<number, string>();
  const keyOf = (x: number, y: number): number => x * 2 ** 24 + y;
  for (const { path, tiles } of chunks) for (const [x, y] of tiles) chunkOf.set(keyOf(x, y), path);
  const open = new Map<string, ImageryArchive>();
  return {
    async read(tile: MapTile): Promise<Uint8Array> {
      const path = chunkOf.get(keyOf(tile.x, tile.y)) ?? '';
      const archive = open.get(path) ?? (await openImagery(path));
      open.delete(path);
      open.set(path, archive); // the one that was used last is closed last
      const [oldest] = open.size > OPEN_ARCHIVES ? open : [];
      if (oldest !== undefined) {
        open.delete(oldest[0]);
        await oldest[1].close();
      }
      const bytes = await archive.tile(tile);
      if (bytes === undefined) throw new Geo2Error('FILE_CORRUPT', `${path} lacks a map tile that it should hold.`);
      return bytes;
    },
    close: async () => {
      await Promise.all([...open.values()].map((archive) => archive.close()));
    },
  };
}

function collectionOf(metadata: BundleMetadata, bounds: Bounds): StacCollection {
  const { id, licence, attribution, description, capturedAt, createdAt, zooms } = metadata;
  return {
    type: 'Collection',
    stac_version: '1.1.0',
    stac_extensions: [],
    id,
    title: id,
    description: description ?? `Reference imagery of ${id}, embedded for geolocation.`,
    license: licence,
    ...(attribution === '' ? {} : { providers: [{ name: attribution, roles: ['producer', 'licensor'] }] }),
    extent: {
      spatial: { bbox: [toBbox(bounds)] },
      // without a capture date all that is known is that it is not of the future
      temporal: { interval: [[capturedAt?.start ?? null, capturedAt?.end ?? createdAt]] },
    },
    summaries: { gsd: [round(metresPerPixel(centreOf(bounds)[1], zooms.maxZoom), 3)] },
    links: [],
    assets: {
      imagery: { href: `./${FILES.imagery}`, type: 'application/vnd.pmtiles', roles: ['data'] },
      tiles: { href: `./${FILES.tiles}`, type: 'application/vnd.apache.parquet', roles: ['metadata'] },
      index: { href: `./${FILES.index}`, type: 'application/octet-stream', roles: ['data'] },
    },
  };
}

/** The manifest goes last: without it there is no version. What was written before a failure is removed. */
async function upload(
  store: ObjectStore,
  prefix: string,
  options: {
    readonly staging: string;
    readonly paths: readonly string[];
    readonly manifest: RegionManifest;
    readonly signal?: AbortSignal | undefined;
    readonly onWritten: AssembleOptions['onWritten'];
  },
): Promise<void> {
  const { staging, paths, manifest, signal, onWritten } = options;
  const written: string[] = [];
  try {
    for (const path of paths) {
      const key = `${prefix}/${path}`;
      await store.put(key, createReadStream(join(staging, path)), { ifNoneMatch: '*', signal });
      written.push(key);
      onWritten(written.length, paths.length + 1);
    }
    const text = new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`);
    await store.put(`${prefix}/manifest.json`, text, { contentType: 'application/json', ifNoneMatch: '*', signal });
    onWritten(paths.length + 1, paths.length + 1);
  } catch (error) {
    for (const key of written) await store.delete(key).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, `${JSON.stringify(value, undefined, 2)}\n`);
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
