import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createPgliteDatabase } from '#core/database/database.pglite.ts';
import { databaseContract } from '../../contract/database.ts';

const folders: string[] = [];
afterAll(async () => void (await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })))));

async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'geo2-pglite-'));
  folders.push(folder);
  return folder;
}

/** Making a cluster takes seconds: it is made once and copied. */
let template: string;
beforeAll(async () => {
  template = await emptyFolder();
  const database = createPgliteDatabase({ dataDir: template, migrations: [] });
  await database.start();
  await database.stop();
}, 240_000);

async function newFolder(): Promise<string> {
  const folder = await emptyFolder();
  await cp(template, folder, { recursive: true });
  return folder;
}

databaseContract(async () => {
  const dataDir = await newFolder();
  return { open: (migrations) => createPgliteDatabase({ dataDir, migrations }) };
});

/** Opens the folder in a process of its own, which lives until it is killed. */
async function openElsewhere(dataDir: string) {
  const module = join(import.meta.dirname, '../../../src/core/database/database.pglite.ts');
  const script = `
    const { createPgliteDatabase } = await import(${JSON.stringify(module)});
    const database = createPgliteDatabase({ dataDir: ${JSON.stringify(dataDir)}, migrations: [] });
    await database.query('create table geo2.kept as select 42 as answer');
    console.log('open');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(createInterface({ input: child.stdout }), 'line');
  return child;
}

test('a folder that another process has open is refused with what to do; the death of that process frees it', {
  timeout: 120_000,
}, async () => {
  const dataDir = await newFolder();
  const other = await openElsewhere(dataDir);
  const database = createPgliteDatabase({ dataDir, migrations: [] });
  await expect(database.start()).rejects.toMatchObject({
    code: 'DATABASE_FAILED',
    message: expect.stringMatching(new RegExp(`in use by process ${other.pid} .*GEO2_DATA_DIR.*GEO2_DATABASE_URL`)),
  });
  const ended = once(other, 'exit');
  other.kill('SIGKILL');
  await ended;
  expect(await database.query('select answer from geo2.kept')).toEqual([{ answer: 42 }]);
  await database.stop();
});

test('a folder is opened once in one process, too', async () => {
  const dataDir = await newFolder();
  const first = createPgliteDatabase({ dataDir, migrations: [] });
  await first.reserve();
  const second = createPgliteDatabase({ dataDir, migrations: [] });
  await expect(second.start()).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
  await expect(second.reserve()).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
  await first.start();
  await first.stop();
  await second.start();
  await second.stop();
});

test.each([
  ['of another host that has been silent', JSON.stringify({ pid: 1, host: 'elsewhere', startedAt: '1' }), 60],
  ['that nobody can read and that is old', '{', 60],
  [
    'of a process whose number another program has now',
    JSON.stringify({ pid: 1, host: hostname(), startedAt: 'x' }),
    0,
  ],
])('a lock %s is taken over', async (_what, text, ageS) => {
  const dataDir = await newFolder();
  await writeFile(join(dataDir, 'owner.lock'), text);
  const then = new Date(Date.now() - ageS * 1000);
  await utimes(join(dataDir, 'owner.lock'), then, then);
  const database = createPgliteDatabase({ dataDir, migrations: [] });
  await database.start();
  expect(await readFile(join(dataDir, 'owner.lock'), 'utf8')).toContain(`"pid":${process.pid}`);
  await database.stop();
});

test('a lock of another host that is fresh is respected', async () => {
  const dataDir = await newFolder();
  await writeFile(join(dataDir, 'owner.lock'), JSON.stringify({ pid: 1, host: 'elsewhere', startedAt: '1' }));
  const database = createPgliteDatabase({ dataDir, migrations: [] });
  await expect(database.start()).rejects.toThrow('in use by process 1 on elsewhere');
});
