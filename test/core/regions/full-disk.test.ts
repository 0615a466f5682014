import { execFile, execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as z from 'zod';
import { checkRoom, openWorkFolder } from '#core/regions/work-folder.ts';
import { temporaryFolder } from '../../temporary.ts';

const run = promisify(execFile);

/** A real file system of half a megabyte; only root may mount one. */
function canMount(): boolean {
  if (process.getuid?.() === 0) {
    try {
      execFileSync('mount', ['--version']);
      return true;
    } catch {
      // told below
    }
  }
  process.stderr.write('A full disk is not tested: a small file system can only be mounted as root\n');
  return false;
}

let disk: string;
const possible = canMount();
beforeAll(async () => {
  disk = await mkdtemp(join(tmpdir(), 'geo2-disk-'));
  if (possible) await run('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk]);
});
afterAll(async () => {
  if (possible) await run('umount', [disk]);
  await rm(disk, { recursive: true, force: true });
});

const plan = { plan: { fingerprint: 'one' }, noted: { version: 'v1' }, schema: z.object({ version: z.string() }) };
const vectors = new Float32Array(30_000).fill(0.5);

test.runIf(possible)('a disk that becomes full is told with what to do, and what was finished is kept', async () => {
  const dir = join(disk, 'work');
  const { folder } = await openWorkFolder(dir, plan);
  const chunk = { tiles: [], leftOut: 0, vectors };
  await folder.writeTiles(0, chunk);
  const filling = async (): Promise<void> => {
    for (let i = 1; i < 20; i++) await folder.writeTiles(i, chunk);
  };
  await expect(filling()).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringMatching(/^The disk is full at .*: make room and run the same command again/),
  });
  const again = await openWorkFolder(dir, plan);
  expect([again.resumed, again.noted]).toEqual([true, { version: 'v1' }]);
  expect(await again.folder.readTiles(0)).toMatchObject({ leftOut: 0 });
  expect(await again.folder.readTiles(19)).toBeUndefined();
});

test.runIf(possible)('a disk that is too small is told before the work begins', async () => {
  await rm(join(disk, 'work'), { recursive: true, force: true });
  await expect(checkRoom(disk, 1_000_000)).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringMatching(/free; the work needs about .*--work/),
  });
  await expect(checkRoom(disk, 1_000)).resolves.toBeUndefined();
});

test('work for another plan is removed, and a chunk that was damaged is made again', async () => {
  const dir = join(await temporaryFolder(), 'work');
  const { folder } = await openWorkFolder(dir, plan);
  await folder.writeTiles(0, { tiles: [], leftOut: 3, vectors });
  expect(await folder.readTiles(0)).toMatchObject({ leftOut: 3 });
  await truncate(join(dir, 'tiles-000000.f32'), 100);
  expect(await folder.readTiles(0)).toBeUndefined();
  const other = await openWorkFolder(dir, { ...plan, plan: { fingerprint: 'another' } });
  expect(other.resumed).toBe(false);
  expect(await readdir(dir)).toEqual(['plan.json']);
});
