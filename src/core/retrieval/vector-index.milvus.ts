import { ConsistencyLevelEnum, DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import * as z from 'zod';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { MILVUS_URL } from './region-manifest.ts';
import {
  type GroupNeighbour,
  type GroupSearchOptions,
  type Neighbour,
  type RowSelection,
  type SearchOptions,
  searchByGroups,
  type VectorIndex,
} from './vector-index.ts';
import {
  checkContent,
  checkGroups,
  checkSearch,
  indexClosed,
  indexInvalid,
  unlessCanceled,
} from './vector-index-checks.ts';
import type { VectorRows } from './vector-rows.ts';

/** What a collection says of itself in its description. */
const AboutSchema = z.object({ width: z.int(), rowCount: z.int(), rowsPerTile: z.int() });
type About = z.infer<typeof AboutSchema>;

const HitsSchema = z.array(z.object({ row: z.coerce.number(), score: z.number() }));

/** Floats of one insert: gRPC messages have a limit. */
const FLOATS_PER_INSERT = 1 << 20;
/** What Milvus finds at most for a query. */
const MAX_LIMIT = 16_384;
/** Neighbouring ordinals are one range of the filter; with more ranges than this a list of rows is shorter. */
const MAX_RANGES = 2_000;
/** Up to here every row is compared; beyond, a graph is walked. */
const FLAT_ROWS = 65_536;
/** Vectors of fewer numbers are filled up with zeros, which change no product. */
const MIN_WIDTH = 2;
const TIMEOUT_MS = 120_000;

export interface MilvusOptions {
  /** Parts of the collection on different machines. */
  readonly shards?: number | undefined;
  /** Copies that searches are spread over. */
  readonly replicas?: number | undefined;
}

/** Whom the server knows. They are never part of an address: that stands in manifests. */
export interface MilvusCredentials {
  /** `user:password`, or a key. */
  readonly token?: string | undefined;
}

interface MilvusPlace {
  /** `host:port` */
  readonly address: string;
  readonly tls: boolean;
  /** The server's own default where none is named. */
  readonly database: string | undefined;
  readonly collection: string;
}

/** `milvus://host:port/collection`, also `milvus+tls:` and `…/database/collection`. Throws INDEX_INVALID. */
export function parseMilvusUrl(url: string): MilvusPlace {
  const { address, tls, database, collection } = MILVUS_URL.exec(url)?.groups ?? {};
  if (address === undefined || collection === undefined) {
    throw indexInvalid(
      `${url.replace(/\/\/[^/]*@/, '//…@')} is no milvus://HOST:PORT/COLLECTION: milvus+tls:// asks for TLS, ` +
        'HOST:PORT/DATABASE/COLLECTION for a database, and credentials go into MILVUS_TOKEN, or MILVUS_USER and MILVUS_PASSWORD.',
    );
  }
  return { address, tls: tls !== undefined, database, collection };
}

/**
 * Loads rows into a new collection: a partition for each orientation, searched alone by queries of known heading. What was loaded
 * before a failure is dropped. Errors: STORE_CONFLICT (the collection exists: a version in use may be searched there), INDEX_INVALID,
 * STORE_FAILED (the server), CANCELED.
 */
export async function writeMilvusIndex(
  url: string,
  rows: VectorRows,
  options: MilvusOptions & {
    readonly rowsPerTile: number;
    readonly credentials?: MilvusCredentials | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<void> {
  const place = parseMilvusUrl(url);
  const { collection } = place;
  const { rowsPerTile, signal, credentials, shards = 1, replicas = 1 } = options;
  const { width, rowCount } = rows;
  checkContent({ width, vectors: new Float32Array(0) });
  const dim = Math.max(MIN_WIDTH, width);
  await withClient(place, credentials, async (client) => {
    const name = { collection_name: collection };
    if ((await told(client.hasCollection(name))).value === true) {
      throw new Geo2Error(
        'STORE_CONFLICT',
        `${url} exists already, and a version in use may be searched there: name another collection for each version.`,
        { data: { url } },
      );
    }
    try {
      await load(client);
    } catch (error) {
      await client.dropCollection(name).catch(() => {}); // the first error is the one to tell
      throw error;
    }
  });

  async function load(client: MilvusClient): Promise<void> {
    const name = { collection_name: collection };
    await told(
      client.createCollection({
        ...name,
        shards_num: shards,
        description: JSON.stringify({ width, rowCount, rowsPerTile } satisfies About),
        fields: [
          { name: 'row', data_type: DataType.Int64, is_primary_key: true, autoID: false },
          { name: 'vector', data_type: DataType.FloatVector, dim },
        ],
      }),
    );
    for (let r = 0; r < rowsPerTile; r++)
      await told(client.createPartition({ ...name, partition_name: partitionOf(r) }));
    await insert(client, collection, rows, { rowsPerTile, dim, signal });
    await told(client.flushSync({ collection_names: [collection] }));
    const index =
      rowCount <= FLAT_ROWS
        ? { index_type: 'FLAT', params: {} }
        : { index_type: 'HNSW', params: { M: 32, efConstruction: 256 } };
    await told(client.createIndex({ ...name, field_name: 'vector', metric_type: 'IP', ...index }));
    await told(client.loadCollectionSync({ ...name, replica_number: replicas, timeout: TIMEOUT_MS }));
  }
}

async function insert(
  client: MilvusClient,
  collection: string,
  { width, rowCount, read }: VectorRows,
  { rowsPerTile, dim, signal }: { rowsPerTile: number; dim: number; signal: AbortSignal | undefined },
): Promise<void> {
  const waiting = Array.from({ length: rowsPerTile }, (): { row: number; vector: number[] }[] => []);
  const perInsert = Math.max(1, Math.floor(FLOATS_PER_INSERT / dim));
  const send = async (orientation: number): Promise<void> => {
    const data = waiting[orientation]?.splice(0) ?? [];
    if (data.length === 0) return;
    const where = { collection_name: collection, partition_name: partitionOf(orientation) };
    await told(client.insert({ ...where, data }));
  };
  let row = 0;
  for await (const piece of read()) {
    throwIfCanceled(signal);
    checkContent({ width, vectors: piece });
    for (let at = 0; at < piece.length; at += width, row++) {
      const orientation = row % rowsPerTile;
      waiting[orientation]?.push({ row, vector: filledUp(piece.subarray(at, at + width), dim) });
      if ((waiting[orientation]?.length ?? 0) >= perInsert) await send(orientation);
    }
  }
  for (let r = 0; r < rowsPerTile; r++) await send(r);
  if (row !== rowCount) throw indexInvalid(`There are ${row} vectors; ${rowCount} were announced.`);
}

/** A collection that is searched where it lies. Errors: FILE_MISSING (no such collection), INDEX_INVALID, STORE_FAILED. */
export async function openMilvusIndex(
  url: string,
  { credentials }: { readonly credentials?: MilvusCredentials | undefined } = {},
): Promise<VectorIndex> {
  const place = parseMilvusUrl(url);
  const { collection } = place;
  const client = await connect(place, credentials);
  const about = await describe(client, collection, url).catch(async (error: unknown) => {
    await client.closeConnection();
    throw error;
  });
  const { width, rowCount } = about;
  const dim = Math.max(MIN_WIDTH, width);
  const running = new Set<Promise<unknown>>();
  let closed = false;

  /** The `limit` nearest rows; whether there may be more as near as the last one. */
  async function nearest(query: number[], limit: number, rows: RowSelection | undefined): Promise<Neighbour[]> {
    const where = filterOf(rows, about);
    if (where === undefined) return [];
    const asked = Math.min(MAX_LIMIT, Math.max(1, limit));
    const found = await told(
      client.search({
        collection_name: collection,
        data: [query],
        limit: asked,
        metric_type: 'IP',
        params: { ef: Math.min(32_768, Math.max(512, asked)) },
        output_fields: ['row'],
        ...where,
      }),
    );
    const hits = HitsSchema.parse(found.results.flat());
    return hits.map(({ row, score }) => ({ row, similarity: score })).sort(bySimilarity);
  }

  /** The k best with ties by row: asks for more until the last one is not as near as the k-th. */
  async function exactly(query: Float32Array, k: number, rows: RowSelection | undefined): Promise<Neighbour[]> {
    const numbers = filledUp(query, dim);
    for (let limit = Math.min(MAX_LIMIT, rowCount, k + 1); ; limit = Math.min(MAX_LIMIT, rowCount, limit * 2)) {
      const found = await nearest(numbers, limit, rows);
      const isCut = found[k - 1]?.similarity === found.at(-1)?.similarity && found.length === limit;
      if (!isCut || limit >= Math.min(MAX_LIMIT, rowCount)) return found.slice(0, k);
    }
  }

  async function searchGroups(
    queries: readonly Float32Array[],
    { k, rows, rowsPerGroup, signal }: GroupSearchOptions,
  ): Promise<GroupNeighbour[]> {
    if (closed) throw indexClosed();
    for (const query of queries) checkSearch({ width }, query, { k, rows } satisfies SearchOptions);
    checkGroups(rowsPerGroup);
    throwIfCanceled(signal);
    if (rowCount === 0) return [];
    const copies = queries.map((query) => Float32Array.from(query));
    const perQuery = Math.min(MAX_LIMIT, k * rowsPerGroup);
    const work = Promise.all(copies.map((query) => exactly(query, perQuery, rows)));
    running.add(work);
    const settle = (): void => void running.delete(work);
    work.then(settle, settle);
    const found = await unlessCanceled(work, signal);
    const pairs = found.flatMap((neighbours, query) => neighbours.map((neighbour) => ({ ...neighbour, query })));
    const groups = new Set<number>();
    return pairs
      .sort((a, b) => bySimilarity(a, b) || a.query - b.query)
      .filter(({ row }) => {
        const group = Math.floor(row / rowsPerGroup);
        return !groups.has(group) && groups.add(group);
      })
      .slice(0, k);
  }

  return {
    width,
    rowCount,
    search: searchByGroups(searchGroups),
    searchGroups,
    async close() {
      if (closed) return;
      closed = true;
      await Promise.allSettled(running);
      await client.closeConnection();
    },
  };
}

/** A partition and a filter of rows; undefined when no row is selected. */
function filterOf(
  rows: RowSelection | undefined,
  { rowsPerTile, rowCount }: About,
): { partition_names?: string[]; filter?: string } | undefined {
  if (rows === undefined) return {};
  const { tiles, orientation } = rows;
  const parts: string[] = [];
  if (tiles !== undefined) {
    const ranges = rangesOf(tiles, rows.rowsPerTile, rowCount);
    if (ranges.length === 0) return undefined;
    parts.push(`(${expressionOf(ranges)})`);
  }
  if (orientation === undefined) return parts.length === 0 ? {} : { filter: parts.join(' && ') };
  if (rows.rowsPerTile === rowsPerTile) {
    const partition_names = [partitionOf(orientation)];
    return parts.length === 0 ? { partition_names } : { partition_names, filter: parts.join(' && ') };
  }
  parts.push(`row % ${rows.rowsPerTile} == ${orientation}`);
  return { filter: parts.join(' && ') };
}

/** The rows of the tiles that there are, as ranges without gaps; `end` is not in them. */
function rangesOf(tiles: Int32Array, rowsPerTile: number, rowCount: number): { start: number; end: number }[] {
  const ranges: { start: number; end: number }[] = [];
  for (const tile of [...new Set(tiles)].sort((a, b) => a - b)) {
    const start = tile * rowsPerTile;
    if (tile < 0 || start >= rowCount) continue;
    const end = Math.min(rowCount, start + rowsPerTile);
    const last = ranges.at(-1);
    if (last?.end === start) last.end = end;
    else ranges.push({ start, end });
  }
  return ranges;
}

function expressionOf(ranges: readonly { start: number; end: number }[]): string {
  if (ranges.length <= MAX_RANGES) {
    return ranges.map(({ start, end }) => `(row >= ${start} && row < ${end})`).join(' || ');
  }
  const rows = ranges.flatMap(({ start, end }) => Array.from({ length: end - start }, (_, i) => start + i));
  return `row in [${rows.join(',')}]`;
}

function bySimilarity(a: Neighbour, b: Neighbour): number {
  return b.similarity - a.similarity || a.row - b.row;
}

function filledUp(vector: Float32Array, dim: number): number[] {
  return Array.from({ length: dim }, (_, i) => vector[i] ?? 0);
}

function partitionOf(orientation: number): string {
  return `orientation_${orientation}`;
}

async function describe(client: MilvusClient, collection: string, url: string): Promise<About> {
  const name = { collection_name: collection };
  const { value } = await told(client.hasCollection(name));
  if (value !== true) {
    const message = `There is no collection ${url}: load it with geo2 region build --index, or correct the address.`;
    throw new Geo2Error('FILE_MISSING', message, { data: { file: url } });
  }
  const { schema } = await told(client.describeCollection(name));
  const parsed = AboutSchema.safeParse(parseJson(schema.description ?? ''));
  const types = new Map(schema.fields.map((field) => [field.name, field.data_type]));
  if (!parsed.success || types.get('row') !== 'Int64' || types.get('vector') !== 'FloatVector') {
    throw indexInvalid(`${url} was not loaded by geo2: load another collection with geo2 region build --index.`);
  }
  const about = parsed.data;
  const dim = Number(schema.fields.find((field) => field.name === 'vector')?.dim);
  if (dim !== Math.max(MIN_WIDTH, about.width)) {
    throw indexInvalid(`${url} holds vectors of ${dim} numbers; its description says ${about.width}.${LOAD_AGAIN}`);
  }
  const { state } = await told(client.getLoadState(name));
  if (state !== 'LoadStateLoaded') {
    throw failed(
      `${url} is not in the memory of the server (${state}): load the collection there, or wait until it is`,
    );
  }
  const counted = await told(
    client.query({ ...name, expr: '', output_fields: ['count(*)'], consistency_level: ConsistencyLevelEnum.Strong }),
  );
  const rows = Number(counted.data[0]?.['count(*)']);
  if (rows === about.rowCount) return about;
  throw indexInvalid(`${url} holds ${rows} rows; its description says ${about.rowCount}.${LOAD_AGAIN}`);
}

const LOAD_AGAIN = ' Load another collection with geo2 region build --index.';

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function withClient<T>(
  place: MilvusPlace,
  credentials: MilvusCredentials | undefined,
  work: (client: MilvusClient) => Promise<T>,
): Promise<T> {
  const client = await connect(place, credentials);
  try {
    return await work(client);
  } finally {
    await client.closeConnection();
  }
}

async function connect(
  { address, tls, database }: MilvusPlace,
  { token }: MilvusCredentials = {},
): Promise<MilvusClient> {
  const client = new MilvusClient({
    address,
    ssl: tls,
    ...(token === undefined ? {} : { token }),
    ...(database === undefined ? {} : { database }),
    timeout: TIMEOUT_MS,
    maxRetries: 3,
    logLevel: 'error',
  });
  try {
    await client.connectPromise;
    return client;
  } catch (cause) {
    await client.closeConnection();
    if (grpcCodeOf(cause) === UNAUTHENTICATED) throw faultOf(cause);
    const other = tls ? 'or it does not speak TLS: then it is milvus://' : 'or it speaks TLS: then it is milvus+tls://';
    throw failed(`${address} cannot be reached: start Milvus there, or correct the address (${other})`, cause);
  }
}

/** Milvus tells some errors in its answers, others by throwing. */
async function told<T>(work: Promise<T>): Promise<T> {
  let answer: T;
  try {
    answer = await work;
  } catch (cause) {
    throw faultOf(cause);
  }
  const status = StatusSchema.safeParse(answer);
  const { error_code: code, reason } = status.data?.status ?? status.data ?? {};
  if (code === undefined || code === 'Success' || code === 0) return answer;
  throw failed(`${code}: ${reason ?? ''}`);
}

const CodeSchema = z.looseObject({
  error_code: z.union([z.string(), z.number()]).optional(),
  reason: z.string().optional(),
});
const StatusSchema = CodeSchema.extend({ status: CodeSchema.optional() });

/** Status codes of gRPC. */
const UNAUTHENTICATED = 16;
const PERMISSION_DENIED = 7;

function grpcCodeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}

function faultOf(cause: unknown): Geo2Error {
  const said = cause instanceof Error ? cause.message : String(cause);
  const code = grpcCodeOf(cause);
  if (code !== UNAUTHENTICATED && code !== PERMISSION_DENIED) return failed(said, cause);
  return failed(
    `${said}: set MILVUS_TOKEN, or MILVUS_USER and MILVUS_PASSWORD, to those of one who may do this`,
    cause,
  );
}

function failed(why: string, cause?: unknown): Geo2Error {
  return new Geo2Error('STORE_FAILED', `Milvus: ${why}.`, { cause });
}
