import { Worker } from 'node:worker_threads';
import { canceled, type ErrorCode, Geo2Error, throwIfCanceled } from '../errors.ts';
import type { ReadTilesTable, RegionTiles } from '../retrieval/tiles-table.ts';
import type { FileFacts, VerifyFiles } from '../storage/checksums.ts';

/**
 * A thread of low priority (on Linux; elsewhere of a common one) for what only computes when a version is opened: checksums of
 * gigabytes and tables of many thousand tiles would otherwise be computed on the thread that answers requests, and take the cores
 * from searches and graphs.
 */
export interface QuietThread {
  readonly verifyFiles: VerifyFiles;
  readonly readTilesTable: ReadTilesTable;
  /** Starts it before it is needed, which is its first use otherwise. */
  start(): void;
  /** Ends it; what it was doing is CANCELED. It may be used again. */
  stop(): Promise<void>;
}

/** What the thread is asked. */
export interface QuietRequest {
  readonly id: number;
  readonly task:
    | { readonly type: 'verify'; readonly dir: string; readonly files: readonly FileFacts[] }
    | { readonly type: 'tiles'; readonly path: string; readonly file: string; readonly headings: number }
    /** The task of this id. */
    | { readonly type: 'cancel' };
}

/** What it answers: nothing where a task has no result. Classes do not travel, so an error comes in parts. */
export interface QuietReply {
  readonly id: number;
  readonly tiles?: RegionTiles;
  readonly error?: {
    /** Of a Geo2Error. */
    readonly code: ErrorCode | undefined;
    readonly message: string;
    readonly data: Readonly<Record<string, unknown>>;
  };
}

export function createQuietThread(): QuietThread {
  let worker: Worker | undefined;
  let lastId = 0;
  const waiting = new Map<number, PromiseWithResolvers<QuietReply>>();

  function started(): Worker {
    worker ??= begin();
    return worker;
  }

  function begin(): Worker {
    const thread = new Worker(new URL('./quiet-thread.worker.ts', import.meta.url), { env: {} });
    thread.unref(); // nothing that is still computed keeps a process alive that wants to end
    thread.on('message', (reply: QuietReply) => waiting.get(reply.id)?.resolve(reply));
    let why = canceled(undefined);
    thread.on('error', (cause) => {
      why = new Geo2Error('STORE_FAILED', 'The thread that verifies files ended.', { cause });
    });
    thread.on('exit', () => {
      worker = undefined;
      for (const { reject } of waiting.values()) reject(why);
    });
    return thread;
  }

  async function ask(task: QuietRequest['task'], signal?: AbortSignal): Promise<QuietReply> {
    throwIfCanceled(signal);
    const thread = started();
    const id = ++lastId;
    const send = (request: QuietRequest): void => thread.postMessage(request);
    const answer = Promise.withResolvers<QuietReply>();
    const leave = (): void => {
      send({ id, task: { type: 'cancel' } });
      answer.reject(canceled(signal));
    };
    waiting.set(id, answer);
    signal?.addEventListener('abort', leave, { once: true });
    try {
      send({ id, task });
      const reply = await answer.promise;
      if (reply.error !== undefined) throw errorOf(reply.error);
      return reply;
    } finally {
      waiting.delete(id);
      signal?.removeEventListener('abort', leave);
    }
  }

  return {
    async verifyFiles(dir, files, { signal } = {}) {
      await ask({ type: 'verify', dir, files }, signal);
    },
    async readTilesTable(path, file, { headings }) {
      const { tiles } = await ask({ type: 'tiles', path, file, headings });
      if (tiles === undefined) throw new Error('the thread read no tiles');
      return tiles;
    },
    start: started,
    async stop() {
      await worker?.terminate(); // `exit` is told before
    },
  };
}

function errorOf({ code, message, data }: NonNullable<QuietReply['error']>): Error {
  return code === undefined ? new Error(message) : new Geo2Error(code, message, { data });
}
