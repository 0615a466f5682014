import { beforeAll, describe, expect, test } from 'vitest';
import {
  Index,
  IndexFlatIP,
  IndexFlatL2,
  isFaissError,
  MetricType,
  type Rows,
  type SearchOptions,
} from '#native/faiss';
import { build } from './built.ts';

beforeAll(() => {
  build();
}, 300_000);

async function filled(): Promise<Index> {
  const index = new IndexFlatIP(3);
  await index.add([1, 0, 0, 0, 1, 0]);
  return index;
}

async function failure(work: () => Promise<unknown>): Promise<Error & { code: string }> {
  try {
    await work();
  } catch (error) {
    if (isFaissError(error)) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('a search of groups', () => {
  test.each<[string, number[], number, number, string, RegExp]>([
    ['groups of no rows', [1, 0, 0], 1, 0, 'ERR_FAISS_INVALID_ARGUMENT', /rowsPerGroup must be/],
    ['groups of half a row', [1, 0, 0], 1, 0.5, 'ERR_FAISS_INVALID_ARGUMENT', /rowsPerGroup must be/],
    ['k = 0', [1, 0, 0], 0, 2, 'ERR_FAISS_INVALID_ARGUMENT', /k must be/],
    ['a query too short', [1, 0], 1, 2, 'ERR_FAISS_DIMENSION', /holds 2 numbers/],
    ['NaN', [1, 0, Number.NaN], 1, 2, 'ERR_FAISS_NOT_FINITE', /number 2 of vector 0 is NaN/],
  ])('refuses %s', async (_name, query, k, rowsPerGroup, code, message) => {
    const index = await filled();
    const error = await failure(() => index.searchGroups(query, k, { rowsPerGroup }));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('finds nothing in an empty index', async () => {
    const found = await new IndexFlatIP(3).searchGroups([1, 0, 0], 4, { rowsPerGroup: 2 });
    expect([found.labels.length, found.distances.length, found.queries.length]).toEqual([0, 0, 0]);
  });
});

describe('a search', () => {
  test.each<[string, number[], number, SearchOptions, string, RegExp]>([
    ['a query too short', [1, 0], 1, {}, 'ERR_FAISS_DIMENSION', /vectors of 3 numbers.*holds 2 numbers/],
    ['a query too long', [1, 0, 0, 0], 1, {}, 'ERR_FAISS_DIMENSION', /holds 4 numbers/],
    ['no query', [], 1, {}, 'ERR_FAISS_DIMENSION', /holds 0 numbers/],
    ['NaN', [1, 0, 0, 0, Number.NaN, 0], 1, {}, 'ERR_FAISS_NOT_FINITE', /number 1 of vector 1 is NaN/],
    ['infinity', [Number.NEGATIVE_INFINITY, 0, 0], 1, {}, 'ERR_FAISS_NOT_FINITE', /number 0 of vector 0 is infinite/],
    ['a number beyond 32-bit floats', [1e39, 0, 0], 1, {}, 'ERR_FAISS_NOT_FINITE', /infinite/],
    ['k = 0', [1, 0, 0], 0, {}, 'ERR_FAISS_INVALID_ARGUMENT', /k must be a whole number of at least 1, not 0/],
    ['a negative k', [1, 0, 0], -4, {}, 'ERR_FAISS_INVALID_ARGUMENT', /k must be/],
    ['half a k', [1, 0, 0], 1.5, {}, 'ERR_FAISS_INVALID_ARGUMENT', /k must be/],
    ['k = NaN', [1, 0, 0], Number.NaN, {}, 'ERR_FAISS_INVALID_ARGUMENT', /k must be/],
    ['k = infinity', [1, 0, 0], Number.POSITIVE_INFINITY, {}, 'ERR_FAISS_INVALID_ARGUMENT', /k must be/],
    ['nprobe = 0', [1, 0, 0], 1, { nprobe: 0 }, 'ERR_FAISS_INVALID_ARGUMENT', /nprobe must be/],
    ['efSearch = -1', [1, 0, 0], 1, { efSearch: -1 }, 'ERR_FAISS_INVALID_ARGUMENT', /efSearch must be/],
  ])('refuses %s', async (_name, query, k, options, code, message) => {
    const index = await filled();
    const error = await failure(() => index.search(query, k, options));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
    expect((await index.search([1, 0, 0], 1)).k).toBe(1);
  });

  test.each<[string, Rows, RegExp]>([
    ['a range from below 0', { type: 'range', from: -1, to: 3 }, /rows.from must be/],
    ['a list with half a row', { type: 'list', rows: [0.5] }, /number 0 is 0.5/],
    ['a list with NaN', { type: 'list', rows: [1, Number.NaN] }, /number 1 is nan/i],
    ['a stride of 0', { type: 'stride', every: 0 }, /rows.every must be/],
    ['a stride with an offset beyond it', { type: 'stride', every: 4, offset: 4 }, /smaller than rows.every \(4\)/],
    ['tiles of no rows', { type: 'tiles', tiles: [1], rowsPerTile: 0 }, /rows.rowsPerTile must be/],
    [
      'an offset beyond a tile',
      { type: 'tiles', tiles: [1], rowsPerTile: 8, offset: 8 },
      /rows.offset must be smaller/,
    ],
    ['all of nothing', { type: 'all-of', parts: [] }, /at least one selection/],
  ])('refuses %s', async (_name, rows, message) => {
    const error = await failure(async () => (await filled()).search([1, 0, 0], 1, { rows }));
    expect(error).toMatchObject({ code: 'ERR_FAISS_INVALID_ARGUMENT', message: expect.stringMatching(message) });
  });

  test('refuses selections nested without end', async () => {
    let rows: Rows = { type: 'range', from: 0, to: 1 };
    for (let i = 0; i < 20; i++) rows = { type: 'all-of', parts: [rows] };
    const error = await failure(async () => (await filled()).search([1, 0, 0], 1, { rows }));
    expect(error.message).toMatch(/nested deeper/);
  });

  test('refuses to give more results than memory should hold', async () => {
    const index = new IndexFlatIP(1);
    await index.add(new Float32Array(20_000).fill(1));
    const error = await failure(() => index.search(new Float32Array(20_000), 20_000));
    expect(error).toMatchObject({ code: 'ERR_FAISS_INVALID_ARGUMENT', message: expect.stringMatching(/split/) });
  });

  test('takes rows far beyond the index, and tiles that would overflow, for none', async () => {
    const index = await filled();
    const far = Number.MAX_SAFE_INTEGER;
    for (const rows of [
      { type: 'list', rows: [far, -far] },
      { type: 'tiles', tiles: [far, -far], rowsPerTile: far },
      { type: 'tiles', tiles: [far], rowsPerTile: 8 },
      { type: 'range', from: far, to: far },
      { type: 'stride', every: far, offset: far - 1 },
    ] satisfies Rows[]) {
      expect((await index.search([1, 0, 0], 2, { rows })).k, rows.type).toBe(0);
    }
    expect((await index.search([1, 0, 0], far)).k).toBe(2);
  });
});

describe('adding', () => {
  test.each<[string, number[], string]>([
    ['vectors of another dimension', [1, 2, 3, 4], 'ERR_FAISS_DIMENSION'],
    ['nothing', [], 'ERR_FAISS_DIMENSION'],
    ['NaN in the last vector', [1, 0, 0, 0, 0, Number.NaN], 'ERR_FAISS_NOT_FINITE'],
  ])('%s is refused and adds none', async (_name, vectors, code) => {
    const index = await filled();
    expect(await failure(() => index.add(vectors))).toMatchObject({ code });
    expect(index.ntotal()).toBe(2);
  });
});

describe('construction', () => {
  test.each([0, -1, 1.5, Number.NaN, 2 ** 31, 2 ** 21])('refuses a dimension of %d', (dims) => {
    expect(() => new IndexFlatL2(dims)).toThrow(/dims must be/);
    expect(() => Index.fromFactory(dims, 'Flat')).toThrow(
      expect.objectContaining({ code: 'ERR_FAISS_INVALID_ARGUMENT' }),
    );
  });

  test.each([
    '',
    'Nonsense',
    'IVF0,Flat',
    'IVF99999999999999999999,Flat',
    'PQ3',
    'PQ7',
    'IVF,Flat',
    'Flat\0',
    'HNSW-4',
  ])('refuses the descriptor %j', (descriptor) => {
    expect(() => Index.fromFactory(8, descriptor)).toThrow(
      expect.objectContaining({ code: 'ERR_FAISS_INVALID_ARGUMENT' }),
    );
  });

  test('knows the default metric of the npm package', () => {
    expect(Index.fromFactory(2, 'Flat').metric).toBe(MetricType.METRIC_L2);
    expect(Index.fromFactory(2, 'Flat', MetricType.METRIC_INNER_PRODUCT).metric).toBe(MetricType.METRIC_INNER_PRODUCT);
  });
});

describe('merging and removing', () => {
  test.each<[string, () => Index]>([
    ['another dimension', () => new IndexFlatIP(4)],
    ['another metric', () => new IndexFlatL2(3)],
    ['another kind', () => Index.fromFactory(3, 'HNSW8', MetricType.METRIC_INNER_PRODUCT)],
  ])('an index of %s is not merged', async (_name, other) => {
    const index = await filled();
    expect(await failure(() => index.mergeFrom(other()))).toMatchObject({ code: 'ERR_FAISS_MISMATCH' });
    expect(index.ntotal()).toBe(2);
  });

  test('an index is not merged into itself', async () => {
    const index = await filled();
    expect(await failure(() => index.mergeFrom(index))).toMatchObject({ code: 'ERR_FAISS_INVALID_ARGUMENT' });
    expect(index.ntotal()).toBe(2);
  });

  test('ids that are no whole numbers are refused', async () => {
    const index = await filled();
    expect(await failure(() => index.removeIds([0.5]))).toMatchObject({ code: 'ERR_FAISS_INVALID_ARGUMENT' });
    expect(await index.removeIds([])).toBe(0);
  });
});

describe('a disposed index', () => {
  test('refuses everything, and disposing twice is no error', async () => {
    const index = await filled();
    await Promise.all([index.dispose(), index.dispose()]);
    await index.dispose();
    const other = await filled();
    for (const work of [
      () => index.search([1, 0, 0], 1),
      () => index.add([1, 0, 0]),
      () => index.train([1, 0, 0]),
      () => index.toBuffer(),
      () => index.write('nowhere'),
      () => index.removeIds([0]),
      () => index.reconstruct(0),
      () => index.mergeFrom(other),
      () => other.mergeFrom(index),
      async () => index.ntotal(),
      async () => index.isTrained(),
      async () => index.getDimension(),
    ]) {
      expect(await failure(work)).toMatchObject({ code: 'ERR_FAISS_DISPOSED' });
    }
    expect(other.ntotal()).toBe(2);
  });

  test('is what `await using` leaves behind', async () => {
    let kept: Index;
    {
      await using index = await filled();
      kept = index;
      expect(index.ntotal()).toBe(2);
    }
    expect(() => kept.ntotal()).toThrow(/disposed/);
  });
});
