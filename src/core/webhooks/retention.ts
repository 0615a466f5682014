import type { Sql } from '../database/database.ts';

/** How long events, deliveries and attempts are kept: the log, and what can be resent. */
export const RETENTION_DAYS = 30;
/** One statement's worth: a long one would hold others up. */
const BATCH = 1_000;

/** Deletes events that are older, with their deliveries and attempts, except while one of them is still to be delivered. */
export async function purgeOldEvents(sql: Sql, now: Date): Promise<number> {
  const before = new Date(now.getTime() - RETENTION_DAYS * 24 * 60 * 60 * 1000);
  for (let purged = 0; ; ) {
    const rows = await sql.query(
      `delete from geo2.webhook_events where id in (
         select v.id from geo2.webhook_events v
         where v.created_at < $1 and not exists (
           select from geo2.webhook_deliveries d where d.event_id = v.id and d.status = 'pending'
         )
         order by v.created_at limit ${BATCH}
       ) returning id`,
      [before],
    );
    purged += rows.length;
    if (rows.length < BATCH) return purged;
  }
}
