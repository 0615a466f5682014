import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { writeRegionIndex } from '#core/retrieval/index-writer.faiss.ts';
import { createExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { openFaissIndex } from '#core/retrieval/vector-index.faiss.ts';
import type { IndexContent, RowSelection } from '#core/retrieval/vector-index.ts';
import { rowsInMemory } from '#core/retrieval/vector-rows.ts';
import { Index } from '#native/faiss';
import { build } from '../../../native/faiss/test/built.ts';
import { temporaryFolder } from '../../temporary.ts';

beforeAll(() => {
  build();
}, 300_000);

const WIDTH = 32;
const HEADINGS = 4;

/** Unit vectors around 150 centres, as the views of similar streets are. */
function clustered(rows: number): IndexContent {
  let state = 7;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) / 2 ** 24 - 0.5;
  };
  const centres = Array.from({ length: 150 }, () => Float32Array.from({ length: WIDTH }, random));
  const vectors = new Float32Array(rows * WIDTH);
  for (let row = 0; row < rows; row++) {
    const centre = centres[Math.floor((random() + 0.5) * 150) % 150] ?? new Float32Array(WIDTH);
    const vector = centre.map((value) => value + 0.8 * random());
    const length = Math.hypot(...vector);
    vectors.set(
      vector.map((value) => value / length),
      row * WIDTH,
    );
  }
  return { width: WIDTH, vectors };
}

describe('the index of a region', () => {
  test('is exact up to a size', async () => {
    const path = join(await temporaryFolder(), 'index.faiss');
    const facts = await writeRegionIndex(path, rowsInMemory(clustered(400)), { kind: 'auto', rowsPerTile: HEADINGS });
    expect(facts).toEqual({ type: 'IndexFlatIP', parameters: {} });
  });

  test('of many rows is a file that FAISS reads, with the recall that it states', async () => {
    const content = clustered(12_000);
    const path = join(await temporaryFolder(), 'index.faiss');
    const facts = await writeRegionIndex(path, rowsInMemory(content), { kind: 'ivf', rowsPerTile: HEADINGS });
    if (facts.type !== 'IndexIVFFlat') throw new Error(`this is ${facts.type}`);
    expect(facts.parameters.heldOutRows).toBe(256);
    expect(facts.parameters.nprobe).toBeLessThan(facts.parameters.nlist / 2);
    expect(facts.parameters.recallAt10).toBeGreaterThanOrEqual(0.99);
    expect(facts.parameters.recallAt10OneHeading).toBeGreaterThanOrEqual(0.99);

    const whole = await Index.read(path);
    expect([whole.ntotal(), whole.dimension]).toEqual([12_000, WIDTH]);
    for (const row of [0, 5_000, 11_999]) {
      const { labels, distances } = await whole.search(content.vectors.subarray(row * WIDTH, (row + 1) * WIDTH), 1);
      expect([labels[0], distances[0]]).toEqual([row, expect.closeTo(1, 5)]);
    }
    await whole.dispose();

    // asked by others than its rows, it keeps that recall; under a small prior it is exact
    const [index, exact] = [await openFaissIndex(path, { mmap: true }), createExactIndex(content)];
    const tiles = Int32Array.of(3, 700, 701, 2_500, 2_999);
    const recall = async (rows: RowSelection | undefined): Promise<number> => {
      let [found, wanted] = [0, 0];
      for (let query = 0; query < 50; query++) {
        const [a, b] = [query * 211, query * 97 + 1].map((row) =>
          content.vectors.slice(row * WIDTH, (row + 1) * WIDTH),
        );
        const between = Float32Array.from(a ?? [], (value, i) => value + (b?.[i] ?? 0));
        const options = { k: 10, rows };
        const truth = new Set((await exact.search(between, options)).map(({ row }) => row));
        wanted += truth.size;
        found += (await index.search(between, options)).filter(({ row }) => truth.has(row)).length;
      }
      return found / wanted;
    };
    expect(await recall(undefined)).toBeGreaterThanOrEqual(0.97);
    expect(await recall({ rowsPerTile: HEADINGS, orientation: 2 })).toBeGreaterThanOrEqual(0.97);
    expect(await recall({ rowsPerTile: HEADINGS, tiles })).toBe(1);
    await Promise.all([index.close(), exact.close()]);
  });

  test('of few rows is refused as lists, with what to ask instead', async () => {
    const path = join(await temporaryFolder(), 'index.faiss');
    const writing = writeRegionIndex(path, rowsInMemory(clustered(200)), { kind: 'ivf', rowsPerTile: HEADINGS });
    await expect(writing).rejects.toThrow(/too few for inverted lists: use --index flat or auto/);
  });
});
