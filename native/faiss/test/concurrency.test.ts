import { Worker } from 'node:worker_threads';
import { beforeAll, describe, expect, test } from 'vitest';
import { Index, IndexFlatIP } from '#native/faiss';
import { build } from './built.ts';
import { randomVectors, searchExactly, wholeVectors } from './oracle.ts';

let addon = '';
beforeAll(() => {
  addon = build();
}, 300_000);

describe('calls at the same time', () => {
  test('searches see all of an addition or none of it', async () => {
    const dims = 8;
    const batches = Array.from({ length: 10 }, (_, i) => wholeVectors(50, dims, i + 1));
    const query = wholeVectors(1, dims, 99);
    const index = new IndexFlatIP(dims);
    const searches: Promise<{ readonly k: number; readonly labels: Float64Array }>[] = [];
    const additions: Promise<void>[] = [];
    for (const batch of batches) {
      for (let i = 0; i < 5; i++) searches.push(index.search(query, 1_000));
      additions.push(index.add(batch));
    }
    const found = await Promise.all(searches);
    await Promise.all(additions);
    found.forEach((result, i) => {
      const seen = Math.floor(i / 5) * 50;
      expect(result.k).toBe(seen);
      const vectors = Float32Array.of(...batches.flatMap((batch) => Array.from(batch))).subarray(0, seen * dims);
      expect(result.labels).toEqual(searchExactly({ dims, vectors, metric: index.metric }, query, 1_000).labels);
    });
    expect(index.ntotal()).toBe(500);
  });

  test('many searches with different selections do not mix', async () => {
    const dims = 16;
    const vectors = wholeVectors(1_000, dims, 1);
    const index = new IndexFlatIP(dims);
    await index.add(vectors);
    const asked = Array.from({ length: 60 }, (_, i) => ({
      query: wholeVectors(1 + (i % 3), dims, i + 5),
      k: 1 + (i % 9),
      rows: { type: 'stride', every: 1 + (i % 7), offset: 0 } as const,
    }));
    const found = await Promise.all(asked.map(({ query, k, rows }) => index.search(query, k, { rows })));
    found.forEach((result, i) => {
      const { query, k, rows } = asked[i] ?? { query: vectors, k: 0, rows: undefined };
      expect(result).toEqual(searchExactly({ dims, vectors, metric: index.metric }, query, k, rows));
    });
  });

  test('graphs and inverted files are searched while they grow', async () => {
    const dims = 8;
    const vectors = randomVectors(600, dims, 3);
    const indexes = [Index.fromFactory(dims, 'HNSW8'), Index.fromFactory(dims, 'IVF8,Flat')];
    await Promise.all(indexes.map((index) => index.train(vectors)));
    const work = indexes.flatMap((index) =>
      Array.from({ length: 30 }, (_, i) => {
        if (i % 3 === 0) return index.add(vectors.subarray(i * dims * 10, (i + 10) * dims * 10));
        return index.search(vectors.subarray(0, dims * 4), 5);
      }),
    );
    await Promise.all(work);
    for (const index of indexes) expect(index.ntotal()).toBe(1_000);
  });

  test('two indexes merged into each other at once do not wait for each other for ever', async () => {
    const [a, b] = [new IndexFlatIP(2), new IndexFlatIP(2)];
    await Promise.all([a.add([1, 0]), b.add([0, 1])]);
    await Promise.all([a.mergeFrom(b), b.mergeFrom(a), a.mergeFrom(b)]);
    expect([a.ntotal(), b.ntotal()]).toEqual([2, 0]);
  });

  test('disposing waits for the searches before it', async () => {
    const index = new IndexFlatIP(64);
    await index.add(randomVectors(20_000, 64));
    const searches = Array.from({ length: 8 }, (_, i) => index.search(randomVectors(1, 64, i), 5));
    const disposing = index.dispose();
    await expect(index.search(randomVectors(1, 64), 1)).rejects.toMatchObject({ code: 'ERR_FAISS_DISPOSED' });
    for (const { k } of await Promise.all(searches)) expect(k).toBe(5);
    await disposing;
  });

  test('an array may be changed or transferred as soon as the call has returned', async () => {
    const index = new IndexFlatIP(2);
    const vectors = Float32Array.of(1, 2, 3, 4);
    const adding = index.add(vectors);
    vectors.fill(9);
    structuredClone(vectors, { transfer: [vectors.buffer] });
    await adding;
    expect(await index.reconstruct(1)).toEqual(Float32Array.of(3, 4));
  });
});

test('disposing gives the memory back', async () => {
  const vectors = new Float32Array(2 ** 21).fill(1); // 8 MiB
  const cycle = async () => {
    const index = new IndexFlatIP(256);
    await index.add(vectors);
    await index.search(vectors.subarray(0, 256), 5);
    await (await Index.fromBuffer(await index.toBuffer())).dispose();
    await index.dispose();
  };
  for (let i = 0; i < 5; i++) await cycle();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 40; i++) await cycle();
  // Without freeing it would be 40 x 16 MiB and the buffers; those are the garbage collector's, hence the allowance.
  expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(400);
});

describe('the event loop', () => {
  test('goes on while searches run', async () => {
    const dims = 256;
    const index = new IndexFlatIP(dims);
    await index.add(new Float32Array(60_000 * dims).fill(0.5));
    const queries = randomVectors(64, dims, 2);
    let running = true;
    let turns = 0;
    const turn = () => {
      turns += 1;
      if (running) setImmediate(turn);
    };
    setImmediate(turn);
    await Promise.all([index.search(queries, 10), index.search(queries, 10)]);
    running = false;
    // A search on this thread would let it turn once or twice; the computation itself takes tens of milliseconds.
    expect(turns).toBeGreaterThan(50);
  });
});

describe('worker threads', () => {
  test('load the binding beside each other and end in the middle of work', async () => {
    const script = `
      const { parentPort, workerData } = require('node:worker_threads');
      const { NativeIndex } = require(workerData);
      const index = NativeIndex.flat(32, 0);
      index.add(new Float32Array(32 * 5000).fill(1))
        .then(() => index.search(new Float32Array(32).fill(1), 3, {}))
        .then(({ labels }) => {
          for (let i = 0; i < 20; i++) index.search(new Float32Array(32).fill(1), 3, {});
          parentPort.postMessage([...labels]);
        });`;
    const answers = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const worker = new Worker(script, { eval: true, workerData: addon });
        const answer = await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        });
        await worker.terminate();
        return answer;
      }),
    );
    expect(answers).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });
});
