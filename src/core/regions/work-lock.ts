import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Geo2Error } from '../errors.ts';
import { diskError } from './work-folder.ts';

const SQLITE_BUSY = 5;
const SQLITE_FULL = 13;

/**
 * Runs `work` as the only one in a folder. The lock is the operating system's, on a file beside the folder: it ends with its
 * process, however that ends, and nothing has to be removed by hand. Errors: STORE_CONFLICT (another one is at work there),
 * STORE_FAILED (no lock can be taken on this file system), those of the work.
 */
export async function whileLocked<T>(dir: string, work: () => Promise<T>): Promise<T> {
  const path = `${dir}.lock`;
  await mkdir(dirname(dir), { recursive: true }).catch((cause: unknown) => {
    throw diskError(dir, cause);
  });
  const database = take(path, dir);
  try {
    return await work();
  } finally {
    database.close();
  }
}

/** A database that says who holds it, with a transaction that stays open: the lock. */
function take(path: string, dir: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec('BEGIN IMMEDIATE; CREATE TABLE IF NOT EXISTS holder (said TEXT); DELETE FROM holder');
    database.prepare('INSERT INTO holder VALUES (?)').run(`process ${process.pid} on ${hostname()}`);
    database.exec('COMMIT; BEGIN IMMEDIATE');
    return database;
  } catch (cause) {
    const holder = codeOf(cause) === SQLITE_BUSY && database !== undefined ? holderOf(database) : undefined;
    database?.close();
    throw lockError({ path, dir, holder, cause });
  }
}

function holderOf(database: DatabaseSync): string {
  try {
    const said = database.prepare('SELECT said FROM holder').get()?.said;
    return typeof said === 'string' ? said : 'another process';
  } catch {
    return 'another process'; // which has not said its name yet
  }
}

function lockError(found: { path: string; dir: string; holder: string | undefined; cause: unknown }): Geo2Error {
  const { path, dir, holder, cause } = found;
  if (holder !== undefined) {
    return new Geo2Error(
      'STORE_CONFLICT',
      `${dir} is in use: ${holder} builds there. Wait until it has ended and run the command again; a build beside it needs a --work folder and a --version of its own.`,
      { data: { file: path, holder }, cause },
    );
  }
  const why =
    codeOf(cause) === SQLITE_FULL
      ? 'the disk is full, make room'
      : `${cause instanceof Error ? cause.message : String(cause)}; name a folder on a disk of this machine with --work`;
  return new Geo2Error('STORE_FAILED', `${path} cannot be locked: ${why}.`, { data: { file: path }, cause });
}

function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'errcode' in cause ? cause.errcode : undefined;
}
