import { mkdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { FileFactsSchema, measureFile, verifyFiles } from '../storage/checksums.ts';
import { parseStoredJson } from '../storage/stored-json.ts';

/** A tile whose embeddings are in a chunk. */
export const EmbeddedTileSchema = z.object({
  id: z.string(),
  west: z.number(),
  south: z.number(),
  east: z.number(),
  north: z.number(),
});

export type EmbeddedTile = z.infer<typeof EmbeddedTileSchema>;

/** What a chunk of embeddings holds: `vectors` has, tile by tile, as many rows as there are headings. */
export const TileChunkSchema = z.object({
  vectors: FileFactsSchema,
  tiles: z.array(EmbeddedTileSchema),
  /** Tiles of its part of the plan where imagery is missing. */
  leftOut: z.int().nonnegative(),
});

export type TileChunk = z.infer<typeof TileChunkSchema>;

/** Map tiles of the deepest zoom: `archive` is a PMTiles file of those that show something. */
export const MapChunkSchema = z.object({
  archive: FileFactsSchema.nullable(),
  tiles: z.array(z.tuple([z.int(), z.int()])),
});

export type MapChunk = z.infer<typeof MapChunkSchema>;

/** Finished parts of a build on disk: each is there whole, with its checksum, or not at all. */
export interface WorkFolder {
  readonly dir: string;
  /** A chunk that is finished and undamaged. */
  readTiles(chunk: number): Promise<TileChunk | undefined>;
  writeTiles(chunk: number, content: Omit<TileChunk, 'vectors'> & { vectors: Float32Array }): Promise<TileChunk>;
  readMap(chunk: number): Promise<MapChunk | undefined>;
  /** `write` makes the archive at a path, or nothing where there is nothing to show. */
  writeMap(chunk: number, write: (path: string) => Promise<MapChunk['tiles']>): Promise<MapChunk>;
  remove(): Promise<void>;
}

export const tilesFile = (chunk: number): string => `tiles-${numbered(chunk)}`;
export const mapFile = (chunk: number): string => `map-${numbered(chunk)}`;

function numbered(chunk: number): string {
  return String(chunk).padStart(6, '0');
}

/**
 * Opens the folder for a plan: what was finished for the same plan is kept, what is there of another one is removed. `plan` is
 * what decides the content of every chunk. Gives also what was noted beside the plan when the work began.
 */
export async function openWorkFolder<T extends z.ZodType>(
  dir: string,
  { plan, noted, schema }: { plan: unknown; noted: z.infer<T>; schema: T },
): Promise<{ folder: WorkFolder; noted: z.infer<T>; resumed: boolean }> {
  const path = join(dir, 'plan.json');
  const text = JSON.stringify(plan);
  const StoredSchema = z.object({ plan: z.unknown(), noted: z.unknown() });
  const found = StoredSchema.safeParse(await readJson(path));
  const old = schema.safeParse(found.data?.noted);
  if (found.success && old.success && JSON.stringify(found.data.plan) === text) {
    return { folder: folderAt(dir), noted: old.data, resumed: true };
  }
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  await writeWhole(path, JSON.stringify({ plan, noted }));
  return { folder: folderAt(dir), noted, resumed: false };
}

async function readJson(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function folderAt(dir: string): WorkFolder {
  async function readChunk<T extends z.ZodType>(name: string, schema: T): Promise<z.infer<T> | undefined> {
    const bytes = await readFile(join(dir, `${name}.json`)).catch(() => undefined);
    if (bytes === undefined) return undefined;
    try {
      return parseStoredJson(schema, bytes, `${name}.json`);
    } catch {
      return undefined; // made again
    }
  }

  const isWhole = (files: Parameters<typeof verifyFiles>[1]): Promise<boolean> =>
    verifyFiles(dir, files).then(
      () => true,
      () => false,
    );

  return {
    dir,

    async readTiles(chunk) {
      const found = await readChunk(tilesFile(chunk), TileChunkSchema);
      return found !== undefined && (await isWhole([found.vectors])) ? found : undefined;
    },

    async writeTiles(chunk, { vectors, ...about }) {
      const name = `${tilesFile(chunk)}.f32`;
      await writeWhole(join(dir, name), new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength));
      const written = { ...about, vectors: await measureFile(dir, name) };
      await writeWhole(join(dir, `${tilesFile(chunk)}.json`), JSON.stringify(written));
      return written;
    },

    async readMap(chunk) {
      const found = await readChunk(mapFile(chunk), MapChunkSchema);
      if (found === undefined || found.archive === null) return found;
      return (await isWhole([found.archive])) ? found : undefined;
    },

    async writeMap(chunk, write) {
      const name = `${mapFile(chunk)}.pmtiles`;
      const tiles = await told(join(dir, name), () => write(join(dir, name)));
      const written = { tiles, archive: tiles.length === 0 ? null : await measureFile(dir, name) };
      await writeWhole(join(dir, `${mapFile(chunk)}.json`), JSON.stringify(written));
      return written;
    },

    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** Under another name first, so that a kill leaves the whole file or none. */
async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  await told(path, async () => {
    await writeFile(`${path}.part`, content);
    await rename(`${path}.part`, path);
  });
}

/** A disk that is full is no fault of the program, and what is finished stays finished. */
async function told<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw diskError(path, cause);
  }
}

/** STORE_FAILED for what the file system says; any other error as it is. */
export function diskError(path: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (cause instanceof Geo2Error || typeof code !== 'string') return cause;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  const message = isFull
    ? `The disk is full at ${path}: make room and run the same command again; what is finished is kept.`
    : `Could not write ${path}: ${cause instanceof Error ? cause.message : code}`;
  return new Geo2Error('STORE_FAILED', message, { data: { file: path, reason: code }, cause });
}

/** Throws STORE_FAILED where a folder's disk has not the room; a file system that does not tell is believed. */
export async function checkRoom(dir: string, neededBytes: number): Promise<void> {
  const found = await statfs(dir).catch(() => undefined);
  if (found === undefined) return;
  const freeBytes = found.bavail * found.bsize;
  if (freeBytes >= neededBytes) return;
  const gb = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new Geo2Error(
    'STORE_FAILED',
    `${dir} has ${gb(freeBytes)} free; the work needs about ${gb(neededBytes)}: make room, or name another folder with --work.`,
    { data: { freeBytes, neededBytes } },
  );
}

/** The vectors of a chunk. */
export async function readVectors(path: string): Promise<Float32Array> {
  return new Float32Array(Uint8Array.from(await readFile(path)).buffer);
}
