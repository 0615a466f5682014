import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { Geo2Error } from '../errors.ts';
import type { IndexFacts } from './region-manifest.ts';
import type { IndexContent } from './vector-index.ts';
import { checkContent, indexInvalid } from './vector-index-checks.ts';
import { rowsInMemory, type VectorRows } from './vector-rows.ts';

/**
 * FAISS's file of an IndexFlatIP, little-endian: "IxFI", width i32, rows i64, two fillers i64, trained u8, metric i32 (0, inner
 * product), floats u64, then the vectors. Source: FAISS 1.7.3, impl/index_write.cpp.
 */
const HEADER_BYTES = 45;
const MAGIC = 'IxFI';
const FILLER = 1n << 20n;
const INNER_PRODUCT = 0;
/** Node reads and writes less than 2 GiB at once. */
const STEP_BYTES = 1 << 28;

/** FILE_MISSING, INDEX_INVALID (another kind of file, or a damaged one), STORE_FAILED. */
export async function readFlatIndex(path: string): Promise<IndexContent> {
  const handle = await open(path, 'r').catch((cause: unknown) => {
    throw fileError(path, 'read', cause);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw new Geo2Error('STORE_FAILED', `${path} is not a regular file.`);
    const header = parseHeader(path, await readHeader(handle), stat.size);
    const vectors = new Float32Array(header.rowCount * header.width);
    await readInto(path, handle, new Uint8Array(vectors.buffer));
    return { width: header.width, vectors };
  } catch (error) {
    throw error instanceof Geo2Error ? error : fileError(path, 'read', error);
  } finally {
    await handle.close();
  }
}

/** Writes beside the path and renames: whole or not at all. INDEX_INVALID, STORE_FAILED. */
export async function writeFlatIndex(path: string, content: IndexContent): Promise<void> {
  checkContent(content);
  await writeFlatRows(path, rowsInMemory(content));
}

/** The same of more rows than fit into memory. */
export async function writeFlatRows(path: string, { width, rowCount, read }: VectorRows): Promise<void> {
  await writeWhole(path, async (handle) => {
    await handle.write(headerOf(width, rowCount));
    let rows = 0;
    for await (const vectors of read()) {
      rows += checkContent({ width, vectors });
      await writeFloats(handle, vectors);
    }
    if (rows !== rowCount) throw indexInvalid(`There are ${rows} vectors; ${rowCount} were announced.`);
  });
}

/** The same as the index of a region: exact, and described by its type alone. */
export async function writeFlatRegionIndex(path: string, rows: VectorRows): Promise<IndexFacts> {
  await writeFlatRows(path, rows);
  return { type: 'IndexFlatIP', parameters: {} };
}

/** Lets `write` fill a file beside the path, then renames it. STORE_FAILED, and what `write` says of the content. */
export async function writeWhole(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const part = `${path}.${randomUUID()}.part`;
  try {
    const handle = await open(part, 'wx');
    try {
      await write(handle);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(part, path);
  } catch (cause) {
    await rm(part, { force: true });
    throw cause instanceof Geo2Error ? cause : fileError(path, 'write', cause);
  }
}

export async function writeFloats(handle: FileHandle, { buffer, byteOffset, byteLength }: Float32Array): Promise<void> {
  const bytes = new Uint8Array(buffer, byteOffset, byteLength);
  for (let at = 0; at < bytes.length; ) {
    at += (await handle.write(bytes.subarray(at, at + STEP_BYTES))).bytesWritten;
  }
}

function headerOf(width: number, rowCount: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES);
  header.set(new TextEncoder().encode(MAGIC));
  const view = new DataView(header.buffer);
  view.setInt32(4, width, true);
  view.setBigInt64(8, BigInt(rowCount), true);
  view.setBigInt64(16, FILLER, true);
  view.setBigInt64(24, FILLER, true);
  view.setUint8(32, 1);
  view.setInt32(33, INNER_PRODUCT, true);
  view.setBigUint64(37, BigInt(rowCount) * BigInt(width), true);
  return header;
}

function parseHeader(path: string, header: Uint8Array, sizeBytes: number): { width: number; rowCount: number } {
  const magic = new TextDecoder('latin1').decode(header.subarray(0, 4));
  if (magic !== MAGIC) throw indexInvalid(`${path} is not a FAISS IndexFlatIP.`);
  if (header.length < HEADER_BYTES) throw indexInvalid(`${path} is cut off.`);
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const width = view.getInt32(4, true);
  const rowCount = view.getBigInt64(8, true);
  if (width < 1 || rowCount < 0n || view.getUint8(32) !== 1 || view.getInt32(33, true) !== INNER_PRODUCT) {
    throw indexInvalid(`${path} is damaged: its header makes no sense.`);
  }
  const floats = view.getBigUint64(37, true);
  if (floats !== rowCount * BigInt(width) || BigInt(sizeBytes) !== BigInt(HEADER_BYTES) + 4n * floats) {
    throw indexInvalid(`${path} is damaged: its length does not fit what it says it holds.`);
  }
  return { width, rowCount: Number(rowCount) };
}

async function readHeader(handle: FileHandle): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read({ buffer: new Uint8Array(HEADER_BYTES), position: 0 });
  return buffer.subarray(0, bytesRead);
}

async function readInto(path: string, handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    const length = Math.min(STEP_BYTES, bytes.length - at);
    const { bytesRead } = await handle.read(bytes, at, length, HEADER_BYTES + at);
    if (bytesRead === 0) throw indexInvalid(`${path} was cut off while it was read.`);
    at += bytesRead;
  }
}

function fileError(path: string, verb: 'read' | 'write', cause: unknown): Geo2Error {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (verb === 'read' && (code === 'ENOENT' || code === 'ENOTDIR')) {
    return new Geo2Error('FILE_MISSING', `There is no file ${path}.`, { cause });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new Geo2Error('STORE_FAILED', `Could not ${verb} ${path}: ${reason}`, { cause });
}
