import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openFaissIndex } from '#core/retrieval/vector-index.faiss.ts';
import { openMilvusIndex, parseMilvusUrl, writeMilvusIndex } from '#core/retrieval/vector-index.milvus.ts';
import { readFlatIndex } from '#core/retrieval/vector-index-file.ts';
import { rowsInMemory } from '#core/retrieval/vector-rows.ts';
import { PROGRAM_DIR } from '../../../src/config.ts';
import { vectorIndexContract } from '../../contract/vector-index.ts';
import { hasMilvus, type MilvusServer, startMilvus } from '../../milvus.ts';

const DEMO = join(PROGRAM_DIR, 'demo/store/regions/null-island-demo/seed-77/index.faiss');
const HEADINGS = 8;

describe.runIf(hasMilvus())('Milvus', { timeout: 300_000 }, () => {
  let server: MilvusServer | undefined;
  beforeAll(async () => {
    server = await startMilvus();
  }, 300_000);
  afterAll(() => server?.stop(), 60_000);

  /** A collection of its own for each path. */
  const urlOf = (path: string): string => {
    const name = createHash('sha256').update(path).digest('hex').slice(0, 24);
    return `milvus://${server?.address}/test_${name}`;
  };

  vectorIndexContract({
    open: (path) => openMilvusIndex(urlOf(path)),
    write: (path, content) => writeMilvusIndex(urlOf(path), rowsInMemory(content), { rowsPerTile: 4 }),
    cases: 5,
  });

  test('finds the same ten rows of the demo region as FAISS, for any heading, one, and part of the tiles', async () => {
    const content = await readFlatIndex(DEMO);
    const url = urlOf('demo');
    await writeMilvusIndex(url, rowsInMemory(content), { rowsPerTile: HEADINGS });
    const [milvus, faiss] = [await openMilvusIndex(url), await openFaissIndex(DEMO)];
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
    await writeMilvusIndex(url, rowsInMemory({ width: 2, vectors: Float32Array.of(1, 0, 0, 1) }), { rowsPerTile: 1 });
    const other = rowsInMemory({ width: 2, vectors: Float32Array.of(0, 1, 1, 0) });
    await expect(writeMilvusIndex(url, other, { rowsPerTile: 1 })).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      message: expect.stringContaining('another collection for each version'),
    });
    const index = await openMilvusIndex(url);
    expect(await index.search(Float32Array.of(1, 0), { k: 1 })).toMatchObject([{ row: 0 }]);
    await index.close();
  });

  test('says which collection is not there', async () => {
    await expect(openMilvusIndex(urlOf('nowhere'))).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringContaining('test_'),
    });
  });
});

test.each(['milvus://host:1', 'http://host:1/name', 'milvus://user:secret@host:1/name', 'milvus://host:1/9name'])(
  '%s is no address of a collection',
  (url) => {
    expect(() => parseMilvusUrl(url)).toThrow(/milvus:\/\/HOST:PORT\/COLLECTION/);
  },
);
