import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import { ATTEMPT_OUTCOMES, type AttemptOutcome } from './attempt.ts';
import { announceDeliveries, type EventDeps, insertEvent, payloadOf, TEST_EVENT } from './events.ts';

export const DELIVERY_STATUSES = ['pending', 'succeeded', 'failed'] as const;

/** `failed` is final until it is resent or recovered. */
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

/** One event on its way to one endpoint. */
export interface Delivery {
  /** `dlv_…` */
  readonly id: string;
  /** `msg_…`, the `webhook-id` of every attempt. */
  readonly eventId: string;
  readonly type: string;
  readonly status: DeliveryStatus;
  /** While it is pending. */
  readonly nextAttemptAt: Date | undefined;
  readonly createdAt: Date;
  /** The latest ones, in order. */
  readonly attempts: readonly Attempt[];
}

export interface Attempt {
  readonly at: Date;
  readonly durationMs: number;
  readonly outcome: AttemptOutcome;
  /** Of the answer; undefined where there was none. */
  readonly status: number | undefined;
  /** Why it did not succeed. */
  readonly error: string | undefined;
}

export interface DeliveryPage {
  readonly deliveries: readonly Delivery[];
  /** For the next page; undefined on the last. */
  readonly next: string | undefined;
}

/** Everything takes tenant and endpoint: what is not theirs does not exist. */
export interface Deliveries {
  /** Newest first. `after` is a page's `next`. Errors: INVALID_REQUEST for a cursor that is none. */
  list(
    owner: Owner,
    page: { limit: number; after?: string | undefined; status?: DeliveryStatus | undefined },
  ): Promise<DeliveryPage>;
  find(owner: Owner, id: string): Promise<Delivery | undefined>;
  /** Makes it due now, with its whole schedule before it and the same event id. Errors: WEBHOOK_DISABLED. */
  resend(owner: Owner, id: string): Promise<Delivery | undefined>;
  /** The same for all that failed and whose event happened since then. Errors: WEBHOOK_DISABLED. */
  recover(owner: Owner, since: Date): Promise<{ recovered: number } | undefined>;
  /** An event of the type `webhook.test` for this endpoint. Errors: WEBHOOK_DISABLED. */
  sendTest(owner: Owner): Promise<Delivery | undefined>;
}

export interface Owner {
  readonly tenant: string;
  readonly endpointId: string;
}

/** Of the attempts that a delivery is shown with. */
const MAX_SHOWN_ATTEMPTS = 20;

const AttemptSchema = z
  .object({
    delivery_id: z.string(),
    started_at: z.date(),
    duration_ms: z.int(),
    outcome: z.enum(ATTEMPT_OUTCOMES),
    status: z.int().nullable(),
    error: z.string().nullable(),
  })
  .transform((row) => ({
    deliveryId: row.delivery_id,
    attempt: {
      at: row.started_at,
      durationMs: row.duration_ms,
      outcome: row.outcome,
      status: row.status ?? undefined,
      error: row.error ?? undefined,
    } satisfies Attempt,
  }));

const RowSchema = z
  .object({
    id: z.string(),
    event_id: z.string(),
    type: z.string(),
    status: z.enum(DELIVERY_STATUSES),
    next_attempt_at: z.date().nullable(),
    created_at: z.date(),
  })
  .transform((row) => ({
    id: row.id,
    eventId: row.event_id,
    type: row.type,
    status: row.status,
    nextAttemptAt: row.next_attempt_at ?? undefined,
    createdAt: row.created_at,
  }));

const COLUMNS = 'd.id, d.event_id, v.type, d.status, d.next_attempt_at, d.created_at';
const FROM = 'geo2.webhook_deliveries d join geo2.webhook_events v on v.id = d.event_id';

export function createDeliveries({ database, ...deps }: EventDeps & { readonly database: Database }): Deliveries {
  async function find({ tenant, endpointId }: Owner, id: string): Promise<Delivery | undefined> {
    const rows = await database.query(
      `select ${COLUMNS} from ${FROM} where d.tenant = $1 and d.endpoint_id = $2 and d.id = $3`,
      [tenant, endpointId, id],
    );
    const [delivery] = await withAttempts(database, rows);
    return delivery;
  }

  return {
    async list({ tenant, endpointId }, { limit, after, status }) {
      const from = after === undefined ? undefined : readCursor(after, deps.now());
      const rows = await database.query(
        `select ${COLUMNS} from ${FROM}
         where d.tenant = $1 and d.endpoint_id = $2 and ($3::text is null or d.status = $3::text)
           and ($4::timestamptz is null or (d.created_at, d.id) < ($4::timestamptz, $5::text))
         order by d.created_at desc, d.id desc limit $6`,
        [tenant, endpointId, status ?? null, from?.createdAt ?? null, from?.id ?? null, limit + 1],
      );
      const deliveries = await withAttempts(database, rows.slice(0, limit));
      const last = deliveries.at(-1);
      return { deliveries, next: rows.length > limit && last !== undefined ? cursorOf(last) : undefined };
    },

    find,

    async resend(owner, id) {
      const due = await database.transaction(async (sql) => {
        if (!(await lockEnabled(sql, owner))) return false;
        const rows = await sql.query(
          `update geo2.webhook_deliveries set status = 'pending', attempts = 0, next_attempt_at = $4
           where tenant = $1 and endpoint_id = $2 and id = $3 returning id`,
          [owner.tenant, owner.endpointId, id, deps.now()],
        );
        await announceDeliveries(sql);
        return rows.length > 0;
      });
      return due ? find(owner, id) : undefined;
    },

    recover(owner, since) {
      return database.transaction(async (sql) => {
        if (!(await lockEnabled(sql, owner))) return undefined;
        const [row] = await sql.query(
          `with recovered as (
             update geo2.webhook_deliveries set status = 'pending', attempts = 0, next_attempt_at = $4
             where tenant = $1 and endpoint_id = $2 and status = 'failed' and created_at >= $3 returning id
           )
           select count(*)::int as recovered from recovered`,
          [owner.tenant, owner.endpointId, within(since, deps.now()), deps.now()],
        );
        await announceDeliveries(sql);
        return RecoveredSchema.parse(row);
      });
    },

    async sendTest(owner) {
      const { tenant, endpointId } = owner;
      const id = await database.transaction(async (sql) => {
        if (!(await lockEnabled(sql, owner))) return undefined;
        const at = deps.now();
        const payload = payloadOf(TEST_EVENT, at, { id: endpointId });
        const eventId = await insertEvent(sql, { tenant, type: TEST_EVENT, payload, at }, deps.newId);
        const deliveryId = deps.newId('dlv');
        await sql.query(
          `insert into geo2.webhook_deliveries (id, tenant, endpoint_id, event_id, status, next_attempt_at, created_at)
           values ($1, $2, $3, $4, 'pending', $5, $5)`,
          [deliveryId, tenant, endpointId, eventId, at],
        );
        await announceDeliveries(sql);
        return deliveryId;
      });
      return id === undefined ? undefined : find(owner, id);
    },
  };
}

const RecoveredSchema = z.object({ recovered: z.int() });
const LockedSchema = z.object({ disabled_reason: z.string().nullable() });

/** Whoever asks for something to be sent now does not want to wait for what the receiver asked for before. False: no such endpoint. */
async function lockEnabled(sql: Sql, { tenant, endpointId }: Owner): Promise<boolean> {
  const [row] = await sql.query(
    `update geo2.webhook_endpoints set paused_until = null where tenant = $1 and id = $2 returning disabled_reason`,
    [tenant, endpointId],
  );
  if (row === undefined) return false;
  if (LockedSchema.parse(row).disabled_reason === null) return true;
  throw new Geo2Error('WEBHOOK_DISABLED', 'The webhook is disabled: enable it first.');
}

async function withAttempts(sql: Sql, rows: readonly Record<string, unknown>[]): Promise<Delivery[]> {
  const deliveries = rows.map((row) => RowSchema.parse(row));
  if (deliveries.length === 0) return [];
  const found = await sql.query(
    `select a.delivery_id, a.started_at, a.duration_ms, a.outcome, a.status, a.error
     from unnest($1::text[]) as wanted (id)
     cross join lateral (
       select * from geo2.webhook_attempts where delivery_id = wanted.id order by id desc limit $2
     ) a
     order by a.id`,
    [deliveries.map(({ id }) => id), MAX_SHOWN_ATTEMPTS],
  );
  const attempts = Map.groupBy(
    found.map((row) => AttemptSchema.parse(row)),
    ({ deliveryId }) => deliveryId,
  );
  return deliveries.map((delivery) => ({
    ...delivery,
    attempts: (attempts.get(delivery.id) ?? []).map(({ attempt }) => attempt),
  }));
}

const CursorSchema = z.tuple([z.iso.datetime(), z.string().regex(/^dlv_[a-z2-7]{26}$/)]);

function cursorOf({ createdAt, id }: Delivery): string {
  return Buffer.from(JSON.stringify([createdAt.toISOString(), id])).toString('base64url');
}

/** From 1970 until now: years that the database cannot hold are times like any other to a caller. */
function within(time: Date, now: Date): Date {
  return new Date(Math.min(Math.max(time.getTime(), 0), now.getTime()));
}

function readCursor(text: string, now: Date): { createdAt: Date; id: string } {
  const parsed = z
    .string()
    .transform((json, context) => {
      try {
        const value: unknown = JSON.parse(json);
        return value;
      } catch {
        context.addIssue('is no JSON');
        return z.NEVER;
      }
    })
    .pipe(CursorSchema)
    .safeParse(Buffer.from(text, 'base64url').toString('utf8'));
  if (!parsed.success) {
    const detail = 'is none of ours: take `next` of the page before, as it is';
    throw new Geo2Error('INVALID_REQUEST', `#/after: ${detail}`, {
      data: { errors: [{ detail, pointer: '#/after' }] },
    });
  }
  const [createdAt, id] = parsed.data;
  return { createdAt: within(new Date(createdAt), now), id };
}
