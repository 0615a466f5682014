import { describe, expect, test } from 'vitest';
import { createExactIndex, openExactIndex, writeExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { vectorIndexContract, vectorIndexFileContract } from '../../contract/vector-index.ts';

const driver = { open: openExactIndex, write: writeExactIndex };
vectorIndexContract(driver);
vectorIndexFileContract(driver);

describe('an exact index in memory', () => {
  test('searches the vectors that it was given', async () => {
    const index = createExactIndex({ width: 2, vectors: Float32Array.of(1, 0, 0, 1) });
    expect(await index.search(Float32Array.of(0, 1), { k: 1 })).toEqual([{ row: 1, similarity: 1 }]);
  });

  test('lets the event loop turn during a long search', async () => {
    const index = createExactIndex({ width: 512, vectors: new Float32Array(60_000 * 512).fill(0.1) });
    let turns = 0;
    const timer = setInterval(() => (turns += 1), 1);
    await index.search(new Float32Array(512).fill(0.1), { k: 1 });
    clearInterval(timer);
    expect(turns).toBeGreaterThan(2);
  });
});
