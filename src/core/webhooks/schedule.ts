const S = 1_000;
const MIN = 60 * S;
const HOUR = 60 * MIN;
const DAY = 24 * HOUR;

/** Milliseconds from the end of one attempt to the next: ten attempts in about three days. Source: Standard Webhooks. */
export const RETRY_DELAYS_MS: readonly number[] = [
  5 * S,
  5 * MIN,
  30 * MIN,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  24 * HOUR,
];

/** Attempts of one delivery, the first included. */
export const MAX_ATTEMPTS = RETRY_DELAYS_MS.length + 1;
/** Retries that failed together must not come back together. */
const JITTER = 0.2;
const MAX_RETRY_AFTER_MS = DAY;
/** An endpoint that has failed for so long, without one success, is disabled. */
export const DISABLE_AFTER_MS = 5 * DAY;

/** When to try again after `attempts` failed ones; undefined when that was the last. `random` is from 0 up to 1. */
export function nextAttemptAt(
  attempts: number,
  { now, random, retryAfter }: { now: Date; random: () => number; retryAfter: Date | undefined },
): Date | undefined {
  const delayMs = RETRY_DELAYS_MS[attempts - 1];
  if (delayMs === undefined) return undefined;
  const jittered = now.getTime() + delayMs * (1 + JITTER * (2 * random() - 1));
  return new Date(Math.max(jittered, retryAfter?.getTime() ?? 0));
}

/** The time that a Retry-After header names (seconds, or an HTTP date), at most a day from now; undefined for none or nonsense. */
export function readRetryAfter(header: string | readonly string[] | undefined, now: Date): Date | undefined {
  const text = (typeof header === 'string' ? header : header?.[0])?.trim() ?? '';
  const atMs = /^\d{1,10}$/.test(text) ? now.getTime() + Number(text) * S : httpDateMs(text);
  if (atMs === undefined || atMs <= now.getTime()) return undefined;
  return new Date(Math.min(atMs, now.getTime() + MAX_RETRY_AFTER_MS));
}

function httpDateMs(text: string): number | undefined {
  if (!/^[A-Z][a-z]{2,8},? .{10,40}$/.test(text)) return undefined; // `Date.parse` takes much that is no HTTP date
  const atMs = Date.parse(text);
  return Number.isNaN(atMs) ? undefined : atMs;
}
