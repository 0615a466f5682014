import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { readCatalog } from '#core/regions/catalog.ts';
import { publishRegion, rollBackRegion } from '#core/regions/publish.ts';
import type { OpenIndex } from '#core/retrieval/region.ts';
import { openExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { readCurrent } from '#core/storage/versioned.ts';
import { copyVersion, replaceFile, writeTestRegion } from '../../e2e/region-bundle.ts';
import { COLOURS } from '../../e2e/service.ts';
import { temporaryFolder } from '../../temporary.ts';

const execute = promisify(execFile);
const plain = { openIndex: openExactIndex };
let dir: string;
let regionDir: string;
let store: ReturnType<typeof createFsObjectStore>;
beforeEach(async () => {
  dir = await temporaryFolder();
  await fill();
});

async function fill(): Promise<void> {
  store = createFsObjectStore({ url: pathToFileURL(dir).href });
  regionDir = join(dir, 'regions/one');
  await writeTestRegion(dir, { id: 'one', colours: COLOURS, modelVersion: '1' });
  for (const to of ['2', '3']) await copyVersion(regionDir, { to });
}

const publish = (version: string, options: Parameters<typeof publishRegion>[2] = plain) =>
  publishRegion(store, { id: 'one', version }, options);

async function pointer(): Promise<{ version: string | undefined; previous: string | undefined }> {
  const { version, previous } = (await readCurrent(store, 'regions/one')) ?? {};
  return { version, previous };
}

async function catalogued(): Promise<string | undefined> {
  const found = await readCatalog(store);
  return found === undefined || found === 'unchanged' ? undefined : found.regions[0]?.version;
}

describe('publishing', () => {
  test('moves the pointer and the catalogue, there, on, and back', async () => {
    expect(await publish('2')).toEqual({ replaced: '1' });
    expect([await pointer(), await catalogued()]).toEqual([{ version: '2', previous: '1' }, '2']);
    expect(await publish('3')).toEqual({ replaced: '2' });
    expect(await rollBackRegion(store, 'one', plain)).toEqual({ version: '2', replaced: '3' });
    expect([await pointer(), await catalogued()]).toEqual([{ version: '2', previous: '3' }, '2']);
  });

  test('of two at the same time moves it once, and the other is told', async () => {
    const opened = Promise.withResolvers<void>();
    const meanwhile: OpenIndex = async (path) => {
      await publish('3'); // between the other's look at the pointer and its move
      opened.resolve();
      return openExactIndex(path);
    };
    await expect(publish('2', { openIndex: meanwhile })).rejects.toMatchObject({
      code: 'STORE_CONFLICT',
      message: expect.stringMatching(
        /regions\/one was published by somebody else at the same time: look what is served/,
      ),
    });
    await opened.promise;
    expect([await pointer(), await catalogued()]).toEqual([{ version: '3', previous: '1' }, '3']);
  });

  test('of a version that answers its golden queries otherwise is refused, and so is rolling back to it', async () => {
    await publish('2');
    const wrong = { name: 'tile-0', vector: '', expected: [{ tile: 'tile-0', orientation: 0, similarity: 1 }] };
    const vector = Buffer.from(new Float32Array([1, 0, 0, 0, 0, 0, 0, 0]).buffer).toString('base64');
    const golden = Buffer.from(JSON.stringify({ schemaVersion: 1, queries: [{ ...wrong, vector }] }));
    for (const version of ['1', '3']) await replaceFile(join(regionDir, version), 'golden-queries.json', golden);
    const refusal = { code: 'REGION_INVALID', data: { file: 'golden-queries.json' } };
    await expect(publish('3')).rejects.toMatchObject(refusal);
    await expect(rollBackRegion(store, 'one', plain)).rejects.toMatchObject(refusal);
    expect(await pointer()).toEqual({ version: '2', previous: '1' });
  });

  test('can be given up before the pointer moves', async () => {
    const leaving = new AbortController();
    const openIndex: OpenIndex = async (path) => {
      leaving.abort();
      return openExactIndex(path);
    };
    await expect(publish('2', { openIndex, signal: leaving.signal })).rejects.toMatchObject({ code: 'CANCELED' });
    expect(await pointer()).toEqual({ version: '1', previous: undefined });
  });

  test.runIf(userInfo().uid === 0)('where the store’s disk is full says so, and the pointer stays', async () => {
    await execute('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir]);
    onTestFinished(async () => void (await execute('umount', [dir])));
    await fill();
    await writeFile(join(dir, 'filler'), Buffer.alloc(2_000_000)).catch(() => {}); // until nothing is left
    await expect(publish('2')).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/regions\/one\/current\.json cannot be written: the disk is full\. Make room/),
    });
    expect(await pointer()).toEqual({ version: '1', previous: undefined });
    await writeFile(join(dir, 'filler'), '');
    expect(await publish('2')).toEqual({ replaced: '1' });
  });
});
