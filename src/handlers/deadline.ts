import type { MiddlewareHandler } from 'hono';
import { Geo2Error } from '../core/errors.ts';
import type { AppEnv } from './context.ts';

/**
 * Gives every request one signal: it ends when the caller hangs up, or when `timeoutMs` have passed since the request
 * came, which the caller is told as DEADLINE_EXCEEDED.
 */
export function deadline(options: { timeoutMs: number; nowMs: () => number }): MiddlewareHandler<AppEnv> {
  const { timeoutMs, nowMs } = options;
  return async function limitTime(c, next) {
    const endsAtMs = nowMs() + timeoutMs;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(tooLate(timeoutMs)), timeoutMs);
    c.set('signal', AbortSignal.any([c.req.raw.signal, late.signal]));
    c.set('remainingMs', () => endsAtMs - nowMs());
    try {
      await next();
    } finally {
      clearTimeout(timer);
    }
  };
}

function tooLate(timeoutMs: number): Geo2Error {
  return new Geo2Error('DEADLINE_EXCEEDED', `The request was not answered within ${timeoutMs} ms.`, {
    data: { timeoutMs, retryable: true },
  });
}
