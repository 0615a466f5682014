import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { chooseFairly, type Load, SHARES } from './fair-share.ts';

/** A delivery that is ours alone until its lease ends: an attempt is to be made now. */
export interface Claimed {
  readonly id: string;
  readonly tenant: string;
  readonly endpointId: string;
  readonly sick: boolean;
  readonly eventId: string;
  readonly payload: string;
  readonly url: string;
  /** As stored, the newest first; only those that are valid. */
  readonly sealedSecrets: readonly string[];
  /** Names this claim. */
  readonly lease: string;
}

export interface ClaimOptions {
  readonly now: Date;
  /** An attempt whose process has died is taken up again then. */
  readonly leasedUntil: Date;
  readonly lease: string;
  readonly room: Load['room'];
}

/** Rows that are looked at for one claim; each tenant's most urgent come first, so that none is crowded out. */
const MAX_CANDIDATES = 2_000;
const MAX_PER_TENANT = SHARES.well.perTenant + SHARES.sick.perTenant;

const InFlightSchema = z.object({ endpointId: z.string(), tenant: z.string(), sick: z.boolean() });
const CandidateSchema = InFlightSchema.extend({ id: z.string() });
const ClaimedSchema = CandidateSchema.extend({
  eventId: z.string(),
  payload: z.string(),
  url: z.string(),
  secret: z.string(),
  previousSecret: z.string().nullable(),
});

const SICK = '(e.failing_since is not null or e.slow)';

/**
 * Leases due deliveries, as many as there is room and fairness for; `busy` while another process does. Processes take turns, so
 * that the shares hold over all of them.
 */
export function claimDue(database: Database, options: ClaimOptions): Promise<Claimed[] | 'busy'> {
  const { now, leasedUntil, lease, room } = options;
  return database.transaction(async (sql) => {
    const [lock] = await sql.query(
      "select pg_try_advisory_xact_lock(hashtextextended('geo2 webhook claims', 0)) as held",
    );
    if (lock?.held !== true) return 'busy';
    const due = await candidates(sql, now);
    if (due.length === 0) return [];
    const chosen = chooseFairly(due, { inFlight: await inFlight(sql, now), room });
    if (chosen.length === 0) return [];
    const rows = await sql.query(
      `update geo2.webhook_deliveries d set lease = $3, leased_until = $4
       from geo2.webhook_endpoints e, geo2.webhook_events v
       where e.id = d.endpoint_id and v.id = d.event_id and d.id in (
         select id from geo2.webhook_deliveries
         where id = any($1::text[]) and status = 'pending' and (leased_until is null or leased_until <= $2)
         for update skip locked
       )
       returning d.id, d.tenant, d.endpoint_id as "endpointId", ${SICK} as sick, d.event_id as "eventId", v.payload, e.url,
         e.secret, case when e.previous_secret_until > $2 then e.previous_secret end as "previousSecret"`,
      [chosen.map(({ id }) => id), now, lease, leasedUntil],
    );
    return rows.map((row) => {
      const { secret, previousSecret, ...claimed } = ClaimedSchema.parse(row);
      return { ...claimed, lease, sealedSecrets: previousSecret === null ? [secret] : [secret, previousSecret] };
    });
  });
}

async function inFlight(sql: Sql, now: Date): Promise<Load['inFlight']> {
  const rows = await sql.query(
    `select d.endpoint_id as "endpointId", d.tenant, ${SICK} as sick
     from geo2.webhook_deliveries d join geo2.webhook_endpoints e on e.id = d.endpoint_id
     where d.leased_until > $1`,
    [now],
  );
  return rows.map((row) => InFlightSchema.parse(row));
}

/** The recursion leaps from one endpoint that something waits for to the next, however much waits for each. */
async function candidates(sql: Sql, now: Date): Promise<z.infer<typeof CandidateSchema>[]> {
  const rows = await sql.query(
    `with recursive waiting (endpoint_id) as (
       (select endpoint_id from geo2.webhook_deliveries where status = 'pending' order by endpoint_id limit 1)
       union all
       select (
         select d.endpoint_id from geo2.webhook_deliveries d
         where d.status = 'pending' and d.endpoint_id > w.endpoint_id
         order by d.endpoint_id limit 1
       )
       from waiting w where w.endpoint_id is not null
     ), due as (
       select d.id, e.tenant, e.id as endpoint_id, ${SICK} as sick, d.next_attempt_at,
         row_number() over (partition by e.tenant, ${SICK} order by d.next_attempt_at, d.id) as nth_of_tenant
       from waiting w
       join geo2.webhook_endpoints e
         on e.id = w.endpoint_id and e.disabled_reason is null and (e.paused_until is null or e.paused_until <= $1)
       cross join lateral (
         select id, next_attempt_at from geo2.webhook_deliveries d
         where d.endpoint_id = e.id and d.status = 'pending' and d.next_attempt_at <= $1
           and (d.leased_until is null or d.leased_until <= $1)
         order by d.next_attempt_at, d.id limit ${SHARES.well.perEndpoint}
       ) d
     )
     select id, tenant, endpoint_id as "endpointId", sick from due
     where nth_of_tenant <= ${MAX_PER_TENANT}
     order by nth_of_tenant, next_attempt_at, id limit ${MAX_CANDIDATES}`,
    [now],
  );
  return rows.map((row) => CandidateSchema.parse(row));
}
