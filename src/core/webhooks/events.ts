import * as z from 'zod';
import type { Sql } from '../database/database.ts';
import type { NewId } from '../ids.ts';

/** What an endpoint may subscribe to. */
export const EVENT_TYPES = [
  'job.succeeded',
  'job.failed',
  'job.canceled',
  'region.published',
  'region.rolled_back',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

/** Sent to one endpoint when its owner asks for it; nobody subscribes to it. */
export const TEST_EVENT = 'webhook.test';

export interface WebhookEvent {
  readonly tenant: string;
  readonly type: EventType;
  /** What happened to what: ids, states and links rather than results. It is cut when it is too large. */
  readonly data: Readonly<Record<string, unknown>>;
  /** Whose event it is: endpoints that are confined to other regions are not told. */
  readonly region?: string | undefined;
}

export interface EventDeps {
  readonly newId: NewId;
  readonly now: () => Date;
}

/** Notified, in the transaction, of deliveries that are due at once. */
export const DELIVERIES_CHANNEL = 'geo2_deliveries';

/** Receivers bound what they read. */
export const MAX_PAYLOAD_BYTES = 20_000;
/** A member of this size still fits when others do not. */
const MAX_KEPT_MEMBER_BYTES = 1_000;

const SubscribedSchema = z.array(z.object({ id: z.string(), enabled: z.boolean() }));

/**
 * Writes down an event and one delivery for each endpoint of the tenant that subscribed to it, in the caller's transaction: what
 * is rolled back was never told, what is committed is delivered at least once. Deliveries to a disabled endpoint are written as
 * failed, so that `recover` finds them. Returns the event's id, which is `webhook-id` in every attempt; undefined where nobody
 * subscribed.
 */
export async function recordEvent(sql: Sql, event: WebhookEvent, deps: EventDeps): Promise<string | undefined> {
  const { tenant, type, data, region = null } = event;
  const subscribed = SubscribedSchema.parse(
    // the lock keeps the endpoint until we are done: a delivery to one that is being deleted would roll back the caller's work
    await sql.query(
      `select id, disabled_reason is null as enabled from geo2.webhook_endpoints
       where tenant = $1 and $2 = any(events) and ($3::text is null or regions is null or $3::text = any(regions))
       order by id for key share`,
      [tenant, type, region],
    ),
  );
  if (subscribed.length === 0) return undefined;
  const at = deps.now();
  const id = await insertEvent(sql, { tenant, type, payload: payloadOf(type, at, data), at }, deps.newId);
  await sql.query(
    `insert into geo2.webhook_deliveries (id, tenant, endpoint_id, event_id, status, next_attempt_at, created_at)
     select d.id, $1, d.endpoint_id, $2, case when d.enabled then 'pending' else 'failed' end,
            case when d.enabled then $3::timestamptz end, $3::timestamptz
     from unnest($4::text[], $5::text[], $6::boolean[]) as d (id, endpoint_id, enabled)`,
    [
      tenant,
      id,
      at,
      subscribed.map(() => deps.newId('dlv')),
      subscribed.map((endpoint) => endpoint.id),
      subscribed.map(({ enabled }) => enabled),
    ],
  );
  await announceDeliveries(sql);
  return id;
}

/** Wakes the dispatchers when the transaction is committed. */
export async function announceDeliveries(sql: Sql): Promise<void> {
  await sql.query(`select pg_notify($1, '')`, [DELIVERIES_CHANNEL]);
}

/** Writes down one event without any delivery. */
export async function insertEvent(
  sql: Sql,
  event: { tenant: string; type: string; payload: string; at: Date },
  newId: NewId,
): Promise<string> {
  const id = newId('msg');
  await sql.query(
    'insert into geo2.webhook_events (id, tenant, type, payload, created_at) values ($1, $2, $3, $4, $5)',
    [id, event.tenant, event.type, event.payload, event.at],
  );
  return id;
}

/**
 * The body of every attempt: `{type, timestamp, data}`, where `timestamp` is when it happened. Of data that would make it too
 * large only small members are kept, and `truncated: true` says so.
 */
export function payloadOf(type: string, at: Date, data: Readonly<Record<string, unknown>>): string {
  const timestamp = at.toISOString();
  const whole = JSON.stringify({ type, timestamp, data });
  if (Buffer.byteLength(whole) <= MAX_PAYLOAD_BYTES) return whole;
  const kept: Record<string, unknown> = {};
  let room = MAX_PAYLOAD_BYTES - Buffer.byteLength(JSON.stringify({ type, timestamp, data: { truncated: true } }));
  for (const [name, value] of Object.entries(data)) {
    const bytes = Buffer.byteLength(JSON.stringify({ [name]: value })) - 1; // its braces are there, a comma comes
    if (bytes > MAX_KEPT_MEMBER_BYTES) continue;
    room -= bytes;
    if (room < 0) break;
    kept[name] = value;
  }
  return JSON.stringify({ type, timestamp, data: { ...kept, truncated: true } });
}
