import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import type { NewId } from '../ids.ts';
import type { PinnedFetcher } from '../outbound/pinned-fetcher.ts';
import { EVENT_TYPES, type EventType } from './events.ts';
import type { SecretBox } from './secret-box.ts';
import { newSecret } from './signature.ts';

export const MAX_ENDPOINTS_PER_TENANT = 20;
/** How long the old secret goes on signing beside the new one, unless asked otherwise. */
export const DEFAULT_ROTATION_GRACE_S = 24 * 60 * 60;
/** Of the look at the URL's addresses before an endpoint is stored. */
const RESOLVE_TIMEOUT_MS = 2_000;

/** Why nothing is sent any more: it answered 410, or failed for five days. */
export type DisabledReason = 'gone' | 'failing';

/** A URL of a tenant that is told of events. */
export interface Endpoint {
  /** `ep_…` */
  readonly id: string;
  readonly url: string;
  readonly name: string | undefined;
  readonly events: readonly EventType[];
  /** Undefined while it is enabled. */
  readonly disabledReason: DisabledReason | undefined;
  /** The first failed attempt since the last that succeeded. */
  readonly failingSince: Date | undefined;
  readonly createdAt: Date;
}

export interface NewEndpoint {
  readonly url: string;
  readonly name?: string | undefined;
  readonly events: readonly EventType[];
  /** The only regions whose events it is told of; undefined is all. */
  readonly regions?: readonly string[] | undefined;
}

export interface EndpointDeps {
  readonly database: Database;
  readonly fetcher: Pick<PinnedFetcher, 'refusalOf'>;
  readonly secrets: SecretBox;
  readonly newId: NewId;
  readonly now: () => Date;
}

/** Everything takes the tenant: another tenant's endpoint is one that does not exist. */
export interface Endpoints {
  /** The secret is told here and never again. Errors: WEBHOOK_URL_REFUSED, WEBHOOK_LIMIT. */
  create(tenant: string, endpoint: NewEndpoint): Promise<{ endpoint: Endpoint; secret: string }>;
  /** Oldest first. */
  list(tenant: string): Promise<Endpoint[]>;
  find(tenant: string, id: string): Promise<Endpoint | undefined>;
  /** With its deliveries and their attempts. False where there was none. */
  delete(tenant: string, id: string): Promise<boolean>;
  /** A new secret, beside which the old one signs for `graceS` more seconds. */
  rotateSecret(
    tenant: string,
    id: string,
    options: { graceS: number },
  ): Promise<{ secret: string; previousValidUntil: Date } | undefined>;
  /** Sends to it again from now on; what failed meanwhile waits for `recover`. */
  enable(tenant: string, id: string): Promise<Endpoint | undefined>;
}

const RowSchema = z
  .object({
    id: z.string(),
    url: z.string(),
    name: z.string().nullable(),
    events: z.array(z.enum(EVENT_TYPES)),
    disabled_reason: z.enum(['gone', 'failing']).nullable(),
    failing_since: z.date().nullable(),
    created_at: z.date(),
  })
  .transform(
    (row): Endpoint => ({
      id: row.id,
      url: row.url,
      name: row.name ?? undefined,
      events: row.events,
      disabledReason: row.disabled_reason ?? undefined,
      failingSince: row.failing_since ?? undefined,
      createdAt: row.created_at,
    }),
  );

const COLUMNS = 'id, url, name, events, disabled_reason, failing_since, created_at';

export function createEndpoints({ database, fetcher, secrets, newId, now }: EndpointDeps): Endpoints {
  return {
    async create(tenant, { url, name, events, regions }) {
      const refusal = await fetcher.refusalOf(url, { timeoutMs: RESOLVE_TIMEOUT_MS });
      if (refusal !== undefined) {
        throw new Geo2Error('WEBHOOK_URL_REFUSED', `The webhook URL is not accepted: ${refusal}.`);
      }
      const id = newId('ep');
      const secret = newSecret();
      const endpoint = await database.transaction(async (sql) => {
        await refuseOneTooMany(sql, tenant);
        const [row] = await sql.query(
          `insert into geo2.webhook_endpoints (id, tenant, url, name, events, regions, secret, created_at)
           values ($1, $2, $3, $4, $5::text[], $6::text[], $7, $8) returning ${COLUMNS}`,
          [id, tenant, url, name ?? null, [...new Set(events)], regions ?? null, secrets.seal(secret, id), now()],
        );
        return RowSchema.parse(row);
      });
      return { endpoint, secret };
    },

    async list(tenant) {
      const rows = await database.query(
        `select ${COLUMNS} from geo2.webhook_endpoints where tenant = $1 order by created_at, id`,
        [tenant],
      );
      return rows.map((row) => RowSchema.parse(row));
    },

    async find(tenant, id) {
      const [row] = await database.query(
        `select ${COLUMNS} from geo2.webhook_endpoints where tenant = $1 and id = $2`,
        [tenant, id],
      );
      return row === undefined ? undefined : RowSchema.parse(row);
    },

    async delete(tenant, id) {
      const rows = await database.query(
        'delete from geo2.webhook_endpoints where tenant = $1 and id = $2 returning id',
        [tenant, id],
      );
      return rows.length > 0;
    },

    async rotateSecret(tenant, id, { graceS }) {
      const secret = newSecret();
      const previousValidUntil = new Date(now().getTime() + graceS * 1000);
      const rows = await database.query(
        `update geo2.webhook_endpoints set previous_secret = secret, previous_secret_until = $3, secret = $4
         where tenant = $1 and id = $2 returning id`,
        [tenant, id, previousValidUntil, secrets.seal(secret, id)],
      );
      return rows.length === 0 ? undefined : { secret, previousValidUntil };
    },

    async enable(tenant, id) {
      const [row] = await database.query(
        `update geo2.webhook_endpoints
         set disabled_reason = null, failing_since = null, paused_until = null, slow = false
         where tenant = $1 and id = $2 returning ${COLUMNS}`,
        [tenant, id],
      );
      return row === undefined ? undefined : RowSchema.parse(row);
    },
  };
}

const CountSchema = z.object({ count: z.int() });

async function refuseOneTooMany(sql: Sql, tenant: string): Promise<void> {
  await sql.query('select pg_advisory_xact_lock(hashtextextended($1, 0))', [`geo2 webhooks of ${tenant}`]);
  const [row] = await sql.query('select count(*)::int as count from geo2.webhook_endpoints where tenant = $1', [
    tenant,
  ]);
  if (CountSchema.parse(row).count < MAX_ENDPOINTS_PER_TENANT) return;
  throw new Geo2Error(
    'WEBHOOK_LIMIT',
    `There are ${MAX_ENDPOINTS_PER_TENANT} webhooks already, as many as there may be: delete one that is not needed any more.`,
    { data: { limit: MAX_ENDPOINTS_PER_TENANT } },
  );
}
