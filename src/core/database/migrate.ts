import type { Migration, Sql } from './database.ts';

/** Applies, in order, each migration that this database has not seen; for an adapter, in a transaction that excludes others. */
export async function migrate(sql: Sql, migrations: readonly Migration[]): Promise<void> {
  await sql.query(`
    create schema if not exists geo2;
    create table if not exists geo2.geo2_migrations (id text primary key, applied_at timestamptz not null default now());
  `);
  const applied = new Set((await sql.query('select id from geo2.geo2_migrations')).map(({ id }) => id));
  for (const { id, sql: text } of migrations) {
    if (applied.has(id)) continue;
    await sql.query(text);
    await sql.query('insert into geo2.geo2_migrations (id) values ($1)', [id]);
  }
}
