import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { zxyToTileId } from 'pmtiles';
import type { Bounds } from '../geo/bounds.ts';
import { centreOf } from '../geo/bounds.ts';
import type { MapTile } from '../geo/web-mercator.ts';

/** Encoded tiles of an archive, in any order. */
export type ArchivedTile = MapTile & { readonly bytes: Uint8Array };

export interface ArchiveOptions {
  readonly bounds: Bounds;
  readonly tileType: 'webp' | 'jpeg';
  readonly metadata: Readonly<Record<string, unknown>>;
}

interface Entry {
  readonly tileId: number;
  readonly offset: number;
  readonly length: number;
  runLength: number;
}

const HEADER_BYTES = 127;
/** Header and root directory are read at once: the specification's 16 KiB. */
const ROOT_BYTES = 16_384 - HEADER_BYTES;
const GZIP = 2;
const NOT_COMPRESSED = 1;
const TILE_TYPES = { jpeg: 3, webp: 4 } as const;

/** A PMTiles v3 archive: tiles along the Hilbert curve, each content stored once, directories split when the root is full. */
export function pmtilesArchive(
  tiles: readonly ArchivedTile[],
  { bounds, tileType, metadata }: ArchiveOptions,
): Uint8Array {
  const ordered = tiles
    .map((tile) => ({ tileId: zxyToTileId(tile.z, tile.x, tile.y), bytes: tile.bytes }))
    .sort((a, b) => a.tileId - b.tileId);
  const { entries, contents } = withoutRepeats(ordered);
  const { root, leaves } = directories(entries);
  const json = gzipSync(JSON.stringify(metadata));
  const data = concat(contents);

  const zooms = tiles.map(({ z }) => z);
  const [minZoom, maxZoom] = [zooms.reduce((a, b) => Math.min(a, b), 24), zooms.reduce((a, b) => Math.max(a, b), 0)];
  const header = new Uint8Array(HEADER_BYTES);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode('PMTiles'));
  header[7] = 3;
  let at = HEADER_BYTES;
  let field = 8;
  for (const part of [root, json, leaves, data]) {
    view.setBigUint64(field, BigInt(at), true);
    view.setBigUint64(field + 8, BigInt(part.length), true);
    at += part.length;
    field += 16;
  }
  for (const count of [ordered.length, entries.length, contents.length]) {
    view.setBigUint64(field, BigInt(count), true);
    field += 8;
  }
  header.set([1, GZIP, NOT_COMPRESSED, TILE_TYPES[tileType], minZoom, maxZoom], field);
  const [lon, lat] = centreOf(bounds);
  const e7 = (angle: number): number => Math.round(angle * 1e7);
  for (const [i, angle] of [bounds.west, bounds.south, bounds.east, bounds.north].entries()) {
    view.setInt32(102 + i * 4, e7(angle), true);
  }
  header[118] = maxZoom;
  view.setInt32(119, e7(lon), true);
  view.setInt32(123, e7(lat), true);
  return concat([header, root, json, leaves, data]);
}

/** Equal contents are stored once; neighbours on the curve with equal content share an entry. */
function withoutRepeats(ordered: readonly { tileId: number; bytes: Uint8Array }[]): {
  entries: Entry[];
  contents: Uint8Array[];
} {
  const places = new Map<string, { offset: number; length: number }>();
  const entries: Entry[] = [];
  const contents: Uint8Array[] = [];
  let end = 0;
  for (const { tileId, bytes } of ordered) {
    const hash = createHash('sha256').update(bytes).digest('hex');
    let place = places.get(hash);
    if (place === undefined) {
      place = { offset: end, length: bytes.length };
      places.set(hash, place);
      contents.push(bytes);
      end += bytes.length;
    }
    const last = entries.at(-1);
    if (last !== undefined && last.offset === place.offset && tileId === last.tileId + last.runLength) last.runLength++;
    else entries.push({ tileId, ...place, runLength: 1 });
  }
  return { entries, contents };
}

/** One root, or a root of leaves, whose size doubles until the root fits. */
function directories(entries: readonly Entry[]): { root: Uint8Array; leaves: Uint8Array } {
  const whole = serialize(entries);
  if (whole.length <= ROOT_BYTES) return { root: whole, leaves: new Uint8Array() };
  for (let size = 4096; ; size *= 2) {
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
    if (root.length <= ROOT_BYTES) return { root, leaves: concat(leaves) };
  }
}

function serialize(entries: readonly Entry[]): Uint8Array {
  const numbers = [entries.length];
  let last = 0;
  for (const { tileId } of entries) {
    numbers.push(tileId - last);
    last = tileId;
  }
  for (const { runLength } of entries) numbers.push(runLength);
  for (const { length } of entries) numbers.push(length);
  for (const [i, { offset }] of entries.entries()) {
    const before = entries[i - 1];
    // 0 stands for "right behind the one before"
    numbers.push(before !== undefined && offset === before.offset + before.length ? 0 : offset + 1);
  }
  return gzipSync(Uint8Array.from(numbers.flatMap(varint)));
}

/** Seven bits a byte, low ones first; exact for integers beyond 32 bits. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return bytes;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
