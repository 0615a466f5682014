import { Geo2ConnectionError, Geo2ProblemError } from './errors.ts';

/** How often and how long a call is tried. */
export interface RetryOptions {
  /** Tries of one call, the first included; 1 never tries again. 4 unless said. */
  readonly maxAttempts?: number;
  /** The longest wait before another try; a `Retry-After` beyond it ends the call with its problem. 60 s unless said. */
  readonly maxWaitMs?: number;
}

export interface RetryDeps {
  /** From 0 to 1. */
  readonly random: () => number;
  /** Rejects with the signal's reason when it is aborted. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>;
}

const FIRST_WAIT_MS = 500;
const LONGEST_BACKOFF_MS = 8_000;
/** Part of a stated wait that is added at random, so that callers who were refused together do not return together. */
const JITTER = 0.25;

/**
 * Calls until it succeeds, until what it fails with cannot get better by itself, or until the tries are used up. A
 * `Retry-After` is waited for in full; without one the wait doubles, and its length is drawn at random.
 */
export async function withRetries<T>(
  call: () => Promise<T>,
  { maxAttempts = 4, maxWaitMs = 60_000 }: RetryOptions,
  { random, pause, signal }: RetryDeps & { signal: AbortSignal },
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call();
    } catch (error) {
      const waitMs = attempt < maxAttempts ? waitBefore(error, attempt, random) : undefined;
      if (waitMs === undefined || waitMs > maxWaitMs) throw error;
      await pause(waitMs, signal);
    }
  }
}

/** Milliseconds to wait after the failure of an attempt (from 1); undefined when another one makes no sense. */
function waitBefore(error: unknown, attempt: number, random: () => number): number | undefined {
  if (error instanceof Geo2ProblemError) {
    if (!error.retryable) return undefined;
    if (error.retryAfterS !== undefined) return error.retryAfterS * 1000 * (1 + random() * JITTER);
  } else if (!(error instanceof Geo2ConnectionError)) return undefined;
  return random() * Math.min(LONGEST_BACKOFF_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
}

/** Waits on the clock. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
