/** Runs statements of PostgreSQL with `$1`-style parameters. */
export interface Sql {
  /** The rows, in order. What a row holds is for the caller to check with a schema. Errors: DATABASE_FAILED. */
  query(text: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

/** Where jobs, keys, webhooks and idempotency live: embedded PGlite, or a PostgreSQL server that several processes share. */
export interface Database extends Sql {
  readonly kind: 'pglite' | 'postgres';
  /** All or nothing: what `work` throws rolls everything back. Errors: DATABASE_FAILED. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /** Connects and brings the schema up to date; concurrent starts (of several processes, too) are safe. */
  start(): Promise<void>;
  /** Waits for what runs, then disconnects. */
  stop(): Promise<void>;
}

/** One step of the schema, applied once, in order; never edited after it has been released. */
export interface Migration {
  /** Unique and sortable: `accounts-001`. */
  readonly id: string;
  readonly sql: string;
}
