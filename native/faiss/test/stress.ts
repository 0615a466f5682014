/**
 * Everything that the binding does, many times, with right and wrong arguments, for a build with a sanitizer to watch.
 * Usage: node stress.ts ADDON [FAULT]; with a fault of src/deliberate.h it commits that and nothing else.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { Index, IndexFlatIP, IndexFlatL2, isFaissError, MetricType, type Rows, useBuild } from '../index.ts';
import { randomVectors, searchExactly, wholeVectors } from './oracle.ts';

const [addon = '', fault] = process.argv.slice(2);
useBuild(addon);

if (fault !== undefined) {
  await commit(fault);
} else {
  const folder = await mkdtemp(join(tmpdir(), 'geo2-stress-'));
  try {
    await flatIndexes();
    await approximateIndexes();
    await files(folder);
    await mistakes();
    await growing();
    await threads();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  console.log('stress: done');
}

async function commit(name: string): Promise<void> {
  const exported: unknown = createRequire(import.meta.url)(addon);
  if (typeof exported !== 'object' || exported === null || !('deliberate' in exported)) {
    throw new Error(`${addon} is not a sanitizer build`);
  }
  const faults = new Map<string, unknown>(Object.entries(exported.deliberate ?? {}));
  const commitFault = faults.get(name);
  if (typeof commitFault !== 'function') throw new Error(`there is no fault ${name}`);
  console.log(`stress: ${name} gave ${await commitFault(8)}`);
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(`stress: ${what}`);
}

function selectionsOf(count: number): (Rows | undefined)[] {
  return [
    undefined,
    { type: 'range', from: 3, to: count + 100 },
    { type: 'list', rows: [count, 0, count - 1, -5, 0, 2 ** 52] },
    { type: 'bitmap', bitmap: new Uint8Array((count >> 3) + 3).fill(0b01100101) },
    { type: 'bitmap', bitmap: new Uint8Array(1).fill(255) },
    { type: 'stride', every: 8, offset: 7 },
    { type: 'tiles', tiles: Int32Array.of(count, 0, 2, 2, -1, 2 ** 30), rowsPerTile: 8 },
    { type: 'tiles', tiles: [0, 1, count >> 3], rowsPerTile: 8, offset: 7 },
    {
      type: 'all-of',
      parts: [
        { type: 'stride', every: 2 },
        { type: 'list', rows: [4, 6, 7] },
      ],
    },
  ];
}

async function flatIndexes(): Promise<void> {
  for (const [dims, count] of [
    [1, 1],
    [3, 17],
    [64, 500],
    [515, 700],
  ] as const) {
    for (const index of [new IndexFlatIP(dims), new IndexFlatL2(dims)]) {
      const vectors = wholeVectors(count, dims, count);
      await index.add(vectors);
      for (const rows of selectionsOf(count)) {
        for (const queryCount of [1, 3, 66]) {
          const queries = wholeVectors(queryCount, dims, queryCount);
          const found = await index.search(queries, 5, { rows });
          const exact = searchExactly({ dims, vectors, metric: index.metric }, queries, 5, rows);
          check(found.labels.join() === exact.labels.join(), `${rows?.type} of ${count} x ${dims}`);
          const groups = await index.searchGroups(queries, count, { rows, rowsPerGroup: 1 });
          check(groups.labels.length === (found.k < 5 ? found.k : groups.labels.length), 'as many groups as rows');
          await index.searchGroups(queries, 3, { rows, rowsPerGroup: 8 });
        }
      }
      await index.reconstruct(count - 1);
      await index.removeIds([0, count - 1, count + 5]);
      const other = Index.fromFactory(dims, 'Flat', index.metric);
      await other.add(vectors);
      await index.mergeFrom(other);
      await Promise.all([index.dispose(), other.dispose()]);
    }
  }
}

async function approximateIndexes(): Promise<void> {
  const vectors = randomVectors(400, 16);
  for (const metric of [MetricType.METRIC_L2, MetricType.METRIC_INNER_PRODUCT]) {
    for (const descriptor of ['IVF8,Flat', 'HNSW8', 'PCA8,IVF4,Flat', 'SQ8', 'IVF4,SQ8', 'HNSW8,SQ8']) {
      await using index = Index.fromFactory(16, descriptor, metric);
      await index.train(vectors);
      await index.add(vectors);
      for (const rows of selectionsOf(400)) {
        const options = { rows, ...(descriptor.includes('IVF') ? { nprobe: 3 } : {}) };
        await index.search(vectors.subarray(0, 16 * 5), 500, options);
        await index.searchGroups(vectors.subarray(0, 16 * 5), 500, { ...options, rowsPerGroup: 8 });
      }
      await index.removeIds([1, 5]).catch(expectFaissError);
      await using again = await Index.fromBuffer(await index.toBuffer());
      await again.add(vectors.subarray(0, 16));
      await again.mergeFrom(index).catch(expectFaissError);
      await again.search(vectors.subarray(0, 16), 3);
    }
  }
}

async function files(folder: string): Promise<void> {
  const vectors = randomVectors(120, 8);
  for (const descriptor of ['Flat', 'IVF4,Flat', 'HNSW8', 'SQ8']) {
    const index = Index.fromFactory(8, descriptor);
    await index.train(vectors);
    await index.add(vectors);
    const path = join(folder, 'index.faiss');
    await index.write(path);
    for (const mmap of [false, true]) {
      await using read = await Index.read(path, { mmap });
      for (const rows of selectionsOf(120)) {
        await read.search(vectors.subarray(0, 24), 4, { rows });
        await read.searchGroups(vectors.subarray(0, 24), 4, { rows, rowsPerGroup: 8 });
      }
      await read.reconstruct(119).catch(expectFaissError);
      await read.toBuffer().catch(expectFaissError);
    }
    const whole = await readFile(path);
    for (let i = 0; i < 60; i++) {
      const at = i < 48 ? i : Math.floor(whole.length * ((i * 0.618) % 1));
      const damaged = Buffer.from(whole.subarray(0, i % 3 === 0 ? at : whole.length));
      if (i % 3 !== 0) damaged[at] = (damaged[at] ?? 0) ^ (1 << (i % 8));
      await writeFile(path, damaged);
      for (const mmap of [false, true]) {
        try {
          await using read = await Index.read(path, { mmap });
          await read.search(new Float32Array(read.dimension), 3);
        } catch (error) {
          expectFaissError(error);
        }
      }
    }
    await index.dispose();
  }
  await Index.read(join(folder, 'nothing')).catch(expectFaissError);
  await Index.fromBuffer(new Uint8Array(0)).catch(expectFaissError);
}

async function mistakes(): Promise<void> {
  await using index = new IndexFlatIP(4);
  await index.add([1, 2, 3, 4]);
  const works: (() => Promise<unknown>)[] = [
    () => index.search([1], 1),
    () => index.search([1, 2, 3, Number.NaN], 1),
    () => index.search([1, 2, 3, 4], 0),
    () => index.search([1, 2, 3, 4], 1, { rows: { type: 'stride', every: 0 } }),
    () => index.add([1, 2, 3]),
    () => index.reconstruct(1),
    () => index.mergeFrom(index),
    () => index.write('/nowhere/at/all'),
    async () => Index.fromFactory(4, 'Nonsense'),
    async () => new IndexFlatIP(0),
  ];
  for (const work of works) {
    const refused = await work().then(() => false, expectFaissError);
    check(refused, `${work} was not refused`);
  }
}

/** Searches, additions, writes and disposal without waiting for each other. */
async function growing(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const indexes = [new IndexFlatIP(32), Index.fromFactory(32, 'HNSW8')];
    const batch = randomVectors(100, 32, round);
    const work = indexes.flatMap((index) =>
      Array.from({ length: 40 }, (_, i) => {
        if (i % 4 === 0) return index.add(batch);
        if (i % 13 === 0) return index.toBuffer();
        return index.search(batch.subarray(0, 64), 7, { rows: { type: 'stride', every: 1 + (i % 5) } });
      }),
    );
    const disposals = indexes.map((index) => index.dispose());
    await Promise.all([...work, ...disposals]);
  }
}

async function threads(): Promise<void> {
  const script = `
    const { parentPort, workerData } = require('node:worker_threads');
    const { NativeIndex } = require(workerData);
    const index = NativeIndex.flat(16, 1);
    index.add(new Float32Array(16 * 2000)).then(() => {
      for (let i = 0; i < 10; i++) index.search(new Float32Array(16), 3, {});
      parentPort.postMessage('busy');
    });`;
  for (let i = 0; i < 3; i++) {
    const worker = new Worker(script, { eval: true, workerData: addon });
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }
}

function expectFaissError(error: unknown): true {
  if (!isFaissError(error) || error.code === 'ERR_FAISS_INTERNAL') throw error;
  return true;
}
