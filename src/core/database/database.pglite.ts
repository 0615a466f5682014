import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { PGlite, Transaction } from '@electric-sql/pglite';
import { Geo2Error } from '../errors.ts';
import { type DataLock, lockDataDir } from './data-lock.ts';
import type { Database, Migration, Sql } from './database.ts';
import { databaseFailure } from './failure.ts';
import { migrate } from './migrate.ts';

export interface PgliteOptions {
  /** Folder of the database, made when it is missing; locked against other processes while it is open. */
  readonly dataDir: string;
  readonly migrations: readonly Migration[];
}

export interface PgliteDatabase extends Database {
  readonly kind: 'pglite';
  /** Takes the folder for this process without opening the database, which costs memory. Errors: DATABASE_FAILED. */
  reserve(): Promise<unknown>;
}

/** Where in a data folder the database lies. */
export function pgliteFolder(dataDir: string): string {
  return join(dataDir, 'pglite');
}

/**
 * PostgreSQL inside this process, one connection: for one machine without a server. It survives the death of the process, and
 * no power cut is promised (PGlite does not flush its files). Errors of the start: DATABASE_FAILED when another process has
 * the folder open.
 */
export function createPgliteDatabase({ dataDir, migrations }: PgliteOptions): PgliteDatabase {
  const folder = pgliteFolder(dataDir);
  let locking: Promise<DataLock> | undefined;
  let opening: Promise<PGlite> | undefined;
  let closing: Promise<void> | undefined;
  let stopped = false;

  function reserve(): Promise<DataLock> {
    locking ??= take().catch((error: unknown) => {
      locking = undefined;
      throw error;
    });
    return locking;
  }

  async function take(): Promise<DataLock> {
    await mkdir(dataDir, { recursive: true });
    return lockDataDir(dataDir);
  }

  async function release(): Promise<void> {
    const lock = await locking?.catch(() => undefined);
    locking = undefined;
    await lock?.release();
  }

  async function open(): Promise<PGlite> {
    await reserve();
    let pglite: PGlite | undefined;
    try {
      const { PGlite } = await import('@electric-sql/pglite'); // 50 MB of WebAssembly: only where it is used
      pglite = await PGlite.create(folder);
      await pglite.transaction((tx) => migrate(sqlOf(tx), migrations));
      return pglite;
    } catch (cause) {
      await pglite?.close().catch(() => {});
      await release();
      throw databaseFailure(cause, `The database in ${folder} cannot be opened`);
    }
  }

  function opened(): Promise<PGlite> {
    if (stopped) return Promise.reject(new Geo2Error('DATABASE_FAILED', 'The database is stopped.'));
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  async function close(): Promise<void> {
    const pglite = await opening?.catch(() => undefined);
    opening = undefined;
    await pglite?.close();
    await release();
  }

  async function query(text: string, parameters: readonly unknown[] = []) {
    const pglite = await opened();
    try {
      return await rowsOf(pglite, text, parameters);
    } catch (cause) {
      // a script that failed between BEGIN and COMMIT would spoil the only connection
      if (!stopped) await pglite.query('rollback').catch(() => {});
      throw databaseFailure(cause);
    }
  }

  return {
    kind: 'pglite',
    query,
    reserve,

    async transaction(work) {
      const pglite = await opened();
      try {
        return await pglite.transaction((tx) => work(sqlOf(tx)));
      } catch (cause) {
        throw databaseFailure(cause);
      }
    },

    async listen(channel, onNotification, onGap) {
      const pglite = await opened();
      const unlisten = await pglite.listen(channel, onNotification).catch((cause: unknown) => {
        throw databaseFailure(cause, `Cannot listen on ${channel}`);
      });
      onGap();
      return { close: () => unlisten() };
    },

    async start() {
      await closing;
      stopped = false;
      await opened();
    },

    stop() {
      stopped = true;
      closing ??= close().finally(() => {
        closing = undefined;
      });
      return closing;
    },
  };
}

function sqlOf(tx: Transaction): Sql {
  return {
    async query(text, parameters = []) {
      try {
        return await rowsOf(tx, text, parameters);
      } catch (cause) {
        throw databaseFailure(cause);
      }
    },
  };
}

/** `exec` takes several statements and no parameters, `query` the opposite. */
async function rowsOf(
  runner: Pick<Transaction, 'query' | 'exec'>,
  text: string,
  parameters: readonly unknown[],
): Promise<Record<string, unknown>[]> {
  if (parameters.length > 0) return (await runner.query<Record<string, unknown>>(text, [...parameters])).rows;
  return (await runner.exec(text)).flatMap(({ rows }) => rows);
}
