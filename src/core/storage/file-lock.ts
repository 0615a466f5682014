import { open, readFile, readlink, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';

/** How often a file that is to look alive is touched. */
const TOUCH_MS = 10_000;
/** A file that nobody has touched for so long belongs to a process that died: where taking over by mistake would do harm, … */
export const STALE_MS = 5 * 60_000;
/** … and where it would only do work twice. */
export const SOON_STALE_MS = 45_000;

export interface LockOptions {
  /** A lock this old belongs to a process that died, unless its holder keeps it fresh. */
  readonly staleMs: number;
  /** Undefined is returned when it is held for longer. */
  readonly patienceMs: number;
  readonly everyMs?: number | undefined;
  /** Take it over at once where its process can be seen to be gone; only where two holders would do no harm. */
  readonly fromDead?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A lock between the processes that share a disk: a file that only its creator removes; one left by a dead process is taken over
 * after a while. Returns what unlocks. The folder must be there.
 */
export async function lockFile(path: string, options: LockOptions): Promise<(() => Promise<void>) | undefined> {
  const { staleMs, patienceMs, everyMs = 5, fromDead = false, signal } = options;
  const startedAt = performance.now();
  for (;;) {
    const handle = await open(path, 'wx').catch((cause: unknown) => {
      if (codeOf(cause) !== 'EEXIST') throw cause;
      return undefined;
    });
    if (handle !== undefined) {
      if (fromDead) await handle.writeFile(await ownName());
      await handle.close();
      return () => rm(path, { force: true });
    }
    const touchedMs = await touchedAt(path);
    const isStale = touchedMs !== undefined && Date.now() - touchedMs > staleMs;
    if (isStale || (fromDead && (await isOwnerDead(path)))) await rm(path, { force: true });
    else if (signal?.aborted === true || performance.now() - startedAt > patienceMs) return undefined;
    else await new Promise((wake) => setTimeout(wake, everyMs));
  }
}

/** This process, as others that see it can tell whether it lives: a number means something on one machine, and there in one container. */
async function ownName(): Promise<string> {
  const numbers = await readlink('/proc/self/ns/pid').catch(() => '');
  return [hostname(), numbers, process.pid].join(' ');
}

async function isOwnerDead(path: string): Promise<boolean> {
  const owner = await readFile(path, 'utf8').catch(() => '');
  const at = owner.lastIndexOf(' ');
  const own = await ownName();
  if (at < 0 || owner.slice(0, at) !== own.slice(0, own.lastIndexOf(' '))) return false;
  try {
    process.kill(Number(owner.slice(at + 1)), 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
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
