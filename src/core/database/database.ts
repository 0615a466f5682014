/** Runs statements of PostgreSQL with `$1`-style parameters. */
export interface Sql {
  /**
   * The rows, in order; without parameters the text may hold several statements. What a row holds is for the caller to check with a schema; an int8 is a number, a timestamptz a Date.
   * JSON goes in as text (`$1::jsonb`). Errors: DATABASE_FAILED, whose `data.sqlState` is PostgreSQL's code where it gave one.
   */
  query(text: string, parameters?: readonly unknown[]): Promise<Record<string, unknown>[]>;
}

/** Where jobs, keys, webhooks and idempotency live: embedded PGlite, or a PostgreSQL server that several processes share. */
export interface Database extends Sql {
  readonly kind: 'pglite' | 'postgres';
  /** All or nothing: what `work` throws rolls everything back. Errors: DATABASE_FAILED. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T>;
  /**
   * Tells of `pg_notify`s on a channel, from any process, until closed. `onGap` follows every (re)connection: what was
   * notified before it may have been missed. Errors: DATABASE_FAILED when it cannot be begun.
   */
  listen(channel: string, onNotification: (payload: string) => void, onGap: () => void): Promise<Listening>;
  /** Connects and brings the schema up to date; concurrent starts (of several processes, too) are safe. The first use starts, too. */
  start(): Promise<void>;
  /** Waits for what runs, then disconnects; from then on everything fails until the next start. */
  stop(): Promise<void>;
}

export interface Listening {
  close(): Promise<void>;
}

/** One step of the schema, applied once, in order; never edited after it has been released. */
export interface Migration {
  /** Unique and sortable: `accounts-001`. */
  readonly id: string;
  readonly sql: string;
}
