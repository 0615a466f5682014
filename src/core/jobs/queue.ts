import { type Db, PgBoss } from 'pg-boss';
import * as z from 'zod';
import type { Database, Sql } from '../database/database.ts';
import { databaseFailure } from '../database/failure.ts';
import { Geo2Error } from '../errors.ts';

const QUEUE = 'jobs';
const DAY_S = 86_400;

/** A job's turn: pg-boss orders the entries and gives each to one worker; the job itself is in our own table. */
export interface JobQueue {
  /** Makes the queue where it is not there yet. Errors: DATABASE_FAILED. */
  start(): Promise<void>;
  /** In the transaction that inserts the job. Returns the entry's id. */
  add(sql: Sql, job: { readonly id: string; readonly tenant: string }): Promise<string>;
  /**
   * The next entry, which nobody else gets until it is given back, of any tenant but those in `except`; undefined when none
   * waits.
   */
  take(
    sql: Sql,
    options: { readonly except: readonly string[] },
  ): Promise<{ readonly queueId: string; readonly jobId: string } | undefined>;
  /** Makes an entry that was taken the next one again. */
  giveBack(sql: Sql, queueId: string): Promise<void>;
  remove(sql: Sql, queueId: string): Promise<void>;
  stop(): Promise<void>;
}

export interface JobQueueOptions {
  readonly database: Database;
  /** Whether this process keeps the queue's tables in order. */
  readonly supervise: boolean;
  readonly onError: (error: Error) => void;
}

const EntrySchema = z.object({ jobId: z.string() });

export function createJobQueue({ database, supervise, onError }: JobQueueOptions): JobQueue {
  const boss = new PgBoss({
    db: bossDatabase(database),
    backend: database.kind,
    supervise,
    schedule: false,
    registerInstance: false,
    persistWarnings: false,
    monitorVacuum: false,
    reindex: false,
    queueCacheIntervalSeconds: DAY_S, // the one queue never changes
    monitorIntervalSeconds: 3_600,
    openTelemetry: { enabled: false },
  });
  boss.on('error', onError);
  let starting: Promise<void> | undefined;

  async function open(): Promise<void> {
    try {
      await boss.start();
      // what ends a claim is our own lease: a job may take as long as it is allowed to, and be claimed again as often as it must
      await boss.createQueue(QUEUE, {
        expireInSeconds: DAY_S - 1,
        retentionSeconds: 365 * DAY_S,
        retryLimit: 1_000_000,
      });
    } catch (cause) {
      throw databaseFailure(cause, 'The queue cannot be opened');
    }
  }

  return {
    start() {
      starting ??= open().catch((error: unknown) => {
        starting = undefined;
        throw error;
      });
      return starting;
    },

    async add(sql, { id: jobId, tenant }) {
      const id = await boss.send(QUEUE, { jobId }, { group: { id: tenant }, db: bossDatabase(sql) });
      if (id === null) throw new Geo2Error('DATABASE_FAILED', 'The queue took no entry.');
      return id;
    },

    async take(sql, { except }) {
      const [entry] = await boss.fetch(QUEUE, { batchSize: 1, ignoreGroups: [...except], db: bossDatabase(sql) });
      return entry === undefined ? undefined : { queueId: entry.id, jobId: EntrySchema.parse(entry.data).jobId };
    },

    async giveBack(sql, queueId) {
      await boss.fail(QUEUE, queueId, null, { db: bossDatabase(sql) }); // pg-boss' word for "once more", without a delay
    },

    async remove(sql, queueId) {
      await boss.deleteJob(QUEUE, queueId, { db: bossDatabase(sql) });
    },

    async stop() {
      await starting?.catch(() => {});
      if (starting !== undefined) await boss.stop({ graceful: false, close: false });
      starting = undefined;
    },
  };
}

/** pg-boss tells errors apart by PostgreSQL's own code, which ours wrap. */
function bossDatabase(sql: Sql): Db {
  return {
    async executeSql(text, values = []) {
      try {
        return { rows: await sql.query(text, values) };
      } catch (error) {
        throw error instanceof Geo2Error && error.cause instanceof Error ? error.cause : error;
      }
    },
  };
}
