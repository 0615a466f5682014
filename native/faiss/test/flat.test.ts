import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { Index, IndexFlatIP, IndexFlatL2, MetricType, type Rows } from '#native/faiss';
import { build } from './built.ts';
import { randomVectors, searchExactly, wholeVectors } from './oracle.ts';

beforeAll(() => {
  build();
}, 300_000);

function flat(dims: number, metric: MetricType): Index {
  return metric === MetricType.METRIC_L2 ? new IndexFlatL2(dims) : new IndexFlatIP(dims);
}

const metrics = fc.constantFrom(MetricType.METRIC_INNER_PRODUCT, MetricType.METRIC_L2);

const simpleRows: fc.Arbitrary<Rows> = fc.oneof(
  fc.record({ type: fc.constant('range' as const), from: fc.nat(300), to: fc.nat(300) }),
  fc.record({ type: fc.constant('list' as const), rows: fc.array(fc.integer({ min: -3, max: 300 })) }),
  fc.record({ type: fc.constant('bitmap' as const), bitmap: fc.uint8Array({ maxLength: 40 }) }),
  fc.tuple(fc.integer({ min: 1, max: 12 }), fc.nat(11)).map(([every, offset]) => ({
    type: 'stride' as const,
    every,
    offset: offset % every,
  })),
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.integer({ min: -2, max: 60 })), fc.option(fc.nat(8)))
    .map(([rowsPerTile, tiles, offset]) => ({
      type: 'tiles' as const,
      rowsPerTile,
      tiles: Int32Array.from(tiles),
      ...(offset === null ? {} : { offset: offset % rowsPerTile }),
    })),
);

const anyRows: fc.Arbitrary<Rows> = fc.oneof(
  { weight: 3, arbitrary: simpleRows },
  {
    weight: 1,
    arbitrary: fc
      .array(simpleRows, { minLength: 1, maxLength: 3 })
      .map((parts) => ({ type: 'all-of' as const, parts })),
  },
);

describe('a flat index', () => {
  test('finds what sorting finds, for any size, metric, number of queries, k and selection', async () => {
    const cases = fc.record({
      metric: metrics,
      dims: fc.integer({ min: 1, max: 24 }),
      count: fc.integer({ min: 1, max: 280 }),
      queryCount: fc.integer({ min: 1, max: 70 }),
      k: fc.integer({ min: 1, max: 300 }),
      seed: fc.integer(),
      rows: fc.option(anyRows, { nil: undefined }),
    });
    await fc.assert(
      fc.asyncProperty(cases, async ({ metric, dims, count, queryCount, k, seed, rows }) => {
        const vectors = wholeVectors(count, dims, seed);
        const queries = wholeVectors(queryCount, dims, seed + 1);
        const index = flat(dims, metric);
        await index.add(vectors);
        const found = await index.search(queries, k, { rows });
        expect(found).toEqual(searchExactly({ dims, vectors, metric }, queries, k, rows));
        await index.dispose();
      }),
      { numRuns: 150 },
    );
  }, 120_000);

  test.each([
    ['inner product', MetricType.METRIC_INNER_PRODUCT],
    ['squared distance', MetricType.METRIC_L2],
  ])('agrees with double precision on real numbers over many blocks, by %s', async (_name, metric) => {
    const dims = 200;
    const vectors = randomVectors(5_000, dims, 7);
    const queries = randomVectors(3, dims, 8);
    const index = flat(dims, metric);
    await index.add(vectors);
    for (const rows of [undefined, { type: 'stride', every: 2 } as const]) {
      const found = await index.search(queries, 10, { rows });
      const exact = searchExactly({ dims, vectors, metric }, queries, 10, rows);
      expect(found.labels).toEqual(exact.labels);
      found.distances.forEach((value, i) => {
        expect(value).toBeCloseTo(exact.distances[i] ?? Number.NaN, 3);
      });
    }
  });

  test('keeps the smaller row of equal ones, also where k cuts through them', async () => {
    const index = new IndexFlatIP(3);
    await index.add(Float32Array.from({ length: 300 }, () => 1));
    for (const rows of [undefined, { type: 'range', from: 0, to: 100 } as const]) {
      const found = await index.search([1, 1, 1, 2, 2, 2], 4, { rows });
      expect(Array.from(found.labels)).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
    }
  });

  test('gives as many places as there are rows when k is greater', async () => {
    const index = new IndexFlatL2(2);
    await index.add([0, 0, 3, 4]);
    expect(await index.search([0, 0], 10)).toEqual({
      k: 2,
      distances: Float32Array.of(0, 25),
      labels: Float64Array.of(0, 1),
    });
    const one = await index.search([0, 0], 10, { rows: { type: 'list', rows: [1, 7, 1] } });
    expect(one).toEqual({ k: 1, distances: Float32Array.of(25), labels: Float64Array.of(1) });
  });

  test('gives an empty result when it is empty, and when nothing is selected', async () => {
    const nothing = { k: 0, distances: new Float32Array(0), labels: new Float64Array(0) };
    const index = new IndexFlatIP(2);
    expect(await index.search([1, 0], 3)).toEqual(nothing);
    await index.add([1, 0]);
    expect(await index.search([1, 0], 3, { rows: { type: 'range', from: 5, to: 9 } })).toEqual(nothing);
    expect(await index.search([1, 0], 3, { rows: { type: 'range', from: 1, to: 0 } })).toEqual(nothing);
  });

  test('passes over products that overflow to nothing', async () => {
    const index = new IndexFlatIP(2);
    await index.add([3e38, 3e38, 1, 1]);
    const found = await index.search([3e38, -3e38], 2, { rows: { type: 'range', from: 0, to: 2 } });
    expect(Array.from(found.labels)).toEqual([1, -1]);
  });

  test('takes plain numbers as the npm package does, and tells its state by the same names', async () => {
    const index = new IndexFlatL2(2);
    expect([index.getDimension(), index.dimension, index.ntotal(), index.isTrained(), index.metric]).toEqual([
      2,
      2,
      0,
      true,
      MetricType.METRIC_L2,
    ]);
    for (const vector of [
      [1, 0],
      [1, 2],
      [1, 3],
      [1, 1],
    ]) {
      await index.add(vector);
    }
    expect(index.ntotal()).toBe(4);
    const { labels, distances } = await index.search([1, 0], 4);
    expect(Array.from(labels)).toEqual([0, 3, 1, 2]);
    expect(Array.from(distances)).toEqual([0, 1, 4, 9]);
    await index.train([1, 2]);
    expect(index.ntotal()).toBe(4);
  });

  test('gives its vectors back', async () => {
    const vectors = randomVectors(9, 5);
    const index = new IndexFlatIP(5);
    await index.add(vectors);
    expect(await index.reconstruct(8)).toEqual(vectors.slice(40));
    await expect(index.reconstruct(9)).rejects.toMatchObject({ code: 'ERR_FAISS_ROW_NOT_FOUND' });
    await expect(index.reconstruct(-1)).rejects.toMatchObject({ code: 'ERR_FAISS_INVALID_ARGUMENT' });
  });

  test('removes rows, and later rows move up', async () => {
    const vectors = wholeVectors(20, 4, 3);
    const index = new IndexFlatIP(4);
    await index.add(vectors);
    expect(await index.removeIds([3, 0, 3, 99, -1])).toBe(2);
    expect(index.ntotal()).toBe(18);
    const rest = vectors.filter((_, i) => i >= 4 && (i < 12 || i >= 16));
    const query = wholeVectors(1, 4, 4);
    const gallery = { dims: 4, vectors: rest, metric: index.metric };
    expect(await index.search(query, 18)).toEqual(searchExactly(gallery, query, 18));
    await index.add([9, 9, 9, 9]);
    expect(await index.reconstruct(18)).toEqual(Float32Array.of(9, 9, 9, 9));
    expect(await index.removeIds(Int32Array.from({ length: 19 }, (_, i) => i))).toBe(19);
    expect(index.ntotal()).toBe(0);
  });

  test('takes the vectors of another index, which is empty then', async () => {
    const [first, second] = [wholeVectors(6, 3, 1), wholeVectors(5, 3, 2)];
    const [index, other] = [new IndexFlatL2(3), Index.fromFactory(3, 'Flat')];
    await Promise.all([index.add(first), other.add(second)]);
    await index.mergeFrom(other);
    expect([index.ntotal(), other.ntotal()]).toEqual([11, 0]);
    const query = wholeVectors(1, 3, 9);
    const gallery = { dims: 3, vectors: Float32Array.of(...first, ...second), metric: index.metric };
    expect(await index.search(query, 11)).toEqual(searchExactly(gallery, query, 11));
    await other.add(second);
    expect(other.ntotal()).toBe(5);
  });
});

test('rows that are long in few directions, read from a file, give the groups that a mapped file gives', async () => {
  const [rows, width, long] = [4_000, 64, 12];
  const unit = (count: number, seed: number): Float32Array => {
    const all = randomVectors(count, width, seed);
    for (let at = 0; at < all.length; at += width) {
      const vector = all.subarray(at, at + width);
      vector.set(vector.map((value, i) => (i < long ? value : value / 20)));
      const length = Math.hypot(...vector);
      vector.set(vector.map((value) => value / length));
    }
    return all;
  };
  const path = join(await mkdtemp(join(tmpdir(), 'geo2-heads-')), 'index.faiss');
  const written = new IndexFlatIP(width);
  await written.add(unit(rows, 1));
  await written.write(path);
  const [read, mapped] = await Promise.all([Index.read(path), Index.read(path, { mmap: true })]);
  for (const k of [1, 10, 200]) {
    for (const selected of [undefined, { type: 'range', from: 500, to: 3_900 } as const]) {
      const options = { rowsPerGroup: 8, rows: selected };
      const [found, expected] = [
        await read.searchGroups(unit(48, 2), k, options),
        await mapped.searchGroups(unit(48, 2), k, options),
      ];
      expect([found.labels, found.queries]).toEqual([expected.labels, expected.queries]);
    }
  }
  await read.add(unit(1, 3));
  expect((await read.searchGroups(unit(8, 3), 1, { rowsPerGroup: 1 })).labels[0]).toBe(rows);
});
