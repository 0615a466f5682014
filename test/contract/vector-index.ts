import { open, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type {
  GroupNeighbour,
  GroupSearchOptions,
  IndexContent,
  Neighbour,
  RowSelection,
  VectorIndex,
} from '#core/retrieval/vector-index.ts';
import { temporaryFolder } from '../temporary.ts';

export interface VectorIndexDriver {
  open(path: string): Promise<VectorIndex>;
  write(path: string, content: IndexContent): Promise<void>;
  /** Random cases of each property; 60 unless an index takes long to make. */
  readonly cases?: number;
}

/** Vectors of small whole numbers: products are exact however they are summed, so ties are real ties. */
function wholeVectors(rows: number, width: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: rows * width }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return ((state >>> 24) % 7) - 3;
  });
}

function isSelected(row: number, rows: RowSelection | undefined): boolean {
  if (rows === undefined) return true;
  const tile = Math.floor(row / rows.rowsPerTile);
  return (
    (rows.tiles === undefined || rows.tiles.includes(tile)) &&
    (rows.orientation === undefined || row % rows.rowsPerTile === rows.orientation)
  );
}

/** The definition: every row's product, sorted. */
function bySorting(content: IndexContent, query: Float32Array, k: number, rows?: RowSelection): Neighbour[] {
  const all: Neighbour[] = [];
  for (let row = 0; row * content.width < content.vectors.length; row++) {
    const vector = content.vectors.subarray(row * content.width, (row + 1) * content.width);
    const similarity = vector.reduce((sum, value, i) => sum + value * (query[i] ?? 0), 0);
    if (isSelected(row, rows)) all.push({ row, similarity });
  }
  return all.sort((a, b) => b.similarity - a.similarity || a.row - b.row).slice(0, k);
}

/** The definition: every pair of a row and a query, sorted; of each group the first. */
function groupsBySorting(
  content: IndexContent,
  queries: readonly Float32Array[],
  { k, rowsPerGroup, rows }: GroupSearchOptions,
): GroupNeighbour[] {
  const pairs = queries.flatMap((vector, query) =>
    bySorting(content, vector, Number.POSITIVE_INFINITY, rows).map((neighbour) => ({ ...neighbour, query })),
  );
  const seen = new Set<number>();
  return pairs
    .sort((a, b) => b.similarity - a.similarity || a.row - b.row || a.query - b.query)
    .filter(({ row }) => {
      const group = Math.floor(row / rowsPerGroup);
      return !seen.has(group) && seen.add(group);
    })
    .slice(0, k);
}

/** What every vector index promises. */
export function vectorIndexContract(driver: VectorIndexDriver): void {
  async function opened(content: IndexContent): Promise<VectorIndex> {
    const path = join(await temporaryFolder(), 'index.faiss');
    await driver.write(path, content);
    return driver.open(path);
  }

  describe('a vector index', () => {
    test('says its width and how many rows it has', async () => {
      const index = await opened({ width: 5, vectors: wholeVectors(12, 5) });
      expect([index.width, index.rowCount]).toEqual([5, 12]);
      await index.close();
    });

    test('finds what sorting all rows finds, for any size, k, query and selection', async () => {
      const selections = fc.option(
        fc
          .tuple(fc.integer({ min: 1, max: 9 }), fc.option(fc.array(fc.integer({ min: -2, max: 45 }))), fc.nat(8))
          .map(([rowsPerTile, tiles, orientation]) => ({
            rowsPerTile,
            tiles: tiles === null ? undefined : Int32Array.from(tiles),
            orientation: orientation < rowsPerTile ? orientation : undefined,
          })),
        { nil: undefined },
      );
      const cases = fc.record({
        rows: fc.integer({ min: 1, max: 130 }),
        width: fc.integer({ min: 1, max: 20 }),
        k: fc.integer({ min: 1, max: 150 }),
        seed: fc.integer(),
        selection: selections,
      });
      await fc.assert(
        fc.asyncProperty(cases, async ({ rows, width, k, seed, selection }) => {
          const content = { width, vectors: wholeVectors(rows, width, seed) };
          const query = wholeVectors(1, width, seed + 1);
          const index = await opened(content);
          expect(await index.search(query, { k, rows: selection })).toEqual(bySorting(content, query, k, selection));
          await index.close();
        }),
        { numRuns: driver.cases ?? 60 },
      );
    });

    test('orders equal similarities by row, also where k cuts through them', async () => {
      const vectors = Float32Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? 1 : 0));
      const index = await opened({ width: 2, vectors });
      const found = await index.search(Float32Array.of(1, 0), { k: 7 });
      expect(found.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4, 5, 6]);
      await index.close();
    });

    test('gives the cosine of unit vectors to six digits', async () => {
      const width = 256;
      const angles = [0, 0.1, 1, Math.PI / 2, 3];
      const vectors = new Float32Array(angles.length * width);
      angles.forEach((angle, row) => {
        vectors[row * width] = Math.cos(angle);
        vectors[row * width + width - 1] = Math.sin(angle);
      });
      const index = await opened({ width, vectors });
      const found = await index.search(vectors.slice(0, width), { k: 5 });
      expect(found.map(({ row }) => row)).toEqual([0, 1, 2, 3, 4]);
      found.forEach(({ similarity }, i) => {
        expect(similarity).toBeCloseTo(Math.cos(angles[i] ?? Number.NaN), 6);
      });
      await index.close();
    });

    test('an empty index and an empty selection find nothing', async () => {
      const empty = await opened({ width: 3, vectors: new Float32Array(0) });
      expect(empty.rowCount).toBe(0);
      expect(await empty.search(Float32Array.of(1, 0, 0), { k: 5 })).toEqual([]);
      const full = await opened({ width: 3, vectors: wholeVectors(8, 3) });
      const rows = { rowsPerTile: 2, tiles: new Int32Array(0) };
      expect(await full.search(Float32Array.of(1, 0, 0), { k: 5, rows })).toEqual([]);
      await Promise.all([empty.close(), full.close()]);
    });

    test('finds the groups that sorting every pair of a row and a query finds', async () => {
      const cases = fc.record({
        rows: fc.integer({ min: 1, max: 130 }),
        width: fc.integer({ min: 1, max: 12 }),
        queryCount: fc.integer({ min: 1, max: 70 }),
        k: fc.integer({ min: 1, max: 60 }),
        rowsPerGroup: fc.integer({ min: 1, max: 9 }),
        seed: fc.integer(),
        selection: fc.option(
          fc.record({
            rowsPerTile: fc.constant(4),
            tiles: fc.array(fc.nat(40)).map((tiles) => Int32Array.from(tiles)),
            orientation: fc.constantFrom(undefined, 0, 3),
          }),
          { nil: undefined },
        ),
      });
      await fc.assert(
        fc.asyncProperty(cases, async ({ rows, width, queryCount, k, rowsPerGroup, seed, selection }) => {
          const content = { width, vectors: wholeVectors(rows, width, seed) };
          const queries = Array.from({ length: queryCount }, (_, i) => wholeVectors(1, width, seed + i + 1));
          const index = await opened(content);
          const found = await index.searchGroups(queries, { k, rows: selection, rowsPerGroup });
          expect(found).toEqual(groupsBySorting(content, queries, { k, rowsPerGroup, rows: selection }));
          await index.close();
        }),
        { numRuns: driver.cases ?? 60 },
      );
    });

    test('finds no group for no query, and refuses a query of another width and groups of no rows', async () => {
      const index = await opened({ width: 16, vectors: wholeVectors(30, 16) });
      expect(await index.searchGroups([], { k: 5, rowsPerGroup: 2 })).toEqual([]);
      const [query, shorter] = [wholeVectors(1, 16), wholeVectors(1, 15)];
      const refusal = { code: 'INDEX_INVALID' };
      await expect(index.searchGroups([query, shorter], { k: 5, rowsPerGroup: 2 })).rejects.toMatchObject(refusal);
      await expect(index.searchGroups([query], { k: 5, rowsPerGroup: 0 })).rejects.toMatchObject(refusal);
      await index.close();
    });

    test('answers many searches at the same time, each its own', async () => {
      const content = { width: 16, vectors: wholeVectors(500, 16) };
      const index = await opened(content);
      const queries = Array.from({ length: 24 }, (_, i) => wholeVectors(1, 16, i + 10));
      const answers = await Promise.all(
        queries.map((query, i) => index.search(query, { k: 5, rows: { rowsPerTile: 4, orientation: i % 4 } })),
      );
      answers.forEach((answer, i) => {
        const query = queries[i] ?? new Float32Array(16);
        expect(answer).toEqual(bySorting(content, query, 5, { rowsPerTile: 4, orientation: i % 4 }));
      });
      await index.close();
    });

    test('a query may change while it is searched', async () => {
      const content = { width: 8, vectors: wholeVectors(300, 8) };
      const index = await opened(content);
      const query = wholeVectors(1, 8, 5);
      const expected = bySorting(content, query, 3);
      const searching = index.search(query, { k: 3 });
      query.fill(0);
      expect(await searching).toEqual(expected);
      await index.close();
    });

    test.each([
      ['a query of another width', Float32Array.of(1, 0), {}, /different models/],
      ['NaN in the query', Float32Array.of(1, Number.NaN, 0), {}, /number 1 is NaN/],
      ['infinity in the query', Float32Array.of(1, 0, Number.POSITIVE_INFINITY), {}, /number 2 is Infinity/],
      ['k = 0', Float32Array.of(1, 0, 0), { k: 0 }, /k must be/],
      ['half a k', Float32Array.of(1, 0, 0), { k: 1.5 }, /k must be/],
      ['tiles of no rows', Float32Array.of(1, 0, 0), { rows: { rowsPerTile: 0 } }, /rowsPerTile must be/],
      [
        'an orientation beyond the bank',
        Float32Array.of(1, 0, 0),
        { rows: { rowsPerTile: 8, orientation: 8 } },
        /from 0 to 7, not 8/,
      ],
    ])('refuses %s', async (_name, query, options, message) => {
      const index = await opened({ width: 3, vectors: wholeVectors(8, 3) });
      const refused = expect(index.search(query, { k: 1, ...options })).rejects;
      await refused.toMatchObject({ code: 'INDEX_INVALID', message: expect.stringMatching(message) });
      await index.close();
    });

    test('does not search for a caller who went away', async () => {
      const index = await opened({ width: 64, vectors: wholeVectors(40_000, 64) });
      const query = wholeVectors(1, 64, 3);
      const gone = AbortSignal.abort(new Error('hung up'));
      await expect(index.search(query, { k: 1, signal: gone })).rejects.toMatchObject({ code: 'CANCELED' });
      const caller = new AbortController();
      const searching = index.search(query, { k: 1, signal: caller.signal });
      caller.abort(new Error('hung up'));
      await expect(searching).rejects.toMatchObject({ code: 'CANCELED', cause: expect.any(Error) });
      expect(await index.search(query, { k: 1, signal: new AbortController().signal })).toHaveLength(1);
      await index.close();
    });

    test('ends what runs before it closes, and refuses afterwards', async () => {
      const content = { width: 32, vectors: wholeVectors(20_000, 32) };
      const index = await opened(content);
      const query = wholeVectors(1, 32, 3);
      const searching = index.search(query, { k: 4 });
      await Promise.all([index.close(), index.close()]);
      expect(await searching).toEqual(bySorting(content, query, 4));
      await expect(index.search(query, { k: 4 })).rejects.toMatchObject({ code: 'INDEX_INVALID' });
      await index.close();
    });
  });
}

/** What every index that is a file of its own promises besides. */
export function vectorIndexFileContract(driver: VectorIndexDriver): void {
  describe('the file of a vector index', () => {
    test('the file of one adapter is the file of the other, byte by byte', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await driver.write(path, { width: 2, vectors: Float32Array.of(1, 2, 3, 4) });
      const expected = Buffer.concat([
        Buffer.from('IxFI'),
        Buffer.from(['02000000', '0200000000000000', '0000100000000000', '0000100000000000'].join(''), 'hex'),
        Buffer.from(['01', '00000000', '0400000000000000'].join(''), 'hex'),
        Buffer.from(Float32Array.of(1, 2, 3, 4).buffer),
      ]);
      expect(await readFile(path)).toEqual(expected);
    });

    test('writes over an older file and leaves nothing else behind', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await driver.write(path, { width: 2, vectors: wholeVectors(9, 2) });
      const old = await driver.open(path);
      await driver.write(path, { width: 2, vectors: wholeVectors(3, 2) });
      const fresh = await driver.open(path);
      expect([old.rowCount, fresh.rowCount]).toEqual([9, 3]);
      expect(await old.search(Float32Array.of(1, 1), { k: 9 })).toHaveLength(9);
      expect(await readdir(dirname(path))).toEqual(['index.faiss']);
      await Promise.all([old.close(), fresh.close()]);
    });

    test.each([
      ['vectors that are not whole', { width: 3, vectors: new Float32Array(4) }, /whole vectors of 3/],
      ['no width', { width: 0, vectors: new Float32Array(0) }, /width/],
      ['NaN', { width: 2, vectors: Float32Array.of(1, 0, 0, Number.NaN) }, /number 1 of vector 1 is NaN/],
    ])('does not write %s', async (_name, content, message) => {
      const folder = await temporaryFolder();
      await expect(driver.write(join(folder, 'index.faiss'), content)).rejects.toMatchObject({
        code: 'INDEX_INVALID',
        message: expect.stringMatching(message),
      });
      expect(await readdir(folder)).toEqual([]);
    });

    test('says that it could not write into a folder that is not there', async () => {
      const path = join(await temporaryFolder(), 'nowhere', 'index.faiss');
      const writing = driver.write(path, { width: 1, vectors: Float32Array.of(1) });
      await expect(writing).rejects.toMatchObject({ code: 'STORE_FAILED', message: expect.stringContaining(path) });
    });

    test('says which file is missing', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await expect(driver.open(path)).rejects.toMatchObject({
        code: 'FILE_MISSING',
        message: expect.stringContaining(path),
      });
    });

    test('refuses a file that was cut off anywhere, or has more at its end', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await driver.write(path, { width: 3, vectors: wholeVectors(4, 3) });
      const whole = await readFile(path);
      for (const length of [0, 3, 4, 44, 45, 46, whole.length - 12, whole.length - 1]) {
        await writeFile(path, whole);
        await truncate(path, length);
        await expect(driver.open(path), `${length} bytes`).rejects.toMatchObject({ code: 'INDEX_INVALID' });
      }
      await writeFile(path, Buffer.concat([whole, Buffer.alloc(12)]));
      await expect(driver.open(path)).rejects.toMatchObject({ code: 'INDEX_INVALID' });
    });

    test('refuses a file whose header has a flipped bit that matters', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await driver.write(path, { width: 3, vectors: wholeVectors(4, 3) });
      const whole = await readFile(path);
      const fillers = (byte: number) => byte >= 16 && byte < 32;
      for (let byte = 0; byte < 45; byte++) {
        if (fillers(byte)) continue;
        const damaged = Buffer.from(whole);
        damaged[byte] = (damaged[byte] ?? 0) ^ 0x10;
        await writeFile(path, damaged);
        await expect(driver.open(path), `byte ${byte}`).rejects.toMatchObject({ code: 'INDEX_INVALID' });
      }
    });

    test('refuses a file of something else', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await writeFile(path, 'PK\u0003\u0004 this is not an index at all, whatever its name may say about it');
      await expect(driver.open(path)).rejects.toMatchObject({ code: 'INDEX_INVALID' });
    });

    test('refuses an index that compares by distance', async () => {
      const path = join(await temporaryFolder(), 'index.faiss');
      await driver.write(path, { width: 1, vectors: Float32Array.of(1) });
      const file = await open(path, 'r+');
      await file.write('IxF2', 0);
      await file.write(Uint8Array.of(1), 0, 1, 33);
      await file.close();
      await expect(driver.open(path)).rejects.toMatchObject({ code: 'INDEX_INVALID' });
    });
  });
}
