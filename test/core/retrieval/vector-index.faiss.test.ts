import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { openFaissIndex, writeFaissIndex } from '#core/retrieval/vector-index.faiss.ts';
import { Index, MetricType } from '#native/faiss';
import { build } from '../../../native/faiss/test/built.ts';
import { randomVectors } from '../../../native/faiss/test/oracle.ts';
import { vectorIndexContract, vectorIndexFileContract } from '../../contract/vector-index.ts';
import { temporaryFolder } from '../../temporary.ts';

beforeAll(() => {
  build();
}, 300_000);

describe('in memory', () => {
  vectorIndexContract({ open: openFaissIndex, write: writeFaissIndex });
  vectorIndexFileContract({ open: openFaissIndex, write: writeFaissIndex });
});

describe('mapped', () => {
  vectorIndexContract({ open: (path) => openFaissIndex(path, { mmap: true }), write: writeFaissIndex });
  vectorIndexFileContract({ open: (path) => openFaissIndex(path, { mmap: true }), write: writeFaissIndex });
});

describe('beside the exact index', () => {
  test('finds the same rows with the same similarities among random unit vectors', async () => {
    const width = 96;
    const vectors = unitVectors(2_000, width, 1);
    const path = join(await temporaryFolder(), 'index.faiss');
    await writeFaissIndex(path, { width, vectors });
    const [faiss, exact] = await Promise.all([openFaissIndex(path), openExactIndex(path)]);
    const tiles = Int32Array.from({ length: 60 }, (_, i) => (i * 37) % 250);
    for (const rows of [undefined, { rowsPerTile: 8, tiles }, { rowsPerTile: 8, orientation: 3 }]) {
      const query = unitVectors(1, width, 2);
      const [got, expected] = await Promise.all([faiss, exact].map((index) => index.search(query, { k: 25, rows })));
      expect(got?.map(({ row }) => row)).toEqual(expected?.map(({ row }) => row));
      got?.forEach(({ similarity }, i) => {
        expect(similarity).toBeCloseTo(expected?.[i]?.similarity ?? Number.NaN, 6);
      });
    }
    await Promise.all([faiss.close(), exact.close()]);
  });

  test('searches an approximate index of the same port', async () => {
    const width = 16;
    const vectors = unitVectors(600, width, 3);
    const built = Index.fromFactory(width, 'HNSW16', MetricType.METRIC_INNER_PRODUCT);
    await built.add(vectors);
    const path = join(await temporaryFolder(), 'index.faiss');
    await built.write(path);
    const index = await openFaissIndex(path);
    const found = await index.search(vectors.subarray(160, 176), { k: 5, rows: { rowsPerTile: 2, orientation: 0 } });
    expect(found[0]?.row).toBe(10);
    expect(found.every(({ row }) => row % 2 === 0)).toBe(true);
    await index.close();
  });
});

function unitVectors(rows: number, width: number, seed: number): Float32Array {
  const vectors = randomVectors(rows, width, seed);
  for (let row = 0; row < rows; row++) {
    const vector = vectors.subarray(row * width, (row + 1) * width);
    const length = Math.hypot(...vector);
    vector.forEach((value, i) => {
      vector[i] = value / length;
    });
  }
  return vectors;
}
