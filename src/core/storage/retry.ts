import { canceled, throwIfCanceled } from '../errors.ts';

export interface RetryOptions {
  /** Whether trying again may help, after so many attempts. */
  readonly isTransient: (error: unknown, attempt: number) => boolean;
  /** From the first attempt; the last one begins within it. */
  readonly patienceMs: () => number;
  readonly random: () => number;
  readonly nowMs: () => number;
  readonly signal?: AbortSignal | undefined;
}

const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;

/**
 * Calls `work` until it succeeds, fails for good, or the patience is over; then the last error is thrown. Delays double and are
 * drawn between nothing and their full length, so that many processes whose store comes back do not all ask in one moment.
 */
export async function withRetries<T>(work: (attempt: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { isTransient, patienceMs, random, nowMs, signal } = options;
  const startedAtMs = nowMs();
  for (let attempt = 1; ; attempt++) {
    throwIfCanceled(signal);
    try {
      return await work(attempt);
    } catch (error) {
      if (signal?.aborted === true) throw canceled(signal);
      const delayMs = random() * Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(attempt, 20));
      if (!isTransient(error, attempt) || nowMs() - startedAtMs + delayMs > patienceMs()) throw error;
      await sleep(delayMs, signal);
    }
  }
}

async function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener('abort', wake, { once: true });
  });
}
