import { createHash } from 'node:crypto';
import * as z from 'zod';
import type { Database } from '../database/database.ts';

/** A request that its caller may repeat: the same name again is the same request. */
export interface RepeatableRequest {
  readonly tenant: string;
  /** Of the API key; empty without one. Keys of a tenant may do different things, and are not told of each other's. */
  readonly keyId: string;
  /** Method and path. */
  readonly route: string;
  /** The caller's `Idempotency-Key`. */
  readonly name: string;
}

/** What a new request with that name is to do. */
export type Claim =
  /** Do the work, then `keep` or `release`. `bodyHash` is that of an earlier one whose answer was not kept. */
  | { readonly type: 'claimed'; readonly holder: string; readonly bodyHash: string | undefined }
  /** Another does the work. */
  | { readonly type: 'in_flight' }
  /** It was done: the same body gets the same answer. */
  | { readonly type: 'answered'; readonly bodyHash: string; readonly answer: Uint8Array };

export interface Idempotency {
  /** Errors: DATABASE_FAILED, as with the others. */
  claim(request: RepeatableRequest): Promise<Claim>;
  /** Goes on holding it; false when it was lost to another. */
  renew(request: RepeatableRequest, holder: string): Promise<boolean>;
  /** Keeps the body's hash for a day, and the answer where there is one to keep. */
  keep(
    request: RepeatableRequest,
    holder: string,
    kept: { readonly bodyHash: string; readonly answer?: Uint8Array | undefined },
  ): Promise<void>;
  /** Forgets that it was asked. */
  release(request: RepeatableRequest, holder: string): Promise<void>;
}

export interface IdempotencyDeps {
  readonly database: Database;
  readonly now: () => Date;
  /** Names whoever works on a request. */
  readonly newHolder: () => string;
}

/** A process that dies in the middle of a request frees it after this time; one that lives renews in between. */
export const LEASE_MS = 30_000;
export const KEPT_MS = 24 * 60 * 60_000;

const ClaimedSchema = z.object({ body_hash: z.string().nullable() });
const FoundSchema = z.object({
  holder: z.string().nullable(),
  body_hash: z.string().nullable(),
  answer: z.instanceof(Uint8Array).nullable(),
});

export function createIdempotency({ database, now, newHolder }: IdempotencyDeps): Idempotency {
  const idOf = ({ tenant, keyId, route, name }: RepeatableRequest): string[] => [tenant, keyId, route, sha256(name)];
  const WHERE = 'tenant = $1 and key_id = $2 and route = $3 and key_hash = $4';

  /** One statement decides who works on it: the first, or the next after a lease that ended, or after an answer that was not kept. */
  async function tryClaim(request: RepeatableRequest): Promise<Claim | undefined> {
    const holder = newHolder();
    const atMs = now().getTime();
    const [claimed] = await database.query(
      `insert into geo2.idempotency as held (tenant, key_id, route, key_hash, holder, lease_until, expires_at)
       values ($1, $2, $3, $4, $5, $6, $7)
       on conflict (tenant, key_id, route, key_hash) do update
         set holder = excluded.holder, lease_until = excluded.lease_until, answer = null,
             body_hash = case when held.expires_at <= $8 then null else held.body_hash end,
             expires_at = excluded.expires_at
         where held.expires_at <= $8
            or (held.answer is null and (held.lease_until is null or held.lease_until <= $8))
       returning body_hash`,
      [...idOf(request), holder, new Date(atMs + LEASE_MS), new Date(atMs + KEPT_MS), new Date(atMs)],
    );
    if (claimed !== undefined) {
      return { type: 'claimed', holder, bodyHash: ClaimedSchema.parse(claimed).body_hash ?? undefined };
    }
    const [row] = await database.query(
      `select holder, body_hash, answer from geo2.idempotency where ${WHERE}`,
      idOf(request),
    );
    if (row === undefined) return undefined;
    const found = FoundSchema.parse(row);
    if (found.answer === null || found.body_hash === null) return { type: 'in_flight' };
    return { type: 'answered', bodyHash: found.body_hash, answer: found.answer };
  }

  return {
    async claim(request) {
      // between the two statements another may have released it: then it is free
      return (await tryClaim(request)) ?? (await tryClaim(request)) ?? { type: 'in_flight' };
    },
    async renew(request, holder) {
      const rows = await database.query(
        `update geo2.idempotency set lease_until = $6 where ${WHERE} and holder = $5 returning holder`,
        [...idOf(request), holder, new Date(now().getTime() + LEASE_MS)],
      );
      return rows.length > 0;
    },
    async keep(request, holder, { bodyHash, answer }) {
      await database.query(
        `update geo2.idempotency set holder = null, lease_until = null, body_hash = $6, answer = $7, expires_at = $8
         where ${WHERE} and holder = $5`,
        [...idOf(request), holder, bodyHash, answer ?? null, new Date(now().getTime() + KEPT_MS)],
      );
    },
    async release(request, holder) {
      await database.query(`delete from geo2.idempotency where ${WHERE} and holder = $5`, [...idOf(request), holder]);
    },
  };
}

/** A caller's name for a request may have any length; and nobody needs to read it. */
function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
