import type { Config } from './config.ts';
import { MIGRATIONS as ACCOUNTS } from './core/accounts/migrations.ts';
import { createPgliteDatabase, type PgliteDatabase } from './core/database/database.pglite.ts';
import { createPostgresDatabase } from './core/database/database.postgres.ts';
import type { Database } from './core/database/database.ts';
import { MIGRATIONS as JOBS } from './core/jobs/migrations.ts';
import { MIGRATIONS as WEBHOOKS } from './core/webhooks/migrations.ts';

/** The database that the environment names, with every table of this program once it is started. */
export function createDatabase({ databaseUrl, dataDir }: Pick<Config, 'databaseUrl' | 'dataDir'>): Own {
  const migrations = [...ACCOUNTS, ...WEBHOOKS, ...JOBS];
  return databaseUrl === undefined
    ? createPgliteDatabase({ dataDir, migrations })
    : createPostgresDatabase({ url: databaseUrl, migrations });
}

/** Told apart, because one of them is a process's own. */
type Own = PgliteDatabase | (Database & { readonly kind: 'postgres' });
