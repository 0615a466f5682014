import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { type Bounds, unionOf } from '../geo/bounds.ts';
import { type Calibration, CalibrationSchema } from '../inference/manifest.ts';
import { parseStoredJson } from '../storage/stored-json.ts';
import type { LocalVersion } from '../storage/versioned.ts';
import { type RegionManifest, RegionManifestSchema } from './region-manifest.ts';
import { type StacCollection, StacCollectionSchema } from './stac.ts';
import { type ReadTilesTable, type RegionTiles, readTilesTable } from './tiles-table.ts';
import type { VectorIndex } from './vector-index.ts';

export type { RegionTiles } from './tiles-table.ts';

/** What is known of a region's version while it is not open. */
export interface RegionFacts {
  readonly id: string;
  readonly version: string;
  readonly manifest: RegionManifest;
  readonly collection: StacCollection;
  /** The smallest rectangle that holds every tile. */
  readonly bounds: Bounds;
}

/** A region bundle in use: one version, checked, with its index open. */
export interface Region extends RegionFacts {
  readonly tiles: RegionTiles;
  readonly index: VectorIndex;
  readonly calibration: Calibration;
  /** Where the bundle's files lie. */
  readonly dir: string;
  /** Ends the searches that run, then frees the index. */
  close(): Promise<void>;
}

/** The regions in use. */
export interface RegionSource {
  list(): readonly RegionFacts[];
  /**
   * Opens those of the ids that are in use, where they are not open yet, and keeps them open until they are released: a version
   * that is replaced meanwhile is used to the end. Errors: MODEL_UNAVAILABLE where one cannot be opened, INVALID_REQUEST where they
   * are more than may be open at one time, CANCELED.
   */
  hold(ids: readonly string[], options?: { signal?: AbortSignal | undefined }): Promise<HeldRegions>;
  /** The ground that a region covers, as rectangles west, south, east, north that share no area. */
  coverage(region: RegionFacts): readonly (readonly [number, number, number, number])[];
}

export interface HeldRegions {
  readonly regions: readonly Region[];
  release(): void;
}

/** Opens the file, or the server that the manifest says holds the same rows. */
export type OpenIndex = (path: string, facts?: RegionManifest['index']) => Promise<VectorIndex>;

export interface LoadRegionDeps {
  readonly openIndex: OpenIndex;
  /** The model whose queries will be searched; a region that another one embedded is refused. */
  readonly model: { readonly name: string; readonly version: string; readonly width: number };
  readonly expectedId: string;
  readonly readTiles?: ReadTilesTable | undefined;
}

/**
 * Opens a verified version of a region and checks that its parts belong together. Every error names the file in `data.file`:
 * FILE_MISSING, MANIFEST_INVALID, MODEL_MISMATCH, REGION_INVALID, INDEX_INVALID.
 */
export async function loadRegion(local: LocalVersion, deps: LoadRegionDeps): Promise<Region> {
  const manifest = await readRegionManifest(local.dir);
  checkIdentity(manifest, local.version, deps.expectedId);
  checkModel(manifest, deps.model);

  const collection = await readStored(local.dir, manifest.collection.file, StacCollectionSchema);
  if (collection.id !== manifest.id) {
    throw regionInvalid(manifest.collection.file, `describes ${collection.id}, not ${manifest.id}`);
  }
  const calibration = await readStored(local.dir, manifest.calibration.file, CalibrationSchema);
  const tiles = await readTiles(local.dir, manifest, deps.readTiles);
  const index = await openCheckedIndex(local.dir, manifest, deps.openIndex);
  return {
    id: manifest.id,
    version: manifest.version,
    manifest,
    collection,
    tiles,
    index,
    calibration,
    dir: local.dir,
    bounds: boundsOfAll(tiles),
    async close() {
      await index.close();
      await local.release?.();
    },
  };
}

/** Of a bundle's folder. Errors: FILE_MISSING, MANIFEST_INVALID. */
export function readRegionManifest(dir: string): Promise<RegionManifest> {
  return readStored(dir, 'manifest.json', RegionManifestSchema);
}

/** The rectangle of the tile at an ordinal. */
export function boundsOfTile({ bounds }: RegionTiles, ordinal: number): Bounds {
  const at = (side: number): number => bounds[ordinal * 4 + side] ?? Number.NaN;
  return { west: at(0), south: at(1), east: at(2), north: at(3) };
}

async function readStored<T extends z.ZodType>(dir: string, file: string, schema: T): Promise<z.infer<T>> {
  const bytes = await readFile(join(dir, file)).catch((cause: unknown) => {
    throw new Geo2Error('FILE_MISSING', `${file} is missing or cannot be read.`, { data: { file }, cause });
  });
  return parseStoredJson(schema, bytes, file);
}

function checkIdentity({ id, version }: RegionManifest, expectedVersion: string, expectedId: string): void {
  if (id === expectedId && version === expectedVersion) return;
  const [found, expected] = [`${id} ${version}`, `${expectedId} ${expectedVersion}`];
  throw regionInvalid('manifest.json', `is that of ${found}, but lies where ${expected} should be`);
}

function checkModel({ id, model, embeddingWidth }: RegionManifest, expected: LoadRegionDeps['model']): void {
  const fits = model.name === expected.name && model.version === expected.version && embeddingWidth === expected.width;
  if (fits) return;
  const asText = (name: string, version: string, width: number) => `${name} ${version} (${width} wide)`;
  throw new Geo2Error(
    'MODEL_MISMATCH',
    `Region ${id} was embedded by ${asText(model.name, model.version, embeddingWidth)}; in use is ` +
      `${asText(expected.name, expected.version, expected.width)}. Build the region again with this model, or serve with that one.`,
    {
      data: {
        file: 'manifest.json',
        region: id,
        found: { ...model, width: embeddingWidth },
        expected: { ...expected },
      },
    },
  );
}

async function readTiles(
  dir: string,
  { tiles: { file }, headings, tileCount }: RegionManifest,
  read: ReadTilesTable = readTilesTable,
): Promise<RegionTiles> {
  const tiles = await read(join(dir, file), file, { headings });
  if (tiles.count === tileCount) return tiles;
  throw regionInvalid(file, `holds ${tiles.count} tiles; the manifest says ${tileCount}`);
}

async function openCheckedIndex(dir: string, manifest: RegionManifest, openIndex: OpenIndex): Promise<VectorIndex> {
  const { file } = manifest.index;
  const index = await openIndex(join(dir, file), manifest.index).catch((error: unknown) => {
    if (!(error instanceof Geo2Error)) throw error;
    throw new Geo2Error(error.code, error.message, { data: { ...error.data, file }, cause: error });
  });
  const rowCount = manifest.tileCount * manifest.headings;
  if (index.width === manifest.embeddingWidth && index.rowCount === rowCount) return index;
  await index.close();
  const found = `${index.rowCount} rows of ${index.width}`;
  const expected = `${rowCount} rows of ${manifest.embeddingWidth}`;
  const holds = `holds ${found}; the manifest's tiles and headings make ${expected}`;
  const server = manifest.index.servedBy?.url;
  throw server === undefined
    ? regionInvalid(file, holds)
    : new Geo2Error('REGION_INVALID', `${server} ${holds}.`, { data: { file: server } });
}

function boundsOfAll(tiles: RegionTiles): Bounds {
  const all = unionOf(Array.from({ length: tiles.count }, (_, ordinal) => boundsOfTile(tiles, ordinal)));
  if (all === undefined) throw regionInvalid('manifest.json', 'speaks of a region without tiles');
  return all;
}

function regionInvalid(file: string, why: string): Geo2Error {
  return new Geo2Error('REGION_INVALID', `${file} ${why}.`, { data: { file } });
}
