import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createQuietThread, type QuietThread } from '#core/regions/quiet-thread.ts';
import { readTilesTable } from '#core/retrieval/tiles-table.ts';
import { type FileFacts, measureFile } from '#core/storage/checksums.ts';
import { writeTestRegion } from '../../e2e/region-bundle.ts';
import { COLOURS } from '../../e2e/service.ts';
import { temporaryFolder } from '../../temporary.ts';

// a thread of low priority may wait for the cores
vi.setConfig({ testTimeout: 120_000 });

let dir: string;
let files: FileFacts[];
let thread: QuietThread;
beforeEach(async () => {
  dir = await temporaryFolder();
  await writeFile(join(dir, 'index.faiss'), Buffer.alloc(3_000_000, 7));
  files = [await measureFile(dir, 'index.faiss')];
  thread = createQuietThread();
  onTestFinished(() => thread.stop());
});

/** Of every thread of this process its priority, 0 being the common one. */
async function priorities(): Promise<number[]> {
  const tasks = await readdir('/proc/self/task');
  const stats = await Promise.all(tasks.map((task) => readFile(`/proc/self/task/${task}/stat`, 'utf8')));
  return stats.map((stat) => Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]));
}

describe('the quiet thread', () => {
  test('verifies files, and names the one that is wrong', async () => {
    await expect(thread.verifyFiles(dir, files)).resolves.toBeUndefined();
    await truncate(join(dir, 'index.faiss'), 100);
    await expect(thread.verifyFiles(dir, files)).rejects.toMatchObject({
      name: 'Geo2Error',
      code: 'FILE_CORRUPT',
      message: 'index.faiss has 100 bytes, its manifest says 3000000.',
      data: { file: 'index.faiss' },
    });
  });

  test('reads the table of tiles as it is read without it, and says what is wrong with another', async () => {
    const region = await writeTestRegion(dir, { id: 'test', colours: COLOURS, modelVersion: '1' });
    const path = join(region, 'tiles.parquet');
    const read = await thread.readTilesTable(path, 'tiles.parquet', { headings: 4 });
    expect(read).toEqual(await readTilesTable(path, 'tiles.parquet', { headings: 4 }));
    expect(read.ids).toHaveLength(COLOURS.length);
    await expect(thread.readTilesTable(path, 'tiles.parquet', { headings: 3 })).rejects.toMatchObject({
      code: 'REGION_INVALID',
      data: { file: 'tiles.parquet' },
    });
  });

  test.runIf(process.platform === 'linux')('has a lower priority, alone of the process', async () => {
    const own = getPriority();
    const before = await priorities();
    expect(before.filter((nice) => nice === 10)).toEqual([]);
    await thread.verifyFiles(dir, files);
    expect((await priorities()).filter((nice) => nice === 10).length).toBeGreaterThan(0);
    expect(getPriority()).toBe(own);
  });

  test('lets go at once who does not wait any more, and goes on for others', async () => {
    const leaving = new AbortController();
    const left = thread.verifyFiles(dir, files, { signal: leaving.signal });
    leaving.abort();
    await expect(left).rejects.toMatchObject({ code: 'CANCELED' });
    await expect(thread.verifyFiles(dir, files, { signal: leaving.signal })).rejects.toMatchObject({
      code: 'CANCELED',
    });
    await expect(thread.verifyFiles(dir, files)).resolves.toBeUndefined();
  });

  test('ends what it is doing when it is stopped, and starts again when it is asked', async () => {
    const verifying = thread.verifyFiles(dir, files);
    const [ended] = await Promise.allSettled([verifying, thread.stop()]);
    expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'CANCELED' } });
    await expect(thread.verifyFiles(dir, files)).resolves.toBeUndefined();
  });
});
