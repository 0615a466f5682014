import type { Database, Listening, Sql } from '../database/database.ts';

const CHANNEL = 'geo2_jobs';
/** How often a listener that could not be set up is tried again. */
const RETRY_MS = 500;

/** News of jobs between processes. It is a hint that comes at once; who needs certainty looks into the table, too. */
export interface JobSignals {
  /** Calls until the returned function is called: with the id of a job that changed, or undefined when any may have. */
  onChange(hear: (jobId: string | undefined) => void): () => void;
  /** The same for new entries in the queue. */
  onQueued(hear: () => void): () => void;
  /** Ends the connection; who still waits hears nothing more. */
  stop(): Promise<void>;
}

/** In the transaction that changes a job. */
export async function tellChanged(sql: Sql, jobId: string): Promise<void> {
  await sql.query('select pg_notify($1, $2)', [CHANNEL, `changed:${jobId}`]);
}

/** In the transaction that adds an entry to the queue. */
export async function tellQueued(sql: Sql): Promise<void> {
  await sql.query('select pg_notify($1, $2)', [CHANNEL, 'queued:']);
}

/** One listening connection for all; it is opened by the first that wants to hear. */
export function createJobSignals(database: Database): JobSignals {
  const changes = new Set<(jobId: string | undefined) => void>();
  const queues = new Set<() => void>();
  let listening: Promise<Listening | undefined> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let stopped = false;

  function hear(payload: string): void {
    if (payload.startsWith('queued:')) for (const each of queues) each();
    else for (const each of changes) each(payload.slice('changed:'.length));
  }

  function hearGap(): void {
    for (const each of queues) each();
    for (const each of changes) each(undefined);
  }

  function listen(): void {
    if (stopped) return;
    listening ??= database.listen(CHANNEL, hear, hearGap).catch(() => {
      listening = undefined;
      retry = setTimeout(listen, RETRY_MS);
      retry.unref();
      return undefined;
    });
  }

  return {
    onChange(hear) {
      changes.add(hear);
      listen();
      return () => void changes.delete(hear);
    },
    onQueued(hear) {
      queues.add(hear);
      listen();
      return () => void queues.delete(hear);
    },
    async stop() {
      stopped = true;
      clearTimeout(retry);
      changes.clear();
      queues.clear();
      const open = await listening;
      await open?.close();
    },
  };
}
