import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type AskedRegion,
  askGoldenQueries,
  checkGoldenQueries,
  GOLDEN_FILE,
  goldenVector,
} from '#core/retrieval/golden-queries.ts';
import { createExactIndex } from '#core/retrieval/vector-index.exact.ts';
import type { VectorIndex } from '#core/retrieval/vector-index.ts';
import { createRandom } from '../../../src/cli/evaluation/statistics.ts';
import { temporaryFolder } from '../../temporary.ts';

const [WIDTH, TILES, HEADINGS] = [16, 30, 4];
const IDS = Array.from({ length: TILES }, (_, i) => `t${i}`);

function unitVectors(count: number, seed: number): Float32Array {
  const random = createRandom(seed);
  const vectors = Float32Array.from({ length: count * WIDTH }, () => random() - 0.5);
  for (let row = 0; row < count; row++) {
    const vector = vectors.subarray(row * WIDTH, (row + 1) * WIDTH);
    const length = Math.hypot(...vector);
    for (const [i, value] of vector.entries()) vector[i] = value / length;
  }
  return vectors;
}

const ROWS = unitVectors(TILES * HEADINGS, 1);
const rowOf = (row: number): Float32Array => ROWS.subarray(row * WIDTH, (row + 1) * WIDTH);
const QUERIES = [goldenVector('tile t3', rowOf(13)), goldenVector('query q', unitVectors(1, 2))];

function indexOf(vectors: Float32Array): VectorIndex {
  return createExactIndex({ width: WIDTH, vectors });
}

type Facts = AskedRegion['manifest']['index'];
const FLAT: Facts = { type: 'IndexFlatIP', parameters: {}, file: 'index.faiss' };
const IVF: Facts = {
  type: 'IndexIVFFlat',
  parameters: { nlist: 4, nprobe: 2, recallAt10: 1, recallAt10OneHeading: 1, heldOutRows: 8 },
  file: 'index.faiss',
};

interface Other {
  readonly vectors?: Float32Array;
  readonly ids?: readonly string[];
  readonly index?: VectorIndex;
  readonly facts?: Facts;
}

/** An open region whose bundle holds this file; undefined: it has none. */
async function regionWith(
  golden: unknown,
  { vectors = ROWS, ids = IDS, index = indexOf(vectors), facts = FLAT }: Other = {},
): Promise<AskedRegion> {
  const dir = await temporaryFolder();
  if (golden !== undefined) await writeFile(join(dir, GOLDEN_FILE), JSON.stringify(golden));
  const file = { path: GOLDEN_FILE, sha256: '0'.repeat(64), sizeBytes: 1 };
  const manifest = { embeddingWidth: WIDTH, index: facts, files: golden === undefined ? [] : [file] };
  return { dir, manifest, index, tiles: { ids } };
}

const golden = await askGoldenQueries(indexOf(ROWS), IDS, QUERIES);

describe('golden queries', () => {
  test('are answered by the index that they were asked of', async () => {
    expect(golden.queries.map(({ expected }) => expected.length)).toEqual([10, 10]);
    expect(golden.queries[0]?.expected[0]).toEqual({ tile: 't3', orientation: 1, similarity: 1 });
    expect(await checkGoldenQueries(await regionWith(golden))).toBe(2);
  });

  test('are none in a bundle of before there were any', async () => {
    expect(await checkGoldenQueries(await regionWith(undefined))).toBe(0);
  });

  test.each<[string, Other, RegExp]>([
    ['vectors of another region', { vectors: unitVectors(TILES * HEADINGS, 9) }, /is not among the 10 nearest|has sim/],
    [
      'tiles in another order',
      { ids: [...IDS].reverse() },
      /for tile t3 .* tile t3 at orientation 1 is not among the 10 nearest/,
    ],
    [
      'orientations in another order',
      {
        vectors: Float32Array.from({ length: ROWS.length }, (_, i) => {
          const [row, axis] = [Math.floor(i / WIDTH), i % WIDTH];
          const turned = Math.floor(row / HEADINGS) * HEADINGS + ((row + 1) % HEADINGS);
          return ROWS[turned * WIDTH + axis] ?? 0;
        }),
      },
      /tile t3 at orientation 1/,
    ],
    [
      'rows that are no unit vectors',
      { vectors: ROWS.map((value) => value * 1.01) },
      /similarity 1\.0100, not 1\.0000/,
    ],
  ])('notice %s', async (_name, other, why) => {
    await expect(checkGoldenQueries(await regionWith(golden, other))).rejects.toMatchObject({
      code: 'REGION_INVALID',
      message: expect.stringMatching(why),
      data: { file: GOLDEN_FILE },
    });
  });

  test.each<[string, unknown, string, RegExp]>([
    ['no JSON of theirs', { schemaVersion: 2 }, 'MANIFEST_INVALID', /golden-queries\.json is not valid/],
    [
      'a vector of another width',
      { ...golden, queries: [{ ...golden.queries[0], vector: Buffer.alloc(12).toString('base64') }] },
      'REGION_INVALID',
      /has 3 numbers for tile t3; the region's embeddings have 16/,
    ],
    [
      'a vector that is no unit vector',
      { ...golden, queries: [{ ...golden.queries[0], vector: Buffer.alloc(4 * WIDTH).toString('base64') }] },
      'REGION_INVALID',
      /no unit vector for tile t3/,
    ],
  ])('with %s are refused', async (_name, content, code, message) => {
    await expect(checkGoldenQueries(await regionWith(content))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('let any of several rows be the last that are equally near', async () => {
    const twins = Float32Array.from(ROWS);
    for (let row = 40; row < 60; row++) twins.set(rowOf(13), row * WIDTH);
    const asked = await askGoldenQueries(indexOf(twins), IDS, QUERIES.slice(0, 1));
    const others = asked.queries.map((query) => ({
      ...query,
      expected: query.expected.map((row, rank) => (rank === 0 ? row : { ...row, tile: 't14' })),
    }));
    expect(await checkGoldenQueries(await regionWith({ ...asked, queries: others }, { vectors: twins }))).toBe(1);
  });

  test('forgive an approximate index one row of ten, never the nearest', async () => {
    const without = (rank: number): VectorIndex => ({
      ...indexOf(ROWS),
      search: async (query, options) => {
        const found = await indexOf(ROWS).search(query, { ...options, k: options.k + 1 });
        return found.filter((_, i) => i !== rank);
      },
    });
    const ask = async (rank: number, facts: Facts) =>
      checkGoldenQueries(await regionWith(golden, { index: without(rank), facts }));
    expect(await ask(4, IVF)).toBe(2);
    await expect(ask(0, IVF)).rejects.toThrow('is not among the 10 nearest');
    await expect(ask(4, FLAT)).rejects.toThrow('is not among the 10 nearest');
  });
});
