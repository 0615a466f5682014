import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { type EventDeps, type EventType, recordEvent } from './events.ts';

export interface RegionNoticeDeps extends EventDeps {
  readonly database: Database;
}

export interface NoticedRegion {
  readonly id: string;
  /** The version that the store's pointer names at this moment; undefined where nothing is published. */
  readonly readVersion: () => Promise<string | undefined>;
}

/** What became of a region since anybody looked last. */
export type RegionChange = Extract<EventType, 'region.published' | 'region.rolled_back'>;

/**
 * Compares a region's pointer with the version that was noticed last, and records what changed for every tenant that subscribed:
 * once, whoever notices it first, and however many processes and commands look. Going back to a version that was in use before the
 * present one is a roll-back, anything else a publication. What was moved there and back between two looks was not seen.
 */
export function noticeRegion(region: NoticedRegion, deps: RegionNoticeDeps): Promise<RegionChange | undefined> {
  return deps.database.transaction(async (sql) => {
    // the pointer is read under the lock: who looks last has the newest, and no older one can follow it
    await sql.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`geo2 region ${region.id}`]);
    const version = await region.readVersion();
    if (version === undefined) return undefined;
    const previous = await previousVersion(sql, region.id);
    if (previous === version) return undefined;
    const change: RegionChange = (await isOlder(sql, region.id, { version, than: previous }))
      ? 'region.rolled_back'
      : 'region.published';
    await sql.query(
      `insert into geo2.region_versions (region, version) values ($1, $2) on conflict (region, version) do nothing`,
      [region.id, version],
    );
    await sql.query(
      `insert into geo2.region_pointers (region, version, seen_at) values ($1, $2, $3)
       on conflict (region) do update set version = excluded.version, seen_at = excluded.seen_at`,
      [region.id, version, deps.now()],
    );
    for (const tenant of await subscribedTenants(sql, change)) {
      const links = { region: `/v1/regions/${region.id}` };
      const data = { id: region.id, version, previousVersion: previous ?? null, links };
      await recordEvent(sql, { tenant, type: change, data, region: region.id }, deps);
    }
    return change;
  });
}

const VersionRowSchema = z.object({ version: z.string() });
const TenantRowSchema = z.object({ tenant: z.string() });

async function previousVersion(sql: Sql, region: string): Promise<string | undefined> {
  const [row] = await sql.query('select version from geo2.region_pointers where region = $1', [region]);
  return row === undefined ? undefined : VersionRowSchema.parse(row).version;
}

/** Whether a version was in use before another one was for the first time. */
async function isOlder(
  sql: Sql,
  region: string,
  { version, than }: { version: string; than: string | undefined },
): Promise<boolean> {
  if (than === undefined) return false;
  const rows = await sql.query(
    `select from geo2.region_versions a join geo2.region_versions b using (region)
     where region = $1 and a.version = $2 and b.version = $3 and a.first_seen < b.first_seen`,
    [region, version, than],
  );
  return rows.length > 0;
}

async function subscribedTenants(sql: Sql, type: EventType): Promise<string[]> {
  const rows = await sql.query(
    'select distinct tenant from geo2.webhook_endpoints where $1 = any(events) order by tenant',
    [type],
  );
  return rows.map((row) => TenantRowSchema.parse(row).tenant);
}
