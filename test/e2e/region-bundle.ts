import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { zxyToTileId } from 'pmtiles';
import sharp from 'sharp';
import * as z from 'zod';
import { mapTileAt } from '#core/geo/web-mercator.ts';
import { writeExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { embeddingOf, TINY_WIDTH, tinyManifest } from '../core/inference/tiny-model.ts';

/** A region bundle written by another hand than the product's, from the description of the format alone. */

export type Colour = readonly [red: number, green: number, blue: number];

const HEADINGS = 4;
const TILE_DEG = 0.0006;
const STEP_DEG = 0.002;
export const IMAGERY_ZOOM = 16;

export interface TestRegion {
  readonly id: string;
  /** One reference tile of each, west to east along the equator, apart from each other. */
  readonly colours: readonly Colour[];
  readonly modelVersion: string;
  /** Steps of the grid by which the first tile lies east of the meridian. */
  readonly eastSteps?: number;
  /** Of the model's embedding. */
  readonly width?: number;
}

/** Writes and publishes version 1; returns its folder. */
export async function writeTestRegion(
  storeDir: string,
  { id, colours, modelVersion, eastSteps = 0, width = TINY_WIDTH }: TestRegion,
): Promise<string> {
  const dir = join(storeDir, 'regions', id, '1');
  await mkdir(dir, { recursive: true });
  const westDeg = eastSteps * STEP_DEG;
  const tiles = colours.map((colour, i) => ({
    id: `tile-${i}`,
    colour,
    bounds: [westDeg + i * STEP_DEG, 0, westDeg + i * STEP_DEG + TILE_DEG, TILE_DEG] as const,
  }));
  const extent = [westDeg, 0, westDeg + (colours.length - 1) * STEP_DEG + TILE_DEG, TILE_DEG] as const;

  const vectors = Float32Array.from(
    tiles.flatMap(({ colour }) => Array.from({ length: HEADINGS }, () => [...embeddingOf(colour, width)]).flat()),
  );
  await writeExactIndex(join(dir, 'index.faiss'), { width, vectors });
  await writeFile(join(dir, 'tiles.parquet'), tilesTable(tiles, extent));
  await writeFile(join(dir, 'imagery.pmtiles'), await imageryArchive(extent));
  await writeFile(join(dir, 'calibration.json'), JSON.stringify(tinyManifest().calibration));
  await writeFile(join(dir, 'collection.json'), JSON.stringify(collectionOf(id, extent)));
  await writeFile(join(dir, 'golden-queries.json'), JSON.stringify(goldenQueries(colours, width)));
  const names = [
    'index.faiss',
    'tiles.parquet',
    'imagery.pmtiles',
    'calibration.json',
    'collection.json',
    'golden-queries.json',
  ];
  const files = await Promise.all(
    names.map(async (path) => ({
      path,
      sha256: createHash('sha256')
        .update(await readFile(join(dir, path)))
        .digest('hex'),
      sizeBytes: (await stat(join(dir, path))).size,
    })),
  );
  const manifest = {
    schemaVersion: 1,
    id,
    version: '1',
    createdAt: '2026-01-01T00:00:00Z',
    licence: 'CC0-1.0',
    attribution: 'Coloured squares',
    capturedAt: null,
    model: { name: 'tiny', version: modelVersion },
    embeddingWidth: width,
    metresPerTile: 70,
    overlap: 0,
    headings: HEADINGS,
    tileCount: tiles.length,
    index: { type: 'IndexFlatIP', parameters: {}, file: 'index.faiss' },
    imagery: { file: 'imagery.pmtiles', minZoom: IMAGERY_ZOOM, maxZoom: IMAGERY_ZOOM, tileType: 'webp' },
    tiles: { file: 'tiles.parquet' },
    collection: { file: 'collection.json' },
    calibration: { file: 'calibration.json' },
    files,
  };
  await writeFile(join(dir, 'manifest.json'), JSON.stringify(manifest));
  await writeFile(join(storeDir, 'regions', id, 'current.json'), '{"version":"1"}\n');
  return dir;
}

/** Each tile's own vector with the ten rows that are nearest to it. */
function goldenQueries(colours: readonly Colour[], width: number) {
  const vectors = colours.map((colour) => embeddingOf(colour, width));
  return {
    schemaVersion: 1,
    queries: vectors.map((query, i) => ({
      name: `tile-${i}`,
      vector: Buffer.from(query.buffer).toString('base64'),
      expected: vectors
        .map((vector, tile) => ({
          tile,
          similarity: vector.reduce((sum, value, axis) => sum + value * (query[axis] ?? 0), 0),
        }))
        .sort((one, other) => other.similarity - one.similarity)
        .flatMap(({ tile, similarity }) =>
          Array.from({ length: HEADINGS }, (_, orientation) => ({ tile: `tile-${tile}`, orientation, similarity })),
        )
        .slice(0, 10),
    })),
  };
}

type Extent = readonly [west: number, south: number, east: number, north: number];

function tilesTable(tiles: readonly { id: string; bounds: Extent }[], extent: Extent): Uint8Array {
  const geo = {
    version: '1.1.0',
    primary_column: 'geometry',
    columns: { geometry: { encoding: 'WKB', geometry_types: ['Polygon'], bbox: extent } },
  };
  const column = (side: 0 | 1 | 2 | 3) => tiles.map(({ bounds }) => bounds[side]);
  return new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'id', data: tiles.map(({ id }) => id), type: 'STRING' },
        { name: 'west', data: column(0), type: 'DOUBLE' },
        { name: 'south', data: column(1), type: 'DOUBLE' },
        { name: 'east', data: column(2), type: 'DOUBLE' },
        { name: 'north', data: column(3), type: 'DOUBLE' },
        { name: 'row_start', data: tiles.map((_, i) => i * HEADINGS), type: 'INT32' },
        { name: 'row_end', data: tiles.map((_, i) => (i + 1) * HEADINGS), type: 'INT32' },
        { name: 'geometry', data: tiles.map(({ bounds }) => wkbPolygon(bounds)), type: 'BYTE_ARRAY' },
      ],
      kvMetadata: [{ key: 'geo', value: JSON.stringify(geo) }],
    }),
  );
}

function wkbPolygon([west, south, east, north]: Extent): Uint8Array {
  const ring = [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
    [west, south],
  ].flat();
  const bytes = Buffer.alloc(13 + ring.length * 8);
  bytes.writeUInt8(1, 0);
  bytes.writeUInt32LE(3, 1);
  bytes.writeUInt32LE(1, 5);
  bytes.writeUInt32LE(ring.length / 2, 9);
  for (const [i, value] of ring.entries()) bytes.writeDoubleLE(value, 13 + i * 8);
  return new Uint8Array(bytes);
}

/** The map tile that holds the first reference tile, and nothing else. */
export function imageryTile(): { z: number; x: number; y: number } {
  return mapTileAt([TILE_DEG / 2, TILE_DEG / 2], IMAGERY_ZOOM);
}

/** PMTiles, version 3, with one tile. */
async function imageryArchive(extent: Extent): Promise<Uint8Array> {
  const { z, x, y } = imageryTile();
  const tile = await sharp({ create: { width: 256, height: 256, channels: 3, background: '#00c832' } })
    .webp()
    .toBuffer();
  const directory = Buffer.from([1, ...varint(zxyToTileId(z, x, y)), 1, ...varint(tile.length), 1]);
  const metadata = Buffer.from('{}');
  const header = Buffer.alloc(127);
  header.write('PMTiles', 0, 'latin1');
  header.writeUInt8(3, 7);
  const dataStart = 127 + directory.length + metadata.length;
  const places = [
    127,
    directory.length,
    127 + directory.length,
    metadata.length,
    dataStart,
    0,
    dataStart,
    tile.length,
    1,
    1,
    1,
  ];
  for (const [i, value] of places.entries()) header.writeBigUInt64LE(BigInt(value), 8 + i * 8);
  header.set([1, 1, 1, 4, z, z], 96); // clustered, nothing compressed, WebP
  for (const [i, angle] of extent.entries()) header.writeInt32LE(Math.round(angle * 1e7), 102 + i * 4);
  header.writeUInt8(z, 118);
  return Buffer.concat([header, directory, metadata, tile]);
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function collectionOf(id: string, extent: Extent) {
  return {
    type: 'Collection',
    stac_version: '1.1.0',
    id,
    description: 'Coloured squares on the equator',
    license: 'CC0-1.0',
    extent: { spatial: { bbox: [extent] }, temporal: { interval: [[null, null]] } },
    links: [],
  };
}

/** Writes another version of a region beside one that is there, unpublished; `changes` go into its manifest. */
export async function copyVersion(
  regionDir: string,
  { from = '1', to, changes = {} }: { from?: string; to: string; changes?: Readonly<Record<string, unknown>> },
): Promise<string> {
  const dir = join(regionDir, to);
  await cp(join(regionDir, from), dir, { recursive: true });
  const manifest: unknown = JSON.parse(await readFile(join(dir, 'manifest.json'), 'utf8'));
  if (typeof manifest !== 'object') throw new Error('the manifest is no object');
  await writeFile(join(dir, 'manifest.json'), JSON.stringify({ ...manifest, version: to, ...changes }));
  return dir;
}

/** Changes a file of a version and makes the manifest agree with it: what checksums do not notice. */
export async function replaceFile(dir: string, path: string, content: Uint8Array): Promise<void> {
  await writeFile(join(dir, path), content);
  const text = await readFile(join(dir, 'manifest.json'), 'utf8');
  const manifest = z.looseObject({ files: z.array(z.looseObject({ path: z.string() })) }).parse(JSON.parse(text));
  const facts = { path, sha256: createHash('sha256').update(content).digest('hex'), sizeBytes: content.length };
  const files = manifest.files.map((file) => (file.path === path ? facts : file));
  await writeFile(join(dir, 'manifest.json'), JSON.stringify({ ...manifest, files }));
}
