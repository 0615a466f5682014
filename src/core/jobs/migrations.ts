import type { Migration } from '../database/database.ts';

/** Jobs, their items, and inputs that are being written for a job to come. The queue itself is pg-boss's, in its own schema. */
export const MIGRATIONS: readonly Migration[] = [
  {
    id: 'jobs-001',
    sql: `
create table geo2.jobs (
  id text primary key,
  tenant text not null,
  kind text not null check (kind in ('geolocate', 'embed', 'synthesize')),
  form text not null check (form in ('single', 'batch')),
  status text not null check (status in ('queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired')),
  queue_id uuid not null, -- the entry in the queue, which is there exactly as long as the job is not final
  created_at timestamptz not null,
  started_at timestamptz,
  finished_at timestamptz,
  expires_at timestamptz not null,
  total integer not null,
  completed integer not null default 0,
  failed integer not null default 0,
  error jsonb,
  claim integer not null default 0, -- counts the workers that took it up: an older claim writes nothing more
  stalls integer not null default 0, -- claims since an item was last finished
  leased_until timestamptz, -- how long the claim is valid without a word of its worker; null: nobody has it
  inputs_left boolean not null default true,
  check ((status in ('queued', 'processing')) = (finished_at is null))
);
create index jobs_of_tenant on geo2.jobs (tenant, created_at desc, id desc);
create index jobs_unfinished on geo2.jobs (leased_until) where finished_at is null;
create index jobs_by_expiry on geo2.jobs (expires_at);
create index jobs_with_inputs on geo2.jobs (finished_at) where inputs_left;

create table geo2.job_items (
  job_id text not null references geo2.jobs (id) on delete cascade,
  index integer not null,
  tenant text not null,
  name text,
  input jsonb not null,
  options jsonb not null,
  status text not null default 'pending' check (status in ('pending', 'succeeded', 'failed', 'canceled')),
  ordinal integer, -- in which place it was finished, from 1: what numbers the events
  error jsonb,
  primary key (job_id, index),
  check ((status in ('succeeded', 'failed')) = (ordinal is not null))
);
create unique index job_items_by_ordinal on geo2.job_items (job_id, ordinal) where ordinal is not null;

create table geo2.job_stagings (
  job_id text primary key,
  tenant text not null,
  created_at timestamptz not null
);
create index job_stagings_by_age on geo2.job_stagings (created_at);
`,
  },
  {
    id: 'jobs-002',
    sql: 'alter table geo2.jobs add column traceparent text', // of the request that made it
  },
];
