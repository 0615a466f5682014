import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** What native/faiss/src/addon.cc exports; `index.ts` is the public face of it. */
export interface Binding {
  readonly NativeIndex: NativeIndexStatic;
  readonly faissVersion: string;
}

export interface NativeIndexStatic {
  flat(dims: number, metric: number): NativeIndex;
  factory(dims: number, descriptor: string, metric: number): NativeIndex;
  read(path: string, mmap: boolean): Promise<NativeIndex>;
  fromBuffer(bytes: Uint8Array): Promise<NativeIndex>;
}

export interface NativeIndex {
  add(vectors: Float32Array): Promise<void>;
  train(vectors: Float32Array): Promise<void>;
  search(
    queries: Float32Array,
    k: number,
    options: object,
  ): Promise<{ k: number; distances: Float32Array; labels: Float64Array }>;
  searchGroups(
    queries: Float32Array,
    k: number,
    options: object,
    rowsPerGroup: number,
  ): Promise<{ distances: Float32Array; labels: Float64Array; queries: Int32Array }>;
  write(path: string): Promise<void>;
  toBuffer(): Promise<Buffer>;
  mergeFrom(other: NativeIndex): Promise<void>;
  removeIds(ids: Int32Array | Float64Array): Promise<number>;
  reconstruct(row: number): Promise<Float32Array>;
  transform(vectors: Float32Array): Promise<Float32Array>;
  dispose(): Promise<void>;
  describe(): {
    dimension: number;
    total: number;
    trained: boolean;
    metric: 0 | 1;
    mapped: boolean;
    lists: number;
    probes: number;
  };
}

const BUILT = fileURLToPath(new URL('./build/Release/faiss.node', import.meta.url));

let path = BUILT;
let loaded: Binding | undefined;

/** Makes the first use load another build of the binding, such as one with a sanitizer or of a newer FAISS. */
export function useBuild(addonPath: string): void {
  if (loaded !== undefined && addonPath !== path) throw new Error(`The FAISS binding was already loaded from ${path}.`);
  path = addonPath;
}

/** Whether there is a binding to load; where there is none, use an exact index without FAISS. */
export function isBuilt(): boolean {
  return existsSync(path);
}

/** The binding, loaded at the first call. Throws ERR_FAISS_NOT_BUILT. */
export function binding(): Binding {
  if (loaded !== undefined) return loaded;
  if (!isBuilt()) throw notBuilt('it was not built', undefined);
  let exported: unknown;
  try {
    exported = createRequire(import.meta.url)(path);
  } catch (cause) {
    throw notBuilt(cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (!isBinding(exported)) throw notBuilt(`${path} is another module`, undefined);
  loaded = exported;
  return loaded;
}

function isBinding(value: unknown): value is Binding {
  return (
    typeof value === 'object' && value !== null && 'NativeIndex' in value && typeof value.NativeIndex === 'function'
  );
}

function notBuilt(reason: string, cause: unknown): Error {
  const error = new Error(`The FAISS binding cannot be loaded (${reason}): run native/faiss/build.sh.`, { cause });
  return Object.assign(error, { code: 'ERR_FAISS_NOT_BUILT' });
}
