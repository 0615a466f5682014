import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import type { AttemptResult } from './attempt.ts';
import type { Claimed } from './claim.ts';
import type { DisabledReason } from './endpoints.ts';
import { DISABLE_AFTER_MS, nextAttemptAt } from './schedule.ts';

/** Answers that take longer make an endpoint `slow`: it then has the sick ones' share. */
const SLOW_MS = 2_000;

export interface Settlement extends AttemptResult {
  readonly startedAt: Date;
  readonly durationMs: number;
}

export interface SettleDeps {
  readonly database: Database;
  readonly now: () => Date;
  readonly random: () => number;
}

const EndpointSchema = z.object({ disabled_reason: z.string().nullable(), failing_since: z.date().nullable() });
const DeliverySchema = z.object({ attempts: z.int(), lease: z.string().nullable() });

/**
 * Writes down what an attempt came to: the log, when the next one is due, how the endpoint fares. Tells when that made it be
 * disabled. An attempt whose lease was lost to another process is logged, and decides nothing unless it succeeded.
 */
export function settle(
  claimed: Claimed,
  attempt: Settlement,
  { database, now, random }: SettleDeps,
): Promise<{ disabled: DisabledReason | undefined }> {
  return database.transaction(async (sql) => {
    const nothing = { disabled: undefined };
    // endpoint before delivery, as everywhere: two that lock in another order wait for each other for ever
    const [endpointRow] = await sql.query(
      'select disabled_reason, failing_since from geo2.webhook_endpoints where id = $1 for no key update',
      [claimed.endpointId],
    );
    const [deliveryRow] = await sql.query(
      'select attempts, lease from geo2.webhook_deliveries where id = $1 for no key update',
      [claimed.id],
    );
    if (endpointRow === undefined || deliveryRow === undefined) return nothing; // deleted meanwhile
    const endpoint = EndpointSchema.parse(endpointRow);
    const delivery = DeliverySchema.parse(deliveryRow);
    await log(sql, claimed, attempt);

    if (attempt.outcome === 'succeeded') {
      await finish(sql, claimed.id, 'succeeded');
      await noteHealth(sql, claimed.endpointId, attempt, { failingSince: undefined });
      return nothing;
    }
    if (delivery.lease !== claimed.lease) return nothing;
    const at = now();
    const failingSince = endpoint.failing_since ?? at;
    const disabled = endpoint.disabled_reason === null ? reasonToDisable(attempt, failingSince, at) : undefined;
    const next = nextAttemptAt(delivery.attempts + 1, { now: at, random, retryAfter: attempt.retryAfter });
    if (next === undefined || disabled !== undefined || endpoint.disabled_reason !== null) {
      await finish(sql, claimed.id, 'failed');
    } else {
      await sql.query(
        `update geo2.webhook_deliveries set attempts = attempts + 1, next_attempt_at = $2, lease = null, leased_until = null
         where id = $1`,
        [claimed.id, next],
      );
    }
    // a secret that cannot be read is no fault of the endpoint
    if (attempt.outcome !== 'unsigned') await noteHealth(sql, claimed.endpointId, attempt, { failingSince });
    if (disabled !== undefined) await disable(sql, claimed.endpointId, disabled, at);
    return { disabled };
  });
}

function reasonToDisable({ outcome }: AttemptResult, failingSince: Date, at: Date): DisabledReason | undefined {
  if (outcome === 'gone') return 'gone';
  const failing = outcome !== 'unsigned' && at.getTime() - failingSince.getTime() >= DISABLE_AFTER_MS;
  return failing ? 'failing' : undefined;
}

async function log(sql: Sql, { id, tenant }: Claimed, attempt: Settlement): Promise<void> {
  const { startedAt, durationMs, outcome, status, error } = attempt;
  await sql.query(
    `insert into geo2.webhook_attempts (delivery_id, tenant, started_at, duration_ms, outcome, status, error)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [id, tenant, startedAt, Math.round(durationMs), outcome, status ?? null, error ?? null],
  );
}

async function finish(sql: Sql, id: string, status: 'succeeded' | 'failed'): Promise<void> {
  await sql.query(
    `update geo2.webhook_deliveries
     set status = $2, attempts = attempts + 1, next_attempt_at = null, lease = null, leased_until = null
     where id = $1`,
    [id, status],
  );
}

async function noteHealth(
  sql: Sql,
  endpointId: string,
  { durationMs, retryAfter }: Settlement,
  { failingSince }: { failingSince: Date | undefined },
): Promise<void> {
  await sql.query(
    `update geo2.webhook_endpoints set failing_since = $2, slow = $3, paused_until = greatest(paused_until, $4::timestamptz)
     where id = $1`,
    [endpointId, failingSince ?? null, durationMs > SLOW_MS, retryAfter ?? null],
  );
}

/** What waits for it has failed; what is under way settles itself. */
async function disable(sql: Sql, endpointId: string, reason: DisabledReason, at: Date): Promise<void> {
  await sql.query('update geo2.webhook_endpoints set disabled_reason = $2 where id = $1', [endpointId, reason]);
  await sql.query(
    `update geo2.webhook_deliveries set status = 'failed', next_attempt_at = null, lease = null, leased_until = null
     where endpoint_id = $1 and status = 'pending' and (leased_until is null or leased_until <= $2)`,
    [endpointId, at],
  );
}

/** Gives a delivery back without an attempt: another process may take it up at once. */
export async function release(database: Database, { id, lease }: Claimed): Promise<void> {
  await database.query(
    'update geo2.webhook_deliveries set lease = null, leased_until = null where id = $1 and lease = $2',
    [id, lease],
  );
}
