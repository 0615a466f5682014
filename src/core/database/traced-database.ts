import type { Tracer } from '../tracing/tracer.ts';
import type { Database, Sql } from './database.ts';

/**
 * The same database, with a span for each statement of work that is traced; what runs by itself, such as the look for new jobs,
 * is in no trace. A statement with parameters is told by its text, any other by its first word: values stay here.
 */
export function traceDatabase(database: Database, tracer: Tracer): Database {
  const system = database.kind === 'postgres' ? 'postgresql' : 'pglite';

  function traced(sql: Sql): Sql {
    return {
      async query(text, parameters = []) {
        if (tracer.current() === undefined) return sql.query(text, parameters);
        const words = text.replaceAll(/\s+/g, ' ').trim();
        return tracer.span('database', () => sql.query(text, parameters), {
          kind: 'client',
          attributes: {
            'db.system.name': system,
            'db.operation.name': words.split(' ', 1)[0] ?? '',
            ...(parameters.length === 0 ? {} : { 'db.query.text': words }),
          },
        });
      },
    };
  }

  return {
    kind: database.kind,
    query: traced(database).query,
    transaction: (work) => database.transaction((sql) => work(traced(sql))),
    listen: (channel, onNotification, onGap) => database.listen(channel, onNotification, onGap),
    start: () => database.start(),
    stop: () => database.stop(),
  };
}
