import { type FileHandle, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';

/** Held by the one process that has a data folder open. */
export interface DataLock {
  release(): Promise<void>;
}

const OwnerSchema = z.object({ pid: z.int().positive(), host: z.string(), startedAt: z.string() });
type Owner = z.infer<typeof OwnerSchema>;

const TOUCH_MS = 5_000;
/** An owner that cannot be looked up (another host, an unreadable file) is taken for dead when it was silent for so long. */
const SILENT_MS = 20_000;

/**
 * Takes the folder for this process; the lock of a process that died is taken over. Throws DATABASE_FAILED, naming the owner,
 * while another process lives that has it.
 */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  const path = join(dataDir, 'owner.lock');
  const self: Owner = { pid: process.pid, host: hostname(), startedAt: (await startOf(process.pid)) ?? '' };
  for (let attempt = 0; attempt < 3; attempt++) {
    const handle = await openNew(path);
    if (handle !== undefined) {
      await handle.writeFile(JSON.stringify(self));
      await handle.close();
      return keep(path);
    }
    const owner = await readOwner(path);
    if (await isAlive(path, owner)) throw inUse(dataDir, owner);
    await rm(path, { force: true });
  }
  throw inUse(dataDir, await readOwner(path));
}

/** Throws DATABASE_FAILED, naming the owner, while a process lives that has the folder; takes and changes nothing. */
export async function checkUnlocked(dataDir: string): Promise<void> {
  const path = join(dataDir, 'owner.lock');
  const owner = await readOwner(path);
  if (await isAlive(path, owner)) throw inUse(dataDir, owner);
}

function keep(path: string): DataLock {
  const touch = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {}); // a folder that was removed has no lock to keep
  }, TOUCH_MS);
  touch.unref();
  return {
    async release() {
      clearInterval(touch);
      await rm(path, { force: true });
    },
  };
}

async function isAlive(path: string, owner: Owner | undefined): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return false;
  if (owner === undefined || owner.host !== hostname()) return Date.now() - found.mtimeMs < SILENT_MS;
  try {
    process.kill(owner.pid, 0);
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ESRCH') return false;
  }
  const startedAt = await startOf(owner.pid);
  return startedAt === undefined || startedAt === owner.startedAt; // else another program got the same number
}

/** When a process was started, in ticks since the machine was; undefined where there is no /proc. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

async function readOwner(path: string): Promise<Owner | undefined> {
  const text = await readFile(path, 'utf8').catch(() => '');
  try {
    return OwnerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function openNew(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return undefined;
    throw cause;
  }
}

function inUse(dataDir: string, owner: Owner | undefined): Geo2Error {
  const who = owner === undefined ? 'another process' : `process ${owner.pid} on ${owner.host}`;
  return new Geo2Error(
    'DATABASE_FAILED',
    `The data folder ${dataDir} is in use by ${who}: stop it, set another GEO2_DATA_DIR, or share a PostgreSQL through GEO2_DATABASE_URL.`,
    { data: { dataDir } },
  );
}
