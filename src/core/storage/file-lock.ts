import { open, rm, stat, utimes } from 'node:fs/promises';

/** How often a file that is to look alive is touched. */
const TOUCH_MS = 30_000;
/** A file that nobody has touched for so long belongs to a process that died. */
export const STALE_MS = 5 * 60_000;

export interface LockOptions {
  /** A lock this old belongs to a process that died, unless its holder keeps it fresh. */
  readonly staleMs: number;
  /** Undefined is returned when it is held for longer. */
  readonly patienceMs: number;
  readonly everyMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A lock between the processes that share a disk: a file that only its creator removes; one left by a dead process is taken over
 * after a while. Returns what unlocks. The folder must be there.
 */
export async function lockFile(path: string, options: LockOptions): Promise<(() => Promise<void>) | undefined> {
  const { staleMs, patienceMs, everyMs = 5, signal } = options;
  const startedAt = performance.now();
  for (;;) {
    const handle = await open(path, 'wx').catch((cause: unknown) => {
      if (codeOf(cause) !== 'EEXIST') throw cause;
      return undefined;
    });
    if (handle !== undefined) {
      await handle.close();
      return () => rm(path, { force: true });
    }
    const touchedMs = await touchedAt(path);
    if (touchedMs !== undefined && Date.now() - touchedMs > staleMs) await rm(path, { force: true });
    else if (signal?.aborted === true || performance.now() - startedAt > patienceMs) return undefined;
    else await new Promise((wake) => setTimeout(wake, everyMs));
  }
}

/** Touches a file now and then, so that others see that its owner lives. Returns what ends that. */
export function keepFresh(path: string): () => void {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {}); // whoever removed it had a reason; its owner finds out
  }, TOUCH_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** Milliseconds since 1970; undefined where there is no such file. */
export async function touchedAt(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    (cause: unknown) => {
      if (codeOf(cause) !== 'ENOENT') throw cause;
      return undefined;
    },
  );
}

export function codeOf(cause: unknown): unknown {
  return cause instanceof Error && 'code' in cause ? cause.code : undefined;
}
