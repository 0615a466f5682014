import type { Migration } from '../database/database.ts';

/** Endpoints, events, their deliveries and attempts; and which version of each region was seen in use. */
export const MIGRATIONS: readonly Migration[] = [
  {
    id: 'webhooks-001',
    sql: `
create schema if not exists geo2;

create table geo2.webhook_endpoints (
  id text primary key,
  tenant text not null,
  url text not null,
  name text,
  events text[] not null,
  regions text[], -- null: every region's events
  secret text not null,
  previous_secret text,
  previous_secret_until timestamptz,
  disabled_reason text check (disabled_reason in ('gone', 'failing')),
  failing_since timestamptz, -- the first failure since the last success
  paused_until timestamptz, -- what the receiver asked for with Retry-After
  slow boolean not null default false,
  created_at timestamptz not null
);
create index webhook_endpoints_of_tenant on geo2.webhook_endpoints (tenant, created_at, id);

create table geo2.webhook_events (
  id text primary key,
  tenant text not null,
  type text not null,
  payload text not null, -- the very bytes that are signed
  created_at timestamptz not null
);
create index webhook_events_by_age on geo2.webhook_events (created_at);

create table geo2.webhook_deliveries (
  id text primary key,
  tenant text not null,
  endpoint_id text not null references geo2.webhook_endpoints (id) on delete cascade,
  event_id text not null references geo2.webhook_events (id) on delete cascade,
  status text not null check (status in ('pending', 'succeeded', 'failed')),
  attempts integer not null default 0, -- since it was last made due by an event, a resend or a recovery
  next_attempt_at timestamptz,
  lease text, -- who makes an attempt now, and until when it is theirs alone
  leased_until timestamptz,
  created_at timestamptz not null,
  check ((status = 'pending') = (next_attempt_at is not null))
);
create index webhook_deliveries_due on geo2.webhook_deliveries (endpoint_id, next_attempt_at, id) where status = 'pending';
create index webhook_deliveries_leased on geo2.webhook_deliveries (leased_until) where leased_until is not null;
create index webhook_deliveries_of_endpoint on geo2.webhook_deliveries (endpoint_id, created_at, id);
create index webhook_deliveries_of_event on geo2.webhook_deliveries (event_id);

create table geo2.webhook_attempts (
  id bigint generated always as identity primary key,
  delivery_id text not null references geo2.webhook_deliveries (id) on delete cascade,
  tenant text not null,
  started_at timestamptz not null,
  duration_ms integer not null,
  outcome text not null,
  status integer,
  error text
);
create index webhook_attempts_of_delivery on geo2.webhook_attempts (delivery_id, id);

create table geo2.region_versions (
  region text not null,
  version text not null,
  first_seen bigint generated always as identity,
  primary key (region, version)
);

create table geo2.region_pointers (
  region text primary key,
  version text not null,
  seen_at timestamptz not null
);
`,
  },
];
