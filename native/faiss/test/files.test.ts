import { mkdir, readdir, readFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Index, IndexFlatIP, IndexFlatL2 } from '#native/faiss';
import { temporaryFolder } from '../../../test/temporary.ts';
import { build } from './built.ts';
import { randomVectors, searchExactly, wholeVectors } from './oracle.ts';

beforeAll(() => {
  build();
}, 300_000);

const DIMS = 12;
const vectors = wholeVectors(400, DIMS, 1);
const queries = wholeVectors(4, DIMS, 2);
const KINDS = ['Flat', 'IVF8,Flat', 'HNSW8', 'PCA6,IVF8,Flat', 'SQ8', 'IVF8,PQ4np'];

async function filled(descriptor: string): Promise<Index> {
  const index = Index.fromFactory(DIMS, descriptor);
  if (!index.isTrained()) await index.train(vectors);
  await index.add(vectors);
  return index;
}

async function fileName(): Promise<string> {
  return join(await temporaryFolder(), 'index.faiss');
}

describe.each(KINDS)('an index of kind %s', (descriptor) => {
  test('is the same after a round trip through a file and through a buffer', async () => {
    const index = await filled(descriptor);
    const expected = await index.search(queries, 7);
    const path = await fileName();
    await index.write(path);
    const bytes = await index.toBuffer();
    expect(bytes.equals(await readFile(path))).toBe(true);
    for (const again of [
      await Index.read(path),
      await Index.fromBuffer(bytes),
      await Index.fromBuffer(bytes.subarray()),
    ]) {
      expect([again.ntotal(), again.dimension, again.metric, again.isTrained(), again.isMapped]).toEqual([
        index.ntotal(),
        DIMS,
        index.metric,
        true,
        false,
      ]);
      expect(await again.search(queries, 7)).toEqual(expected);
      await again.add(vectors.subarray(0, DIMS));
      expect(again.ntotal()).toBe(401);
    }
  });

  test('cut off anywhere is refused, from a file and from a buffer', async () => {
    const whole = await (await filled(descriptor)).toBuffer();
    const path = await fileName();
    const lengths = [0, 1, 3, 4, 20, 44, 45, whole.length >> 1, whole.length - 4, whole.length - 1];
    for (const length of lengths) {
      await writeFile(path, whole.subarray(0, length));
      const refusal = { code: 'ERR_FAISS_FILE_CORRUPT', message: expect.stringContaining(path) };
      await expect(Index.read(path), `${length} bytes`).rejects.toMatchObject(refusal);
      await expect(Index.read(path, { mmap: true }), `${length} bytes`).rejects.toMatchObject(refusal);
      await expect(Index.fromBuffer(whole.subarray(0, length))).rejects.toMatchObject({
        code: 'ERR_FAISS_FILE_CORRUPT',
      });
    }
  });

  test('with more at its end is refused', async () => {
    const whole = await (await filled(descriptor)).toBuffer();
    await expect(Index.fromBuffer(Buffer.concat([whole, Buffer.alloc(8)]))).rejects.toMatchObject({
      code: 'ERR_FAISS_FILE_CORRUPT',
    });
  });

  test('whose file has a byte changed in its structure is refused or searched, and never ends the process', async () => {
    const whole = await (await filled(descriptor)).toBuffer();
    const rounds = 120;
    for (let i = 0; i < rounds; i++) {
      const damaged = Buffer.from(whole);
      const at = i < 80 ? i : Math.floor((whole.length * (i - 80)) / (rounds - 80));
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      try {
        const index = await Index.fromBuffer(damaged);
        if (index.dimension === DIMS && index.isTrained()) await index.search(queries, 3);
        await index.dispose();
      } catch (error) {
        expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_FAISS_/) });
      }
    }
  });
});

describe.each(['Flat', 'IVF8,Flat', 'PCA6,IVF8,Flat'])('a mapped index of kind %s', (descriptor) => {
  test('finds what it finds in memory', async () => {
    const index = await filled(descriptor);
    const path = await fileName();
    await index.write(path);
    const mapped = await Index.read(path, { mmap: true });
    expect([mapped.isMapped, mapped.ntotal(), mapped.dimension]).toEqual([true, 400, DIMS]);
    for (const rows of [undefined, { type: 'stride', every: 3, offset: 2 } as const]) {
      expect(await mapped.search(queries, 7, { rows })).toEqual(await index.search(queries, 7, { rows }));
    }
  });

  test('cannot be changed', async () => {
    const path = await fileName();
    await (await filled(descriptor)).write(path);
    const mapped = await Index.read(path, { mmap: true });
    const other = await filled(descriptor);
    for (const work of [
      mapped.add(vectors),
      mapped.train(vectors),
      mapped.removeIds([1]),
      mapped.mergeFrom(other),
      other.mergeFrom(mapped),
    ]) {
      await expect(work).rejects.toMatchObject({ code: 'ERR_FAISS_READ_ONLY' });
    }
    expect([mapped.ntotal(), other.ntotal()]).toEqual([400, 400]);
  });

  test('keeps its own version when a new file takes the name, and when the name goes', async () => {
    const path = await fileName();
    const index = await filled(descriptor);
    await index.write(path);
    const mapped = await Index.read(path, { mmap: true });
    const expected = await mapped.search(queries, 7);
    await index.add(randomVectors(50, DIMS));
    await index.write(path);
    expect((await Index.read(path)).ntotal()).toBe(450);
    await rename(path, `${path}.gone`);
    expect(await mapped.search(queries, 7)).toEqual(expected);
    await mapped.dispose();
  });
});

test('a mapped inverted file is not written, because its lists are not in memory', async () => {
  const path = await fileName();
  await (await filled('IVF8,Flat')).write(path);
  const mapped = await Index.read(path, { mmap: true });
  await expect(mapped.toBuffer()).rejects.toMatchObject({ code: 'ERR_FAISS_UNSUPPORTED' });
  await expect(mapped.write(`${path}.copy`)).rejects.toMatchObject({ code: 'ERR_FAISS_UNSUPPORTED' });
});

describe('a flat file', () => {
  test('that is mapped is exact over many blocks of rows', async () => {
    const dims = 300;
    const many = randomVectors(3_000, dims, 5);
    const query = randomVectors(2, dims, 6);
    const path = await fileName();
    const index = new IndexFlatIP(dims);
    await index.add(many);
    await index.write(path);
    const mapped = await Index.read(path, { mmap: true });
    const exact = searchExactly({ dims, vectors: many, metric: index.metric }, query, 12);
    expect((await mapped.search(query, 12)).labels).toEqual(exact.labels);
    expect(await mapped.reconstruct(2_999)).toEqual(many.slice(2_999 * dims));
    expect((await mapped.toBuffer()).equals(await readFile(path))).toBe(true);
  });

  test('may be empty', async () => {
    const path = await fileName();
    await new IndexFlatL2(3).write(path);
    for (const mmap of [false, true]) {
      const index = await Index.read(path, { mmap });
      expect([index.ntotal(), (await index.search([1, 2, 3], 4)).k]).toEqual([0, 0]);
    }
  });

  test('whose header asks for more memory than there is, is refused at once', async () => {
    const bytes = await (await filled('Flat')).toBuffer();
    bytes.writeBigUInt64LE(1n << 38n, 37);
    bytes.writeBigInt64LE(1n << 34n, 8);
    await expect(Index.fromBuffer(bytes)).rejects.toMatchObject({ code: 'ERR_FAISS_FILE_CORRUPT' });
    const lists = await (await filled('IVF8,Flat')).toBuffer();
    const sizes = lists.indexOf('full') + 4 + 8; // behind the word and their number: how long each list is
    lists.writeBigUInt64LE(1n << 34n, sizes);
    await expect(Index.fromBuffer(lists)).rejects.toMatchObject({ code: 'ERR_FAISS_FILE_CORRUPT' });
    const graph = await (await filled('HNSW8')).toBuffer();
    graph.writeBigUInt64LE(1n << 39n, 37); // the length of the graph's first table
    await expect(Index.fromBuffer(graph)).rejects.toMatchObject({ code: 'ERR_FAISS_FILE_CORRUPT' });
  });
});

describe('a graph file', () => {
  test('keeps the efSearch that it was made with', async () => {
    const bytes = await (await filled('HNSW8')).toBuffer();
    // efConstruction 40 and efSearch 16, the defaults of FAISS, lie beside each other.
    expect(bytes.includes(Buffer.from(Int32Array.of(40, 16).buffer))).toBe(true);
    const again = await Index.fromBuffer(bytes);
    await again.search(queries, 3, { efSearch: 300 });
    expect((await again.toBuffer()).equals(bytes)).toBe(true);
    const narrow = await again.search(queries, 3);
    expect(narrow).toEqual(await again.search(queries, 3, { efSearch: 16 }));
    await expect(again.search(queries, 3, { efSearch: 5_000 })).rejects.toThrow(/at most 4096/);
  });

  test('with an edge that leads nowhere is refused, so that no search follows it', async () => {
    const index = await filled('HNSW8');
    const bytes = await index.toBuffer();
    // The edges of all rows lie in one table of 32-bit numbers, behind its length in entries.
    const edge = bytes.indexOf(Buffer.from(Int32Array.of(-1, -1, -1).buffer));
    bytes.writeInt32LE(400, edge);
    await expect(Index.fromBuffer(bytes)).rejects.toMatchObject({
      code: 'ERR_FAISS_FILE_CORRUPT',
      message: expect.stringMatching(/graph/),
    });
  });
});

describe('what is no index', () => {
  test('a missing file is missing', async () => {
    const path = join(await temporaryFolder(), 'nothing.faiss');
    for (const mmap of [false, true]) {
      await expect(Index.read(path, { mmap })).rejects.toMatchObject({
        code: 'ERR_FAISS_FILE_MISSING',
        message: expect.stringContaining(path),
      });
    }
  });

  test('garbage and a folder are refused by name', async () => {
    const path = await fileName();
    await writeFile(path, 'This is a letter to a friend and not an index.');
    await expect(Index.read(path)).rejects.toMatchObject({
      code: 'ERR_FAISS_FILE_CORRUPT',
      message: expect.stringContaining(path),
    });
    await expect(Index.fromBuffer(new Uint8Array(100))).rejects.toMatchObject({ code: 'ERR_FAISS_FILE_CORRUPT' });
    const folder = join(await temporaryFolder(), 'folder');
    await mkdir(folder);
    for (const mmap of [false, true]) {
      await expect(Index.read(folder, { mmap })).rejects.toMatchObject({ code: 'ERR_FAISS_IO' });
    }
  });

  test('a binary index is refused', async () => {
    await expect(Index.fromBuffer(Buffer.concat([Buffer.from('IBxF'), Buffer.alloc(60)]))).rejects.toMatchObject({
      code: 'ERR_FAISS_FILE_CORRUPT',
    });
  });
});

describe('writing', () => {
  test('leaves the old file when it fails, and no half of a new one', async () => {
    const folder = await temporaryFolder();
    const index = await filled('Flat');
    await expect(index.write(join(folder, 'missing', 'index.faiss'))).rejects.toMatchObject({ code: 'ERR_FAISS_IO' });
    const taken = join(folder, 'taken');
    await mkdir(taken);
    await expect(index.write(taken)).rejects.toMatchObject({ code: 'ERR_FAISS_IO' });
    expect(await readdir(folder)).toEqual(['taken']);
  });

  test('at the same time to the same name leaves one whole file', async () => {
    const path = await fileName();
    const index = await filled('Flat');
    await Promise.all(Array.from({ length: 8 }, () => index.write(path)));
    expect((await Index.read(path)).ntotal()).toBe(400);
    await truncate(path, 100);
    await expect(Index.read(path)).rejects.toMatchObject({ code: 'ERR_FAISS_FILE_CORRUPT' });
  });
});
