import { createHash } from 'node:crypto';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { type Bounds, unionOf } from '../geo/bounds.ts';
import { mapTileBounds, mapTilesIn } from '../geo/web-mercator.ts';
import type { Model } from '../inference/model.ts';
import { createBoundsIndex } from './bounds-index.ts';
import { createTileEmbedder, type EmbeddedTiles } from './embed-tiles.ts';
import type { ImagerySource } from './imagery-source.ts';
import { openPmtilesWriter } from './pmtiles-writer.ts';
import { renderMapTile, type ZoomRange, zoomRangeOf } from './pyramid.ts';
import { type PlannedTile, planGrid, planTiles } from './tile-grid.ts';
import { checkRoom, type MapChunk, type TileChunk, type WorkFolder } from './work-folder.ts';

/** Part `index` of `count`, from 1. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** How a source becomes tiles. */
export interface TilesAsked {
  readonly tileM: number;
  readonly overlap: number;
  readonly headings: number;
  readonly area?: Parameters<typeof planGrid>[1]['area'];
  /** Cut a grid although the images have the size of tiles. */
  readonly recut: boolean;
}

/** The whole plan of a region, and which of its chunks are to be made. */
export interface ShardPlan {
  readonly tiles: readonly PlannedTile[];
  readonly overlap: number;
  /** Holds every tile of the whole plan. */
  readonly bounds: Bounds;
  readonly zooms: ZoomRange;
  readonly mapTiles: readonly { readonly x: number; readonly y: number }[];
  readonly tileChunks: ChunkRange;
  readonly mapChunks: ChunkRange;
  /** Of everything that decides the chunks' content. */
  readonly fingerprint: string;
}

/** `end` is not in it. */
export interface ChunkRange {
  readonly start: number;
  readonly end: number;
}

/** Tiles of a chunk: what a kill costs at most, for each core. */
export const TILES_PER_CHUNK = 64;
const MAP_TILES_PER_CHUNK = 256;
/** Map tiles that are drawn and encoded at one time. */
const MAP_TILES_AT_ONCE = 4;
/** A map tile of imagery as WebP, about. */
const MAP_TILE_BYTES = 12_000;

/** Deterministic: every shard makes the same plan and takes its own chunks of it. Errors: SOURCE_INVALID. */
export async function planShard(
  source: ImagerySource,
  asked: TilesAsked,
  { shard, model, identity }: { shard: Shard; model: Model; identity: string },
): Promise<ShardPlan> {
  const { tiles, overlap } =
    source.images.length === 0 ? planGrid(source.extent, asked) : planTiles(source.images, asked);
  const bounds = unionOf(tiles.map((tile) => tile.bounds));
  if (bounds === undefined) throw new Geo2Error('SOURCE_INVALID', 'The source has no tiles.');
  const { name, version, geometry } = model.manifest;
  const zooms = await zoomRangeOf(source, bounds, { modelMetresPerPx: asked.tileM / geometry.satellite.widthPx });
  const near = createBoundsIndex(tiles);
  const mapTiles = [...mapTilesIn(bounds, zooms.maxZoom)].filter((tile) => {
    const area = mapTileBounds(tile);
    return source.touches(area) && near(area).length > 0;
  });
  const decisive = { identity, model: { name, version }, ...asked, overlap, bounds, zooms };
  const fingerprint = createHash('sha256').update(JSON.stringify(decisive));
  for (const { id, bounds: at } of tiles) fingerprint.update(`${id} ${at.west} ${at.south} ${at.east} ${at.north}\n`);
  return {
    tiles,
    overlap,
    bounds,
    zooms,
    mapTiles,
    tileChunks: partOf(Math.ceil(tiles.length / TILES_PER_CHUNK), shard),
    mapChunks: partOf(Math.ceil(mapTiles.length / MAP_TILES_PER_CHUNK), shard),
    fingerprint: fingerprint.digest('hex'),
  };
}

function partOf(chunks: number, { index, count }: Shard): ChunkRange {
  return { start: Math.floor((chunks * (index - 1)) / count), end: Math.floor((chunks * index) / count) };
}

export type ShardProgress = (stage: 'embedding' | 'imagery', done: number, total: number) => void;

export interface BuildShardOptions extends TilesAsked {
  readonly source: ImagerySource;
  readonly folder: WorkFolder;
  readonly plan: ShardPlan;
  readonly onProgress: ShardProgress;
  readonly signal?: AbortSignal | undefined;
}

/** What a shard's folder holds when it is finished. */
export interface FinishedChunks {
  readonly tiles: readonly TileChunk[];
  readonly map: readonly MapChunk[];
}

/** Makes every chunk that is not finished yet. Memory holds two chunks, the source's cache and the models. */
export async function buildShard(
  options: BuildShardOptions,
  models: readonly [Model, ...Model[]],
): Promise<FinishedChunks> {
  const { plan, folder, headings } = options;
  const rowBytes = models[0].manifest.embedding.width * 4;
  const share = (plan.tileChunks.end - plan.tileChunks.start) * TILES_PER_CHUNK;
  const mapShare = (plan.mapChunks.end - plan.mapChunks.start) * MAP_TILES_PER_CHUNK;
  // twice: the chunks, and what is put together from them
  await checkRoom(
    folder.dir,
    2 * (Math.min(share, plan.tiles.length) * headings * rowBytes + mapShare * MAP_TILE_BYTES),
  );
  return { tiles: await embedChunks(options, models), map: await drawChunks(options) };
}

async function embedChunks(
  { source, plan, folder, onProgress, signal, tileM, headings }: BuildShardOptions,
  models: readonly [Model, ...Model[]],
): Promise<TileChunk[]> {
  const embedder = createTileEmbedder(models, { source, tileM, headings, signal });
  const { start, end } = plan.tileChunks;
  const total =
    Math.min(plan.tiles.length, end * TILES_PER_CHUNK) - Math.min(plan.tiles.length, start * TILES_PER_CHUNK);
  const chunks: TileChunk[] = [];
  let done = 0;
  let before: Promise<void> = Promise.resolve();
  for (let chunk = start; chunk < end; chunk++) {
    throwIfCanceled(signal);
    const tiles = plan.tiles.slice(chunk * TILES_PER_CHUNK, (chunk + 1) * TILES_PER_CHUNK);
    const finished = await folder.readTiles(chunk);
    if (finished !== undefined) {
      chunks[chunk - start] = finished;
      done += tiles.length;
      continue;
    }
    const cutting = await embedder.cut(tiles, {
      onTile: () => {
        done++;
        onProgress('embedding', done, total);
      },
    });
    await before; // one chunk is embedded and written while the next is cut
    before = cutting.done.then(async (embedded) => {
      chunks[chunk - start] = await folder.writeTiles(chunk, {
        ...chunkOf(embedded),
        leftOut: tiles.length - embedded.tiles.length,
      });
    });
    before.catch(() => {}); // told when it is awaited
  }
  await before;
  return chunks;
}

function chunkOf({ tiles, vectors }: EmbeddedTiles) {
  return { vectors, tiles: tiles.map(({ id, bounds }) => ({ id, ...bounds })) };
}

async function drawChunks({ source, plan, folder, onProgress, signal }: BuildShardOptions): Promise<MapChunk[]> {
  const { start, end } = plan.mapChunks;
  const z = plan.zooms.maxZoom;
  const first = start * MAP_TILES_PER_CHUNK;
  const total = Math.min(plan.mapTiles.length, end * MAP_TILES_PER_CHUNK) - first;
  const chunks: MapChunk[] = [];
  let done = 0;
  for (let chunk = start; chunk < end; chunk++) {
    throwIfCanceled(signal);
    const tiles = plan.mapTiles.slice(chunk * MAP_TILES_PER_CHUNK, (chunk + 1) * MAP_TILES_PER_CHUNK);
    const finished = await folder.readMap(chunk);
    if (finished !== undefined) {
      chunks.push(finished);
      done += tiles.length;
      continue;
    }
    const written = await folder.writeMap(chunk, async (path) => {
      const shown: [number, number][] = [];
      const writer = await openPmtilesWriter(path);
      try {
        for (let at = 0; at < tiles.length; at += MAP_TILES_AT_ONCE) {
          const some = tiles.slice(at, at + MAP_TILES_AT_ONCE);
          const drawn = await Promise.all(some.map(({ x, y }) => renderMapTile(source, { z, x, y }, signal)));
          for (const [i, { x, y }] of some.entries()) {
            const bytes = drawn[i];
            if (bytes === undefined) continue;
            await writer.add({ z, x, y }, bytes);
            shown.push([x, y]);
          }
          done += some.length;
          onProgress('imagery', done, total);
          throwIfCanceled(signal);
        }
        await writer.finish({ bounds: plan.bounds, tileType: 'webp', metadata: {} });
      } finally {
        await writer.close();
      }
      return shown;
    });
    chunks.push(written);
  }
  return chunks;
}
