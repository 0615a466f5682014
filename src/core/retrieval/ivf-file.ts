import { type FileHandle, open } from 'node:fs/promises';
import { indexInvalid } from './vector-index-checks.ts';
import { writeFloats, writeWhole } from './vector-index-file.ts';
import type { VectorRows } from './vector-rows.ts';

/**
 * FAISS's file of an IndexPreTransform over an IndexIVFFlat, little-endian. "IxPT" has the header of a flat index up to its metric, then
 * the number of transforms i32, the transforms, and the index behind them: "IwFl", the same header, nlist u64, nprobe u64, the centres
 * as a flat index, the map of rows (kind u8: 1 is an array; its length u64; for each row its list and its place in it as
 * list << 32 | place, i64), then "ilar": nlist u64, bytes of a row u64, "full", how many sizes u64, the sizes u64, and list by list its
 * rows and their labels i64. Source: FAISS 1.7.3, impl/index_write.cpp.
 */
const TOTAL_AT = 8;
const NPROBE_AT = 45;
const HEADER_BYTES = 53;
const FLAT_HEADER_BYTES = 45;
const EMPTY_MAP_BYTES = 9;
const MAP_IS_ARRAY = 1;
/** Rows of lists that are written at one time; each time all rows are read. */
const BUFFER_BYTES = 1 << 28;
/** Entries of the map that are written at one time. */
const MAP_STEP = 1 << 20;

/** The centres of an inverted file's lists, row by row. */
export function readCentres(file: Uint8Array, { nlist, width }: { nlist: number; width: number }): Float32Array {
  const start = HEADER_BYTES + FLAT_HEADER_BYTES;
  return new Float32Array(Uint8Array.from(file.subarray(start, start + nlist * width * 4)).buffer);
}

/** Sets how many lists a search visits, in a file of `writeIvfRows` that nobody has open yet. */
export async function writeNprobe(path: string, { transform, nprobe }: { transform: Uint8Array; nprobe: number }) {
  const handle = await open(path, 'r+');
  try {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(nprobe), true);
    await handle.write(bytes, 0, 8, transformBytes(transform) + NPROBE_AT);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export interface IvfContent {
  /** The file of a trained flat index without rows behind the transforms that made `rows`. */
  readonly transform: Uint8Array;
  /** The file of a trained index of the lists, without rows. */
  readonly empty: Uint8Array;
  readonly nlist: number;
  /** The list of every row. */
  readonly lists: Int32Array;
  readonly rows: VectorRows;
}

/** Writes an inverted file whose rows never are in memory together. INDEX_INVALID, STORE_FAILED. */
export async function writeIvfRows(path: string, { transform, empty, nlist, lists, rows }: IvfContent): Promise<void> {
  const rowBytes = rows.width * 4;
  const centresEnd = HEADER_BYTES + FLAT_HEADER_BYTES + nlist * rowBytes;
  const mapEnd = centresEnd + EMPTY_MAP_BYTES;
  if (new TextDecoder('latin1').decode(empty.subarray(mapEnd, mapEnd + 4)) !== 'ilar') {
    throw indexInvalid('This FAISS writes inverted files in another form than 1.7.');
  }
  const sizes = new Int32Array(nlist);
  for (const list of lists) sizes[list] = (sizes[list] ?? 0) + 1;
  await writeWhole(path, async (handle) => {
    await handle.write(withTotal(transform.subarray(0, transformBytes(transform)), rows.rowCount));
    await handle.write(withTotal(empty.subarray(0, centresEnd), rows.rowCount));
    await writeMap(handle, lists, nlist);
    await handle.write(directoryOf(sizes, rowBytes));
    for (let first = 0; first < nlist; ) {
      let [last, bytes] = [first, 0];
      while (last < nlist && (last === first || bytes + (sizes[last] ?? 0) * rowBytes <= BUFFER_BYTES)) {
        bytes += (sizes[last] ?? 0) * rowBytes;
        last++;
      }
      await writeLists(handle, { first, last, sizes, lists, rows });
      first = last;
    }
  });
}

/** Of the transforms, without the flat index behind them. */
function transformBytes(transform: Uint8Array): number {
  return transform.length - FLAT_HEADER_BYTES;
}

function withTotal(bytes: Uint8Array, rowCount: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  new DataView(copy.buffer).setBigInt64(TOTAL_AT, BigInt(rowCount), true);
  return copy;
}

async function writeMap(handle: FileHandle, lists: Int32Array, nlist: number): Promise<void> {
  const start = new DataView(new ArrayBuffer(9));
  start.setUint8(0, MAP_IS_ARRAY);
  start.setBigUint64(1, BigInt(lists.length), true);
  await handle.write(new Uint8Array(start.buffer));
  const filled = new Int32Array(nlist);
  for (let from = 0; from < lists.length; from += MAP_STEP) {
    const words = new Int32Array(2 * Math.min(MAP_STEP, lists.length - from)); // place, then list: little-endian
    for (let i = 0; 2 * i < words.length; i++) {
      const list = lists[from + i] ?? 0;
      words[2 * i] = filled[list] ?? 0;
      words[2 * i + 1] = list;
      filled[list] = (filled[list] ?? 0) + 1;
    }
    await handle.write(new Uint8Array(words.buffer));
  }
}

function directoryOf(sizes: Int32Array, rowBytes: number): Uint8Array {
  const bytes = new Uint8Array(4 + 8 + 8 + 4 + 8 + sizes.length * 8);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode('ilar'));
  view.setBigUint64(4, BigInt(sizes.length), true);
  view.setBigUint64(12, BigInt(rowBytes), true);
  bytes.set(new TextEncoder().encode('full'), 20);
  view.setBigUint64(24, BigInt(sizes.length), true);
  for (const [i, size] of sizes.entries()) view.setBigUint64(32 + i * 8, BigInt(size), true);
  return bytes;
}

interface ListRange extends Pick<IvfContent, 'lists' | 'rows'> {
  readonly first: number;
  /** Not in it. */
  readonly last: number;
  readonly sizes: Int32Array;
}

async function writeLists(handle: FileHandle, { first, last, sizes, lists, rows }: ListRange): Promise<void> {
  const { width } = rows;
  const vectors = Array.from({ length: last - first }, (_, i) => new Float32Array((sizes[first + i] ?? 0) * width));
  const labels = Array.from({ length: last - first }, (_, i) => new BigInt64Array(sizes[first + i] ?? 0));
  const filled = new Int32Array(last - first);
  let row = 0;
  for await (const piece of rows.read()) {
    for (let at = 0; at < piece.length; at += width) {
      const list = (lists[row] ?? -1) - first;
      const place = filled[list];
      if (place !== undefined) {
        vectors[list]?.set(piece.subarray(at, at + width), place * width);
        labels[list]?.fill(BigInt(row), place, place + 1);
        filled[list] = place + 1;
      }
      row++;
    }
  }
  for (const [i, of] of vectors.entries()) {
    if (of.length === 0) continue;
    await writeFloats(handle, of);
    const { buffer, byteLength } = labels[i] ?? new BigInt64Array(0);
    await handle.write(new Uint8Array(buffer, 0, byteLength));
  }
}
