import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createPgliteDatabase } from '#core/database/database.pglite.ts';
import { createPostgresDatabase } from '#core/database/database.postgres.ts';
import type { Database, Migration } from '#core/database/database.ts';
import { startPostgres } from './postgres.ts';

/** A database of one's own, with what ends it. */
export interface OwnDatabase {
  readonly database: Database;
  /** Another connection to the same data, as another process has; only where there can be one. */
  another?(): Database;
  stop(): Promise<void>;
}

/** Embedded, in a folder that goes with it. */
export async function openPglite(migrations: readonly Migration[]): Promise<OwnDatabase> {
  const dataDir = await mkdtemp(join(tmpdir(), 'geo2-data-'));
  const database = createPgliteDatabase({ dataDir, migrations });
  await database.start();
  return {
    database,
    async stop() {
      await database.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A server that was started for this alone. */
export async function openPostgres(migrations: readonly Migration[]): Promise<OwnDatabase> {
  const server = await startPostgres();
  const opened: Database[] = [];
  const open = (): Database => {
    const database = createPostgresDatabase({ url: server.url, migrations });
    opened.push(database);
    return database;
  };
  const database = open();
  await database.start();
  return {
    database,
    another: open,
    async stop() {
      await Promise.all(opened.map((each) => each.stop()));
      await server.stop();
    },
  };
}

/** Defines the same tests for PGlite and for PostgreSQL; those of one kind share a database. */
export function eachDatabase(migrations: readonly Migration[], define: (own: () => OwnDatabase) => void): void {
  describe.each([
    ['PGlite', openPglite],
    ['PostgreSQL', openPostgres],
  ])('on %s', (_name, open) => {
    let own: OwnDatabase | undefined;
    beforeAll(async () => {
      own = await open(migrations);
    });
    afterAll(() => own?.stop());
    define(() => {
      if (own === undefined) throw new Error('the database is not open');
      return own;
    });
  });
}
