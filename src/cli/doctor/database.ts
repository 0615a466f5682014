import pg from 'pg';
import * as z from 'zod';
import type { Config } from '../../config.ts';
import { checkUnlocked } from '../../core/database/data-lock.ts';
import { type Finding, messageOf } from './finding.ts';
import { checkDataDir } from './machine.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const MIN_MAJOR = 13;

const AboutSchema = z.tuple([
  z.object({ version: z.string(), major: z.coerce.number(), mayCreate: z.boolean(), hasSchema: z.boolean() }),
]);

/** Looks, and neither makes nor migrates anything: a start does that. */
export async function checkDatabase({
  databaseUrl,
  dataDir,
}: Pick<Config, 'databaseUrl' | 'dataDir'>): Promise<Finding> {
  return databaseUrl === undefined ? checkEmbedded(dataDir) : checkServer(databaseUrl);
}

async function checkEmbedded(dataDir: string): Promise<Finding> {
  const folder = await checkDataDir(dataDir);
  if (folder.status !== 'ok') return { ...folder, check: 'database' };
  try {
    await checkUnlocked(dataDir);
  } catch (error) {
    // a service that runs is the usual reason to ask a doctor
    return {
      check: 'database',
      status: 'warn',
      detail: messageOf(error),
      advice: 'fine if that is the service itself',
    };
  }
  return { check: 'database', status: 'ok', detail: `embedded, in ${folder.detail}` };
}

async function checkServer(url: string): Promise<Finding> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  const { hostname, pathname } = new URL(url); // never the password
  const where = `PostgreSQL, ${pathname.slice(1)} at ${hostname}`;
  try {
    await client.connect();
    const { rows } = await client.query(
      `select current_setting('server_version') as version,
              current_setting('server_version_num')::int / 10000 as major,
              has_database_privilege(current_database(), 'CREATE') as "mayCreate",
              exists (select from information_schema.schemata where schema_name = 'geo2') as "hasSchema"`,
    );
    const [{ version, major, mayCreate, hasSchema }] = AboutSchema.parse(rows);
    const detail = `${where}, version ${version}${hasSchema ? '' : '; the first start makes its schema'}`;
    if (major < MIN_MAJOR) {
      return { check: 'database', status: 'fail', detail, advice: `PostgreSQL ${MIN_MAJOR} or later is needed` };
    }
    if (!mayCreate && !hasSchema) {
      return {
        check: 'database',
        status: 'fail',
        detail,
        advice: 'grant CREATE on the database to the user of GEO2_DATABASE_URL',
      };
    }
    return { check: 'database', status: 'ok', detail };
  } catch (error) {
    return {
      check: 'database',
      status: 'fail',
      detail: `${where}: ${messageOf(error)}`,
      advice: 'check GEO2_DATABASE_URL, that the server runs, and that it lets this machine in',
    };
  } finally {
    await client.end().catch(() => {});
  }
}
