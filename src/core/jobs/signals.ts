import * as z from 'zod';
import type { Database, Listening, Sql } from '../database/database.ts';

const CHANNEL = 'geo2_jobs';
/** How often a listener that could not be set up is tried again. */
const RETRY_MS = 500;

/** How far an item is. */
const ItemStepSchema = z.object({
  jobId: z.string(),
  index: z.int(),
  share: z.number(),
  step: z.int().optional(),
  of: z.int().optional(),
});
export type ItemStep = z.infer<typeof ItemStepSchema>;
export type ItemProgress = Omit<ItemStep, 'jobId' | 'index'>;

/** News of jobs between processes. It is a hint that comes at once; who needs certainty looks into the table, too. */
export interface JobSignals {
  /** Calls until the returned function is called: with the id of a job that changed, or undefined when any may have. */
  onChange(hear: (jobId: string | undefined) => void): () => void;
  /** The same for what an item has come to. */
  onStep(hear: (step: ItemStep) => void): () => void;
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

/** Nothing is written: who does not listen never hears of it. */
export async function tellStep(sql: Sql, step: ItemStep): Promise<void> {
  await sql.query('select pg_notify($1, $2)', [CHANNEL, `step:${JSON.stringify(step)}`]);
}

/** One listening connection for all; it is opened by the first that wants to hear. */
export function createJobSignals(database: Database): JobSignals {
  const changes = new Set<(jobId: string | undefined) => void>();
  const steps = new Set<(step: ItemStep) => void>();
  const queues = new Set<() => void>();
  let listening: Promise<Listening | undefined> | undefined;
  let retry: NodeJS.Timeout | undefined;
  let stopped = false;

  function hear(payload: string): void {
    if (payload.startsWith('step:')) hearStep(payload.slice('step:'.length));
    else if (payload.startsWith('queued:')) for (const each of queues) each();
    else for (const each of changes) each(payload.slice('changed:'.length));
  }

  function hearStep(text: string): void {
    if (steps.size === 0) return;
    const step = ItemStepSchema.parse(JSON.parse(text));
    for (const each of steps) each(step);
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
    onStep(hear) {
      steps.add(hear);
      listen();
      return () => void steps.delete(hear);
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
      steps.clear();
      queues.clear();
      const open = await listening;
      await open?.close();
    },
  };
}
