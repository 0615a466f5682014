import pg from 'pg';
import { Geo2Error } from '../errors.ts';
import type { Database, Listening, Migration, Sql } from './database.ts';
import { databaseFailure } from './failure.ts';
import { migrate } from './migrate.ts';

export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  readonly migrations: readonly Migration[];
  /** Connections at most, besides the one that listens. */
  readonly maxConnections?: number | undefined;
}

const CONNECT_TIMEOUT_MS = 5_000;
/** No statement of ours takes so long; one that does must not hold its connection for ever. */
const STATEMENT_TIMEOUT_MS = 30_000;
const RECONNECT_MS = { first: 100, most: 2_000 };
/** A connection that died silently is noticed within this time. */
const PROBE_MS = 5_000;
/** Of the advisory lock under which the schema is brought up to date: any number that nobody else uses. */
const MIGRATION_LOCK = 7_306_720_219;
const INT8 = 20;

/** A PostgreSQL server, shared by several processes. A connection that breaks is replaced; the statement that it carried fails. */
export function createPostgresDatabase(options: PostgresOptions): Database & { readonly kind: 'postgres' } {
  const { url, migrations, maxConnections = 10 } = options;
  const connection = {
    connectionString: url,
    application_name: 'geo2',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    types: { getTypeParser },
  };
  let pool = createPool();
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  let stopped = false;
  const listener = createListener(() => new pg.Client(connection));

  function createPool(): pg.Pool {
    const created = new pg.Pool({ ...connection, max: maxConnections, statement_timeout: STATEMENT_TIMEOUT_MS });
    created.on('error', () => {}); // an idle connection that breaks is replaced; who needs one is told by its own statement
    return created;
  }

  async function transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const client = await pool.connect().catch((cause: unknown) => {
      throw databaseFailure(cause, 'The database cannot be reached');
    });
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on('error', onError); // unheard, it would end the process
    try {
      await client.query('begin');
      const result = await work(sqlOf(client));
      const { command } = await client.query('commit');
      // PostgreSQL answers so where a statement had failed, whatever was made of its error
      if (command === 'ROLLBACK') throw new Error('a statement had failed, nothing was stored');
      return result;
    } catch (cause) {
      await client.query('rollback').catch((error: Error) => {
        broken = error;
      });
      throw databaseFailure(cause, 'A transaction failed');
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  async function open(): Promise<void> {
    await transaction(async (sql) => {
      await sql.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
      await migrate(sql, migrations);
    });
  }

  async function close(): Promise<void> {
    await starting?.catch(() => {});
    starting = undefined;
    await listener.stop();
    const ending = pool;
    pool = createPool();
    await ending.end();
  }

  function opened(): Promise<void> {
    if (stopped) return Promise.reject(new Geo2Error('DATABASE_FAILED', 'The database is stopped.'));
    starting ??= open().catch((error: unknown) => {
      starting = undefined;
      throw error;
    });
    return starting;
  }

  return {
    kind: 'postgres',

    async query(text, parameters) {
      await opened();
      return sqlOf(pool).query(text, parameters);
    },

    async transaction(work) {
      await opened();
      return transaction(work);
    },

    async listen(channel, onNotification, onGap) {
      await opened();
      return listener.listen(channel, { onNotification, onGap });
    },

    async start() {
      await stopping;
      stopped = false;
      await opened();
    },

    stop() {
      stopped = true;
      stopping ??= close().finally(() => {
        stopping = undefined;
      });
      return stopping;
    },
  };
}

function sqlOf(runner: Pick<pg.ClientBase, 'query'> | pg.Pool): Sql {
  return {
    async query(text, parameters = []) {
      try {
        // pg's types do not say so: several statements give several results
        const results: pg.QueryResult | pg.QueryResult[] = await run(runner, text, parameters);
        return Array.isArray(results) ? results.flatMap(({ rows }) => rows ?? []) : results.rows;
      } catch (cause) {
        throw databaseFailure(cause);
      }
    },
  };
}

/** Without parameters by the simple protocol, which takes several statements. */
function run(
  runner: Pick<pg.ClientBase, 'query'> | pg.Pool,
  text: string,
  parameters: readonly unknown[],
): Promise<pg.QueryResult> {
  return parameters.length === 0 ? runner.query(text) : runner.query(text, [...parameters]);
}

function getTypeParser(oid: number, format?: 'text' | 'binary') {
  if (oid === INT8 && format !== 'binary') return (text: string): number => Number(text);
  return pg.types.getTypeParser(oid, format);
}

interface Subscriber {
  readonly onNotification: (payload: string) => void;
  readonly onGap: () => void;
}

/** One connection for all channels; it reconnects by itself, and then tells every subscriber of the gap. */
function createListener(newClient: () => pg.Client) {
  const channels = new Map<string, Set<Subscriber>>();
  let client: pg.Client | undefined;
  let connecting: Promise<pg.Client> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let probe: NodeJS.Timeout | undefined;
  let stopped = false;

  async function connect(): Promise<pg.Client> {
    const next = newClient();
    next.on('error', () => lost(next));
    next.on('end', () => lost(next));
    next.on('notification', ({ channel, payload = '' }) => {
      for (const { onNotification } of channels.get(channel) ?? []) onNotification(payload);
    });
    try {
      await next.connect();
      for (const channel of channels.keys()) await next.query(`listen ${pg.escapeIdentifier(channel)}`);
      if (stopped) throw new Geo2Error('DATABASE_FAILED', 'The database is stopped.'); // meanwhile: nobody would end it
    } catch (cause) {
      await next.end().catch(() => {});
      throw databaseFailure(cause, 'Cannot listen');
    }
    client = next;
    probe = setInterval(() => void check(next), PROBE_MS);
    probe.unref();
    return next;
  }

  async function check(connected: pg.Client): Promise<void> {
    const silent = setTimeout(() => lost(connected), PROBE_MS);
    await connected.query('select 1').catch(() => lost(connected));
    clearTimeout(silent);
  }

  function connected(): Promise<pg.Client> {
    if (client !== undefined) return Promise.resolve(client);
    connecting ??= connect().finally(() => {
      connecting = undefined;
    });
    return connecting;
  }

  function lost(gone: pg.Client): void {
    if (client !== gone) return;
    client = undefined;
    clearInterval(probe);
    gone.end().catch(() => {});
    if (!stopped) reconnect(RECONNECT_MS.first);
  }

  function reconnect(afterMs: number): void {
    retry = setTimeout(async () => {
      try {
        await connected();
        for (const subscribers of channels.values()) for (const { onGap } of subscribers) onGap();
      } catch {
        if (!stopped) reconnect(Math.min(2 * afterMs, RECONNECT_MS.most));
      }
    }, afterMs);
  }

  async function unlisten(channel: string, subscriber: Subscriber): Promise<void> {
    const subscribers = channels.get(channel);
    subscribers?.delete(subscriber);
    if (subscribers?.size !== 0) return;
    channels.delete(channel);
    await client?.query(`unlisten ${pg.escapeIdentifier(channel)}`).catch(() => {});
  }

  return {
    async listen(channel: string, subscriber: Subscriber): Promise<Listening> {
      stopped = false;
      const subscribers = channels.get(channel) ?? new Set();
      channels.set(channel, subscribers.add(subscriber));
      try {
        const listening = await connected();
        await listening.query(`listen ${pg.escapeIdentifier(channel)}`); // once more costs nothing
      } catch (cause) {
        await unlisten(channel, subscriber);
        throw databaseFailure(cause, `Cannot listen on ${channel}`);
      }
      subscriber.onGap();
      return { close: () => unlisten(channel, subscriber) };
    },

    async stop(): Promise<void> {
      stopped = true;
      clearTimeout(retry);
      clearInterval(probe);
      channels.clear();
      const ending = client;
      client = undefined;
      await ending?.end().catch(() => {});
    },
  };
}
