import type { Tracer } from '../tracing/tracer.ts';
import type { Database, Sql } from './database.ts';

/** The same database, with a span for each statement. A statement's text is told, its parameters never are. */
export function traceDatabase(database: Database, tracer: Tracer): Database {
  const system = database.kind === 'postgres' ? 'postgresql' : 'pglite';

  function traced(sql: Sql): Sql {
    return {
      query: (text, parameters) =>
        tracer.span('database', () => sql.query(text, parameters), {
          kind: 'client',
          attributes: { 'db.system.name': system, 'db.query.text': text.replaceAll(/\s+/g, ' ').trim() },
        }),
    };
  }

  return {
    kind: database.kind,
    query: traced(database).query,
    transaction: (work) => database.transaction((sql) => work(traced(sql))),
    start: () => database.start(),
    stop: () => database.stop(),
  };
}
