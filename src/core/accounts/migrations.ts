import type { Migration } from '../database/database.ts';

/** The tables of keys, of limits that several processes share, and of requests that may be repeated. */
export const MIGRATIONS: readonly Migration[] = [
  {
    id: 'accounts-001',
    sql: `
      create table geo2.keys (
        id text primary key,
        tenant text not null,
        name text not null,
        hint text not null,
        hash text not null unique,
        scopes text[] not null,
        regions text[],
        rate_requests integer,
        rate_window_s integer,
        max_concurrent integer,
        created_at timestamptz not null,
        expires_at timestamptz,
        revoked_at timestamptz,
        last_used_at timestamptz
      );
      create index keys_of_tenant on geo2.keys (tenant, created_at);

      create table geo2.rate_limits (
        key varchar(255) primary key,
        points integer not null default 0,
        expire bigint
      );
      create index rate_limits_by_expiry on geo2.rate_limits (expire);

      create table geo2.idempotency (
        tenant text not null,
        key_id text not null,
        route text not null,
        key_hash text not null,
        holder text,
        lease_until timestamptz,
        body_hash text,
        answer bytea,
        expires_at timestamptz not null,
        primary key (tenant, key_id, route, key_hash)
      );
      create index idempotency_by_expiry on geo2.idempotency (expires_at);
    `,
  },
];
