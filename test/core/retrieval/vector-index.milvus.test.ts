import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { setDefaultCACertificates } from 'node:tls';
import { DataType, MilvusClient } from '@zilliz/milvus2-sdk-node';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openFaissIndex } from '#core/retrieval/vector-index.faiss.ts';
import { openMilvusIndex, parseMilvusUrl, writeMilvusIndex } from '#core/retrieval/vector-index.milvus.ts';
import { readFlatIndex } from '#core/retrieval/vector-index-file.ts';
import { rowsInMemory } from '#core/retrieval/vector-rows.ts';
import { PROGRAM_DIR } from '../../../src/config.ts';
import { vectorIndexContract } from '../../contract/vector-index.ts';
import { hasMilvus, MILVUS_ROOT, type MilvusServer, startMilvus } from '../../milvus.ts';

// gRPC reads it when it is loaded, and then asks Node for no certificates
vi.hoisted(() => {
  delete process.env.GRPC_DEFAULT_SSL_ROOTS_FILE_PATH;
});

const DEMO = join(PROGRAM_DIR, 'demo/store/regions/null-island-demo/seed-77/index.faiss');
const HEADINGS = 8;

/** With TLS, credentials and a database of its own; test/cli/region-milvus.test.ts has a server without. */
describe.runIf(hasMilvus())('Milvus', { timeout: 300_000 }, () => {
  const known = { credentials: { token: MILVUS_ROOT } };
  let server: MilvusServer | undefined;
  let client: MilvusClient;
  beforeAll(async () => {
    server = await startMilvus({ guarded: true });
    setDefaultCACertificates([server.certificate ?? '']);
    client = new MilvusClient({ address: server.address, ssl: true, token: MILVUS_ROOT });
    await client.createDatabase({ db_name: 'maps' });
    await client.useDatabase({ db_name: 'maps' });
  }, 600_000);
  afterAll(async () => {
    await client?.closeConnection();
    await server?.stop();
  }, 60_000);

  /** A collection of its own for each path. */
  const urlOf = (path: string): string => {
    const name = createHash('sha256').update(path).digest('hex').slice(0, 24);
    return `milvus+tls://${server?.address}/maps/test_${name}`;
  };

  vectorIndexContract({
    open: (path) => openMilvusIndex(urlOf(path), known),
    write: (path, content) => writeMilvusIndex(urlOf(path), rowsInMemory(content), { rowsPerTile: 4, ...known }),
    cases: 5,
  });

  test('finds the same ten rows of the demo region as FAISS, for any heading, one, and part of the tiles', async () => {
    const content = await readFlatIndex(DEMO);
    const url = urlOf('demo');
    await writeMilvusIndex(url, rowsInMemory(content), { rowsPerTile: HEADINGS, ...known });
    const [milvus, faiss] = [await openMilvusIndex(url, known), await openFaissIndex(DEMO)];
    const tiles = Int32Array.from({ length: 200 }, (_, i) => 300 + i);
    let [same, asked] = [0, 0];
    for (let query = 0; query < 60; query++) {
      // between two rows, as a photo is: nearest to none
      const [a, b] = [query * 97, query * 131 + 40].map((row) => content.vectors.subarray(row * 256, (row + 1) * 256));
      const vector = Float32Array.from(a ?? [], (value, i) => (value + 0.8 * (b?.[i] ?? 0)) / 1.8);
      for (const rows of [undefined, { rowsPerTile: HEADINGS, orientation: 3 }, { rowsPerTile: HEADINGS, tiles }]) {
        const [found, expected] = await Promise.all(
          [milvus, faiss].map((index) => index.search(vector, { k: 10, rows })),
        );
        const wanted = new Set(expected?.map(({ row }) => row));
        asked++;
        if (found?.length === wanted.size && found.every(({ row }) => wanted.has(row))) same++;
      }
    }
    expect(same / asked).toBeGreaterThanOrEqual(0.99);
    await Promise.all([milvus.close(), faiss.close()]);
  });

  test('does not write over a collection that a version in use may be searched in', async () => {
    const url = urlOf('in use');
    await writeMilvusIndex(url, rowsInMemory({ width: 2, vectors: Float32Array.of(1, 0, 0, 1) }), {
      rowsPerTile: 1,
      ...known,
    });
    const other = rowsInMemory({ width: 2, vectors: Float32Array.of(0, 1, 1, 0) });
    await expect(writeMilvusIndex(url, other, { rowsPerTile: 1, ...known })).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      message: expect.stringContaining('another collection for each version'),
    });
    const index = await openMilvusIndex(url, known);
    expect(await index.search(Float32Array.of(1, 0), { k: 1 })).toMatchObject([{ row: 0 }]);
    await index.close();
  });

  test('says which collection is not there', async () => {
    await expect(openMilvusIndex(urlOf('nowhere'), known)).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringMatching(/no collection milvus.*\/maps\/test_.*load it with geo2 region build --index/),
    });
  });

  test.each([
    ['of nobody', undefined],
    ['of somebody else', { token: 'root:guessed' }],
  ])('tells that credentials are %s, without repeating them', async (_name, credentials) => {
    const opened = openMilvusIndex(urlOf('demo'), { credentials });
    await expect(opened).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/UNAUTHENTICATED.*set MILVUS_TOKEN, or MILVUS_USER and MILVUS_PASSWORD/),
    });
    await expect(opened).rejects.not.toThrow('guessed');
  });

  test('says that it is not spoken to in TLS', async () => {
    const plain = `milvus://${server?.address}/maps/any`;
    await expect(openMilvusIndex(plain, known)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/cannot be reached: start Milvus there, or .*milvus\+tls:\/\//),
    });
  });

  test('refuses a collection that another program made', async () => {
    const url = urlOf('another program');
    const { collection } = parseMilvusUrl(url);
    const fields = [
      { name: 'id', data_type: DataType.Int64, is_primary_key: true, autoID: false },
      { name: 'vector', data_type: DataType.FloatVector, dim: 2 },
    ];
    await client.createCollection({ collection_name: collection, fields, description: 'theirs' });
    await expect(openMilvusIndex(url, known)).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringMatching(/was not loaded by geo2: load another collection with geo2 region build --index/),
    });
  });

  test('refuses a collection of another width, one that lost rows, and one that is not in memory', async () => {
    const collectionOf = async (path: string): Promise<[url: string, name: { collection_name: string }]> => {
      const content = { width: 3, vectors: Float32Array.of(1, 0, 0, 0, 1, 0) };
      await writeMilvusIndex(urlOf(path), rowsInMemory(content), { rowsPerTile: 1, ...known });
      return [urlOf(path), { collection_name: parseMilvusUrl(urlOf(path)).collection }];
    };
    const [poor, poorName] = await collectionOf('lost rows');
    await client.delete({ ...poorName, filter: 'row in [1]' });
    await expect(openMilvusIndex(poor, known)).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringMatching(/holds 1 rows; its description says 2\. Load another collection/),
    });
    await client.releaseCollection(poorName);
    await expect(openMilvusIndex(poor, known)).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/is not in the memory of the server .*: load the collection there/),
    });

    const name = { collection_name: parseMilvusUrl(urlOf('narrow')).collection };
    const fields = [
      { name: 'row', data_type: DataType.Int64, is_primary_key: true, autoID: false },
      { name: 'vector', data_type: DataType.FloatVector, dim: 2 },
    ];
    const description = JSON.stringify({ width: 3, rowCount: 2, rowsPerTile: 1 });
    await client.createCollection({ ...name, fields, description });
    await expect(openMilvusIndex(urlOf('narrow'), known)).rejects.toMatchObject({
      code: 'INDEX_INVALID',
      message: expect.stringMatching(/holds vectors of 2 numbers; its description says 3\. Load another collection/),
    });
  });
});

test.each([
  ['milvus://host:1/name', { address: 'host:1', tls: false, database: undefined, collection: 'name' }],
  ['milvus+tls://host:1/maps/name', { address: 'host:1', tls: true, database: 'maps', collection: 'name' }],
])('%s is read', (url, place) => {
  expect(parseMilvusUrl(url)).toEqual(place);
});

test('credentials in an address are refused, with where they go, and not repeated', () => {
  const parsed = () => parseMilvusUrl('milvus://user:secret@host:1/name');
  expect(parsed).toThrow(/MILVUS_TOKEN/);
  expect(parsed).not.toThrow(/secret/);
});

test.each(['milvus://host:1', 'http://host:1/name', 'milvus://host:1/9name', 'milvus://host:1/a/b/c'])(
  '%s is no address of a collection',
  (url) => {
    expect(() => parseMilvusUrl(url)).toThrow(/milvus:\/\/HOST:PORT\/COLLECTION/);
  },
);
