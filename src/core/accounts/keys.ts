import { timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import { isId, type NewId } from '../ids.ts';
import { type Caller, SCOPES, type Scope } from './caller.ts';
import { createKeyText, isKeyText, keyHash, keyHint, type RandomBytes } from './key-text.ts';

/** Requests that a key may make in a window of so many seconds. */
export interface Rate {
  readonly requests: number;
  readonly windowS: number;
}

/** What a key says of itself; its text is told once, when it is made, and never stored. */
export interface ApiKey {
  readonly id: string;
  readonly tenant: string;
  readonly name: string;
  /** The first characters of its text. */
  readonly hint: string;
  readonly scopes: readonly Scope[];
  /** The only regions that it may ask for; undefined is all of them. */
  readonly regions?: readonly string[];
  /** Instead of the service's own. */
  readonly rate?: Rate;
  /** Requests that it may have in flight, instead of the service's own number. */
  readonly maxConcurrent?: number;
  readonly createdAt: Date;
  readonly expiresAt?: Date;
  readonly revokedAt?: Date;
  /** To about ten minutes. */
  readonly lastUsedAt?: Date;
}

export type NewKey = Pick<ApiKey, 'tenant' | 'name' | 'scopes'> & {
  readonly regions?: readonly string[] | undefined;
  readonly rate?: Rate | undefined;
  readonly maxConcurrent?: number | undefined;
  readonly expiresAt?: Date | undefined;
};

/** Who a key belongs to, and the limits of its own. */
export interface Identified {
  readonly caller: Caller;
  readonly rate?: Rate;
  readonly maxConcurrent?: number;
}

export interface Keys {
  /** Errors: INVALID_REQUEST when the tenant has too many keys. */
  create(key: NewKey): Promise<{ readonly key: ApiKey; readonly text: string }>;
  /** Newest first, at most 1,000; of every tenant when none is named. */
  list(tenant?: string): Promise<ApiKey[]>;
  /** Undefined when there is none, or it is another tenant's. */
  find(id: string, tenant?: string): Promise<ApiKey | undefined>;
  /** From now on the key is refused. Undefined as with `find`; a key that is revoked already stays as it is. */
  revoke(id: string, tenant?: string): Promise<ApiKey | undefined>;
  /** Whose key this is. Errors: KEY_INVALID, KEY_EXPIRED, KEY_REVOKED. */
  identify(text: string): Promise<Identified>;
}

export interface KeysDeps {
  readonly database: Database;
  readonly now: () => Date;
  readonly newId: NewId;
  readonly randomBytes: RandomBytes;
}

export const MAX_KEYS_OF_TENANT = 500;
const MAX_LISTED = 1_000;
/** A time of last use is for people: writing it with each request would cost more than it tells. */
const LAST_USED_RESOLUTION_MS = 10 * 60_000;
/** Compared with when there is no such key, so that there is always one comparison. */
const NO_HASH = '0'.repeat(64);

const RowSchema = z
  .object({
    id: z.string(),
    tenant: z.string(),
    name: z.string(),
    hint: z.string(),
    scopes: z.array(z.string()),
    regions: z.array(z.string()).nullable(),
    rate_requests: z.int().nullable(),
    rate_window_s: z.int().nullable(),
    max_concurrent: z.int().nullable(),
    created_at: z.date(),
    expires_at: z.date().nullable(),
    revoked_at: z.date().nullable(),
    last_used_at: z.date().nullable(),
  })
  .transform(
    (row): ApiKey => ({
      id: row.id,
      tenant: row.tenant,
      name: row.name,
      hint: row.hint,
      scopes: SCOPES.filter((scope) => row.scopes.includes(scope)), // one that this version does not know gives nothing
      ...(row.regions === null ? {} : { regions: row.regions }),
      ...(row.rate_requests === null || row.rate_window_s === null
        ? {}
        : { rate: { requests: row.rate_requests, windowS: row.rate_window_s } }),
      ...(row.max_concurrent === null ? {} : { maxConcurrent: row.max_concurrent }),
      createdAt: row.created_at,
      ...(row.expires_at === null ? {} : { expiresAt: row.expires_at }),
      ...(row.revoked_at === null ? {} : { revokedAt: row.revoked_at }),
      ...(row.last_used_at === null ? {} : { lastUsedAt: row.last_used_at }),
    }),
  );

const COLUMNS =
  'id, tenant, name, hint, scopes, regions, rate_requests, rate_window_s, max_concurrent, created_at, expires_at, revoked_at, last_used_at';

export function createKeys({ database, now, newId, randomBytes }: KeysDeps): Keys {
  async function create(asked: NewKey): Promise<{ key: ApiKey; text: string }> {
    const text = createKeyText(randomBytes);
    return database.transaction(async (sql) => {
      await checkCount(sql, asked.tenant);
      const [row] = await sql.query(
        `insert into geo2.keys (id, tenant, name, hint, hash, scopes, regions, rate_requests, rate_window_s, max_concurrent, created_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning ${COLUMNS}`,
        [
          newId('key'),
          asked.tenant,
          asked.name,
          keyHint(text),
          keyHash(text),
          [...new Set(asked.scopes)],
          asked.regions === undefined ? null : [...new Set(asked.regions)],
          asked.rate?.requests ?? null,
          asked.rate?.windowS ?? null,
          asked.maxConcurrent ?? null,
          now(),
          asked.expiresAt ?? null,
        ],
      );
      return { key: RowSchema.parse(row), text };
    });
  }

  async function checkCount(sql: Sql, tenant: string): Promise<void> {
    const usable = await sql.query(
      'select id from geo2.keys where tenant = $1 and revoked_at is null and (expires_at is null or expires_at > $2) limit $3',
      [tenant, now(), MAX_KEYS_OF_TENANT],
    );
    if (usable.length < MAX_KEYS_OF_TENANT) return;
    throw new Geo2Error(
      'INVALID_REQUEST',
      `${tenant} has ${MAX_KEYS_OF_TENANT} keys that can be used: revoke one before you make another.`,
    );
  }

  async function identify(text: string): Promise<Identified> {
    if (!isKeyText(text)) {
      throw new Geo2Error(
        'KEY_INVALID',
        'This is no key of this service: a key is geo2_ and 36 letters and digits. It may be mistyped or cut off.',
      );
    }
    const hash = keyHash(text);
    const [row] = await database.query(`select ${COLUMNS}, hash from geo2.keys where hash = $1`, [hash]);
    const stored = HashSchema.parse(row ?? { hash: NO_HASH }).hash;
    const matches = timingSafeEqual(Buffer.from(stored, 'hex'), Buffer.from(hash, 'hex'));
    if (row === undefined || !matches) throw new Geo2Error('KEY_INVALID', 'This key is not known here.');
    const key = RowSchema.parse(row);
    refuseUnusable(key);
    await noteUse(key);
    return {
      caller: { tenant: key.tenant, keyId: key.id, scopes: new Set(key.scopes), regions: key.regions },
      ...(key.rate === undefined ? {} : { rate: key.rate }),
      ...(key.maxConcurrent === undefined ? {} : { maxConcurrent: key.maxConcurrent }),
    };
  }

  function refuseUnusable({ revokedAt, expiresAt }: ApiKey): void {
    if (revokedAt !== undefined) {
      throw new Geo2Error('KEY_REVOKED', `This key was revoked on ${revokedAt.toISOString()}: use another.`);
    }
    if (expiresAt !== undefined && expiresAt <= now()) {
      throw new Geo2Error('KEY_EXPIRED', `This key expired on ${expiresAt.toISOString()}: use another.`);
    }
  }

  async function noteUse({ id, lastUsedAt }: ApiKey): Promise<void> {
    const atMs = now().getTime();
    if (lastUsedAt !== undefined && atMs - lastUsedAt.getTime() < LAST_USED_RESOLUTION_MS) return;
    await database.query(
      'update geo2.keys set last_used_at = $2 where id = $1 and (last_used_at is null or last_used_at <= $3)',
      [id, new Date(atMs), new Date(atMs - LAST_USED_RESOLUTION_MS)],
    );
  }

  return {
    create,
    identify,
    async list(tenant) {
      const rows = await database.query(
        `select ${COLUMNS} from geo2.keys where ($1::text is null or tenant = $1) order by created_at desc, id limit $2`,
        [tenant ?? null, MAX_LISTED],
      );
      return rows.map((row) => RowSchema.parse(row));
    },
    async find(id, tenant) {
      if (!isId('key', id)) return undefined;
      const [row] = await database.query(
        `select ${COLUMNS} from geo2.keys where id = $1 and ($2::text is null or tenant = $2)`,
        [id, tenant ?? null],
      );
      return row === undefined ? undefined : RowSchema.parse(row);
    },
    async revoke(id, tenant) {
      if (!isId('key', id)) return undefined;
      const [row] = await database.query(
        `update geo2.keys set revoked_at = coalesce(revoked_at, $3)
         where id = $1 and ($2::text is null or tenant = $2) returning ${COLUMNS}`,
        [id, tenant ?? null, now()],
      );
      return row === undefined ? undefined : RowSchema.parse(row);
    },
  };
}

const HashSchema = z.object({ hash: z.string().regex(/^[0-9a-f]{64}$/) });
