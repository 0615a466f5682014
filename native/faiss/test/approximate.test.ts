import { beforeAll, describe, expect, test } from 'vitest';
import { Index, MetricType, type Rows } from '#native/faiss';
import { build } from './built.ts';
import { isMember, randomVectors, recall, searchExactly } from './oracle.ts';

beforeAll(() => {
  build();
}, 300_000);

const DIMS = 16;
const vectors = randomVectors(2_000, DIMS, 1);
const queries = randomVectors(20, DIMS, 2);

async function filled(descriptor: string, metric: MetricType = MetricType.METRIC_L2): Promise<Index> {
  const index = Index.fromFactory(DIMS, descriptor, metric);
  if (!index.isTrained()) await index.train(vectors);
  await index.add(vectors);
  return index;
}

const selections: Rows[] = [
  { type: 'range', from: 300, to: 900 },
  { type: 'list', rows: Array.from({ length: 500 }, (_, i) => i * 4) },
  { type: 'bitmap', bitmap: new Uint8Array(250).fill(0b10010110) },
  { type: 'stride', every: 3, offset: 1 },
  { type: 'tiles', tiles: Array.from({ length: 100 }, (_, i) => i * 2), rowsPerTile: 8 },
  {
    type: 'all-of',
    parts: [
      { type: 'stride', every: 2 },
      { type: 'range', from: 0, to: 1000 },
    ],
  },
];

describe.each([
  ['squared distance', MetricType.METRIC_L2],
  ['inner product', MetricType.METRIC_INNER_PRODUCT],
])('an inverted file by %s', (_name, metric) => {
  test('that visits all lists finds what exact search finds, in any selection', async () => {
    const index = await filled('IVF20,Flat', metric);
    for (const rows of [undefined, ...selections]) {
      const found = await index.search(queries, 10, { nprobe: 20, rows });
      expect(found.labels, rows?.type).toEqual(
        searchExactly({ dims: DIMS, vectors, metric }, queries, 10, rows).labels,
      );
    }
  });

  test('that visits all lists finds the groups that exact search of every row finds', async () => {
    const index = await filled('IVF20,Flat', metric);
    const exact = Index.fromFactory(DIMS, 'Flat', metric);
    await exact.add(vectors);
    for (const rows of [undefined, ...selections]) {
      // with so many rows asked for, every row of every query competes
      const found = await index.searchGroups(queries, 250, { nprobe: 20, rows, rowsPerGroup: 8 });
      const expected = await exact.searchGroups(queries, 250, { rows, rowsPerGroup: 8 });
      expect([found.labels, found.queries], rows?.type).toEqual([expected.labels, expected.queries]);
    }
  });

  test('finds more, the more lists it visits', async () => {
    const index = await filled('IVF20,Flat', metric);
    const exact = searchExactly({ dims: DIMS, vectors, metric }, queries, 10);
    const recalls: number[] = [];
    for (const nprobe of [1, 4, 20, 100]) recalls.push(recall(await index.search(queries, 10, { nprobe }), exact));
    const [one = 0, few = 0, all = 0, more = 0] = recalls;
    expect(one).toBeLessThan(few);
    expect(few).toBeLessThan(all);
    expect([all, more]).toEqual([1, 1]);
  });
});

describe('an inverted file', () => {
  test('leaves places empty that it found no row for', async () => {
    const index = await filled('IVF20,Flat');
    const found = await index.search(queries.subarray(0, DIMS), 2_000, { nprobe: 1 });
    expect(found.k).toBe(2_000);
    const empty = found.labels.indexOf(-1);
    expect(empty).toBeGreaterThan(0);
    expect(found.labels.subarray(empty).every((label) => label === -1)).toBe(true);
    expect(found.distances.subarray(empty).every((value) => value === Number.POSITIVE_INFINITY)).toBe(true);
    expect(found.distances.subarray(0, empty).every(Number.isFinite)).toBe(true);
  });

  test('must be trained first, with enough vectors', async () => {
    const index = Index.fromFactory(DIMS, 'IVF20,Flat');
    expect(index.isTrained()).toBe(false);
    await expect(index.add(vectors)).rejects.toMatchObject({ code: 'ERR_FAISS_NOT_TRAINED' });
    await expect(index.search(queries, 1)).rejects.toMatchObject({ code: 'ERR_FAISS_NOT_TRAINED' });
    await expect(index.train(vectors.subarray(0, DIMS * 19))).rejects.toMatchObject({
      code: 'ERR_FAISS_INVALID_ARGUMENT',
      message: expect.stringMatching(/lists \(20\).*got 19/),
    });
    await index.train(vectors);
    expect(index.isTrained()).toBe(true);
    expect((await index.search(queries, 3)).k).toBe(0);
    await index.add(vectors);
    await expect(index.train(vectors)).rejects.toMatchObject({ code: 'ERR_FAISS_UNSUPPORTED' });
    expect(index.ntotal()).toBe(2_000);
  });

  test('keeps labels when rows are removed, and never gives one twice', async () => {
    const index = await filled('IVF20,Flat');
    expect(await index.removeIds(Array.from({ length: 1_000 }, (_, i) => i * 2))).toBe(1_000);
    await index.add(vectors.subarray(0, DIMS));
    const buffer = await index.toBuffer();
    const again = await Index.fromBuffer(buffer);
    await again.add(vectors.subarray(DIMS, 2 * DIMS));
    const { labels } = await again.search(queries.subarray(0, DIMS), 2_000, { nprobe: 20 });
    const expected = [...Array.from({ length: 1_000 }, (_, i) => i * 2 + 1), 2_000, 2_001];
    expect(Array.from(labels).sort((a, b) => a - b)).toEqual(expected);
  });

  test('takes the rows of one with the same lists behind its own', async () => {
    const trained = await filled('IVF20,Flat');
    await trained.removeIds(Array.from({ length: 2_000 }, (_, i) => i));
    const template = await trained.toBuffer();
    const [first, second] = await Promise.all([Index.fromBuffer(template), Index.fromBuffer(template)]);
    await Promise.all([first.add(vectors.subarray(0, DIMS * 700)), second.add(vectors.subarray(DIMS * 700))]);
    await first.mergeFrom(second);
    expect([first.ntotal(), second.ntotal()]).toEqual([2_000, 0]);
    const found = await first.search(queries, 10, { nprobe: 20 });
    expect(found.labels).toEqual(
      searchExactly({ dims: DIMS, vectors, metric: MetricType.METRIC_L2 }, queries, 10).labels,
    );
  });
});

describe.each([
  ['squared distance', MetricType.METRIC_L2],
  ['inner product', MetricType.METRIC_INNER_PRODUCT],
])('a graph by %s', (_name, metric) => {
  test('finds more, the more rows it keeps in view', async () => {
    const index = await filled('HNSW8', metric);
    const exact = searchExactly({ dims: DIMS, vectors, metric }, queries, 10);
    const narrow = recall(await index.search(queries, 10, { efSearch: 1 }), exact);
    const wide = recall(await index.search(queries, 10, { efSearch: 400 }), exact);
    expect(wide).toBeGreaterThan(narrow);
    expect(wide).toBe(1);
  });

  test('finds most of a selection and nothing else', async () => {
    const index = await filled('HNSW16', metric);
    for (const rows of selections) {
      const found = await index.search(queries, 10, { efSearch: 400, rows });
      for (const label of found.labels) expect(label === -1 || isMember(rows, label), rows.type).toBe(true);
      const exact = searchExactly({ dims: DIMS, vectors, metric }, queries, 10, rows);
      expect(recall(found, exact), rows.type).toBeGreaterThan(0.98);
    }
  });
});

describe('other kinds', () => {
  test.each(['PCA8,Flat', 'SQ8', 'IVF20,SQ8', 'PCA8,IVF20,Flat', 'IVF20,PQ4np', 'PQ4np', 'HNSW8,SQ8'])(
    '%s finds a vector among its own nearest',
    async (descriptor) => {
      const index = await filled(descriptor);
      const found = await index.search(vectors.subarray(0, DIMS * 30), 20);
      let hits = 0;
      for (let q = 0; q < 30; q++) if (found.labels.subarray(q * 20, (q + 1) * 20).includes(q)) hits += 1;
      expect(hits).toBeGreaterThan(20);
    },
  );

  test.each(['PCA8,Flat', 'SQ8', 'PCA8,IVF20,Flat', 'IVF20,PQ4np', 'HNSW8,SQ8'])(
    '%s searches a selection only',
    async (descriptor) => {
      const index = await filled(descriptor);
      const rows: Rows = { type: 'range', from: 100, to: 160 };
      const { labels } = await index.search(queries, 5, { rows });
      expect(labels.some((label) => label >= 0)).toBe(true);
      expect(labels.every((label) => label === -1 || (label >= 100 && label < 160))).toBe(true);
    },
  );

  test('a kind that cannot search a selection says so, and never gives a row outside', async () => {
    const index = await filled('PQ4x4fs');
    await expect(index.search(queries, 5, { rows: { type: 'range', from: 100, to: 160 } })).rejects.toMatchObject({
      code: 'ERR_FAISS_UNSUPPORTED',
    });
    expect((await index.search(queries, 5)).k).toBe(5);
  });

  test.each([
    ['nprobe', 'Flat', { nprobe: 2 }],
    ['nprobe', 'HNSW8', { nprobe: 2 }],
    ['efSearch', 'Flat', { efSearch: 2 }],
    ['efSearch', 'SQ8', { efSearch: 2 }],
    ['efSearch', 'IVF20,Flat', { efSearch: 2 }],
  ])('refuses %s of %s', async (_option, descriptor, options) => {
    const index = await filled(descriptor);
    await expect(index.search(queries, 5, options)).rejects.toMatchObject({ code: 'ERR_FAISS_UNSUPPORTED' });
  });

  test('a graph cannot lose rows nor be merged, and keeps working', async () => {
    const [index, other] = await Promise.all([filled('HNSW8'), filled('HNSW8')]);
    await expect(index.removeIds([1])).rejects.toMatchObject({ code: 'ERR_FAISS_UNSUPPORTED' });
    await expect(index.mergeFrom(other)).rejects.toMatchObject({ code: 'ERR_FAISS_MISMATCH' });
    expect([index.ntotal(), other.ntotal()]).toEqual([2_000, 2_000]);
    expect((await index.search(queries, 5)).k).toBe(5);
  });
});
