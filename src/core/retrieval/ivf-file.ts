import { type FileHandle, open } from 'node:fs/promises';
import { indexInvalid } from './vector-index-checks.ts';
import { writeFloats, writeWhole } from './vector-index-file.ts';
import type { VectorRows } from './vector-rows.ts';

/**
 * FAISS's file of an IndexIVFFlat, little-endian: "IwFl", the same header as a flat index's up to its metric, nlist u64, nprobe
 * u64, the centres as a flat index, an empty direct map (9 bytes), then "ilar": nlist u64, bytes of a row u64, "full", how many
 * sizes u64, the sizes u64, and list by list its rows and their labels i64. Source: FAISS 1.7.3, impl/index_write.cpp.
 */
const MAGIC = 'IwFl';
const TOTAL_AT = 8;
const NLIST_AT = 37;
const NPROBE_AT = 45;
const HEADER_BYTES = 53;
const FLAT_HEADER_BYTES = 45;
const DIRECT_MAP_BYTES = 9;
/** Rows of lists that are written at one time; each time all rows are read. */
const BUFFER_BYTES = 1 << 28;

export interface IvfFacts {
  readonly nlist: number;
  readonly nprobe: number;
}

/** What an inverted file says of its lists; undefined where a file is of another kind, or cannot be read. */
export async function readIvfFacts(path: string): Promise<IvfFacts | undefined> {
  const handle = await open(path, 'r').catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: new Uint8Array(HEADER_BYTES), position: 0 });
    if (bytesRead < HEADER_BYTES || new TextDecoder('latin1').decode(buffer.subarray(0, 4)) !== MAGIC) return undefined;
    const view = new DataView(buffer.buffer);
    return { nlist: Number(view.getBigUint64(NLIST_AT, true)), nprobe: Number(view.getBigUint64(NPROBE_AT, true)) };
  } finally {
    await handle.close();
  }
}

/** The centres of an inverted file's lists, row by row. */
export function readCentres(file: Uint8Array, { nlist, width }: { nlist: number; width: number }): Float32Array {
  const start = HEADER_BYTES + FLAT_HEADER_BYTES;
  return new Float32Array(Uint8Array.from(file.subarray(start, start + nlist * width * 4)).buffer);
}

/** Sets how many lists a search visits, in a file that nobody has open yet. */
export async function writeNprobe(path: string, nprobe: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(nprobe), true);
    await handle.write(bytes, 0, 8, NPROBE_AT);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export interface IvfContent {
  /** The file of a trained index without rows. */
  readonly empty: Uint8Array;
  readonly nlist: number;
  /** The list of every row. */
  readonly lists: Int32Array;
  readonly rows: VectorRows;
}

/** Writes an inverted file whose rows never are in memory together. INDEX_INVALID, STORE_FAILED. */
export async function writeIvfRows(path: string, { empty, nlist, lists, rows }: IvfContent): Promise<void> {
  const rowBytes = rows.width * 4;
  const prefixBytes = HEADER_BYTES + FLAT_HEADER_BYTES + nlist * rowBytes + DIRECT_MAP_BYTES;
  const prefix = Uint8Array.from(empty.subarray(0, prefixBytes));
  if (new TextDecoder('latin1').decode(empty.subarray(prefixBytes, prefixBytes + 4)) !== 'ilar') {
    throw indexInvalid('This FAISS writes inverted files in another form than 1.7.');
  }
  new DataView(prefix.buffer).setBigInt64(TOTAL_AT, BigInt(rows.rowCount), true);
  const sizes = new Int32Array(nlist);
  for (const list of lists) sizes[list] = (sizes[list] ?? 0) + 1;
  await writeWhole(path, async (handle) => {
    await handle.write(prefix);
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
