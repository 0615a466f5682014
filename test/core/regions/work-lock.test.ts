import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { whileLocked } from '#core/regions/work-lock.ts';
import { temporaryFolder } from '../../temporary.ts';

test('of those who want a folder one works there, also in one process, and the next when it has ended', async () => {
  const dir = join(await temporaryFolder(), 'deep/work');
  let working = 0;
  const work = async () => {
    working++;
    expect(working).toBe(1);
    await rm(dir, { recursive: true, force: true }); // the lock does not lie in it
    await mkdir(dir);
    await wait(20);
    working--;
    return 'done';
  };
  const told = await Promise.allSettled(Array.from({ length: 4 }, () => whileLocked(dir, work)));
  expect(told.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected', 'rejected', 'rejected']);
  for (const outcome of told) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'STORE_CONFLICT' });
  }
  await expect(whileLocked(dir, work)).resolves.toBe('done');
  await expect(whileLocked(join(dir, '../another'), work)).resolves.toBe('done');
});

test('is given back when the work fails', async () => {
  const dir = join(await temporaryFolder(), 'work');
  const failing = () => Promise.reject(new Error('no luck'));
  await expect(whileLocked(dir, failing)).rejects.toThrow('no luck');
  await expect(whileLocked(dir, async () => 'done')).resolves.toBe('done');
});

test('where no lock can be taken says which file, and what to do', async () => {
  const dir = join(await temporaryFolder(), 'work');
  await writeFile(`${dir}.lock`, 'x'.repeat(4096));
  await expect(whileLocked(dir, async () => 'done')).rejects.toMatchObject({
    code: 'STORE_FAILED',
    message: expect.stringMatching(/work\.lock cannot be locked: .*--work/),
  });
});
