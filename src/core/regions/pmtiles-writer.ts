import { createHash } from 'node:crypto';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { zxyToTileId } from 'pmtiles';
import { type Bounds, centreOf } from '../geo/bounds.ts';
import type { MapTile } from '../geo/web-mercator.ts';

/** Writes one PMTiles v3 archive: tiles along the Hilbert curve, each content stored once. */
export interface PmtilesWriter {
  /** In any order; each tile once. */
  add(tile: MapTile, bytes: Uint8Array): Promise<void>;
  /** Writes the archive; the writer is then closed. */
  finish(about: ArchiveFacts): Promise<void>;
  /** Gives up and removes what was put aside. After `finish` it does nothing. */
  close(): Promise<void>;
}

export interface ArchiveFacts {
  readonly bounds: Bounds;
  readonly tileType: 'webp' | 'jpeg';
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Bytes of one content, where it lies. */
interface Place {
  readonly offset: number;
  readonly length: number;
}

interface Entry extends Place {
  readonly tileId: number;
  runLength: number;
}

const HEADER_BYTES = 127;
/** Header and root directory are read at once: the specification's 16 KiB. */
const ROOT_BYTES = 16_384 - HEADER_BYTES;
const LEAF_ENTRIES = 4096;
const GZIP = 2;
const NOT_COMPRESSED = 1;
const TILE_TYPES = { jpeg: 3, webp: 4 } as const;
const COPY_BYTES = 1 << 20;

/** Tiles wait in `path.tiles` until all are known: memory holds only their places. */
export async function openPmtilesWriter(path: string): Promise<PmtilesWriter> {
  const spoolPath = `${path}.tiles`;
  const spool = await open(spoolPath, 'w+');
  const places = new Map<string, Place>();
  const tiles: { readonly tileId: number; readonly place: Place }[] = [];
  const zooms = { min: Number.POSITIVE_INFINITY, max: 0 };
  let end = 0;
  let isOpen = true;

  async function close(): Promise<void> {
    if (!isOpen) return;
    isOpen = false;
    await spool.close();
    await rm(spoolPath, { force: true });
  }

  return {
    async add({ z, x, y }, bytes) {
      const hash = createHash('sha256').update(bytes).digest('base64');
      let place = places.get(hash);
      if (place === undefined) {
        place = { offset: end, length: bytes.length };
        places.set(hash, place);
        end += bytes.length;
        await writeAll(spool, bytes, place.offset);
      }
      tiles.push({ tileId: zxyToTileId(z, x, y), place });
      zooms.min = Math.min(zooms.min, z);
      zooms.max = Math.max(zooms.max, z);
    },

    async finish(about) {
      const ordered = tiles.sort((a, b) => a.tileId - b.tileId);
      const { entries, contents } = arrange(ordered);
      const { root, leaves } = directories(entries);
      const json = gzipSync(JSON.stringify(about.metadata));
      const lengths = [root.length, json.length, leaves.length, end] as const;
      const counts = [ordered.length, entries.length, contents.length] as const;
      const header = headerOf(about, { lengths, counts, zooms });
      const file = await open(path, 'w');
      try {
        for (const part of [header, root, json, leaves]) await file.writeFile(part);
        for (const place of contents) await copy(spool, place, file);
      } finally {
        await file.close();
      }
      await close();
    },

    close,
  };
}

/** Neighbours on the curve with equal content share an entry; contents lie in the order in which the curve first needs them. */
function arrange(ordered: readonly { readonly tileId: number; readonly place: Place }[]): {
  entries: Entry[];
  contents: Place[];
} {
  const moved = new Map<Place, number>();
  const entries: Entry[] = [];
  let end = 0;
  for (const { tileId, place } of ordered) {
    let offset = moved.get(place);
    if (offset === undefined) {
      offset = end;
      moved.set(place, offset);
      end += place.length;
    }
    const last = entries.at(-1);
    if (last !== undefined && last.offset === offset && tileId === last.tileId + last.runLength) last.runLength++;
    else entries.push({ tileId, offset, length: place.length, runLength: 1 });
  }
  return { entries, contents: [...moved.keys()] };
}

interface Layout {
  /** Of root directory, metadata, leaf directories and tiles, which follow each other in this order. */
  readonly lengths: readonly [number, number, number, number];
  /** Addressed tiles, entries, contents. */
  readonly counts: readonly [number, number, number];
  readonly zooms: { readonly min: number; readonly max: number };
}

function headerOf({ bounds, tileType }: ArchiveFacts, { lengths, counts, zooms }: Layout): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode('PMTiles'));
  header[7] = 3;
  let field = 8;
  let at = HEADER_BYTES;
  for (const length of lengths) {
    view.setBigUint64(field, BigInt(at), true);
    view.setBigUint64(field + 8, BigInt(length), true);
    at += length;
    field += 16;
  }
  for (const count of counts) {
    view.setBigUint64(field, BigInt(count), true);
    field += 8;
  }
  const clustered = 1;
  header.set([clustered, GZIP, NOT_COMPRESSED, TILE_TYPES[tileType], Math.min(zooms.min, zooms.max), zooms.max], field);
  const e7 = (angle: number): number => Math.round(angle * 1e7);
  for (const [i, angle] of [bounds.west, bounds.south, bounds.east, bounds.north].entries()) {
    view.setInt32(102 + i * 4, e7(angle), true);
  }
  const [lon, lat] = centreOf(bounds);
  header[118] = Math.min(zooms.min, zooms.max);
  view.setInt32(119, e7(lon), true);
  view.setInt32(123, e7(lat), true);
  return header;
}

/** One root, or a root of leaves, whose size doubles until the root fits. */
function directories(entries: readonly Entry[]): { root: Uint8Array; leaves: Uint8Array } {
  const whole = serialize(entries);
  if (whole.length <= ROOT_BYTES) return { root: whole, leaves: new Uint8Array() };
  for (let size = LEAF_ENTRIES; ; size *= 2) {
    const pointers: Entry[] = [];
    const leaves: Uint8Array[] = [];
    let offset = 0;
    for (let start = 0; start < entries.length; start += size) {
      const leaf = serialize(entries.slice(start, start + size));
      // a run length of 0 marks a leaf
      pointers.push({ tileId: entries[start]?.tileId ?? 0, offset, length: leaf.length, runLength: 0 });
      leaves.push(leaf);
      offset += leaf.length;
    }
    const root = serialize(pointers);
    if (root.length <= ROOT_BYTES) return { root, leaves: Buffer.concat(leaves) };
  }
}

/** Columns of varints, gzipped: how many, tile ids as differences, run lengths, lengths, offsets. */
function serialize(entries: readonly Entry[]): Uint8Array {
  const bytes: number[] = [];
  pushVarint(bytes, entries.length);
  let last = 0;
  for (const { tileId } of entries) {
    pushVarint(bytes, tileId - last);
    last = tileId;
  }
  for (const { runLength } of entries) pushVarint(bytes, runLength);
  for (const { length } of entries) pushVarint(bytes, length);
  for (const [i, { offset }] of entries.entries()) {
    const before = entries[i - 1];
    // 0 stands for "right behind the one before"
    pushVarint(bytes, before !== undefined && offset === before.offset + before.length ? 0 : offset + 1);
  }
  return gzipSync(Uint8Array.from(bytes));
}

/** Seven bits a byte, low ones first; exact for integers beyond 32 bits. */
function pushVarint(bytes: number[], value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
}

async function copy(from: FileHandle, { offset, length }: Place, to: FileHandle): Promise<void> {
  for (let done = 0; done < length; ) {
    const part = new Uint8Array(Math.min(COPY_BYTES, length - done));
    const { bytesRead } = await from.read(part, 0, part.length, offset + done);
    if (bytesRead === 0) throw new Error('the tiles that were put aside are gone');
    await to.writeFile(part.subarray(0, bytesRead));
    done += bytesRead;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await file.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}
