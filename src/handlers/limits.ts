import type { MiddlewareHandler } from 'hono';
import type { Concurrency } from '../core/accounts/concurrency.ts';
import type { Rate } from '../core/accounts/keys.ts';
import type { RateLimiter, RateState } from '../core/accounts/rate-limiter.ts';
import type { AppEnv } from './context.ts';
import { HttpProblem } from './problems.ts';

export interface LimitsDeps {
  readonly rateLimiter: RateLimiter;
  readonly concurrency: Concurrency;
  /** Of a key that has none of its own. */
  readonly rate: Rate;
  readonly maxConcurrent: number;
}

/** Free of quota: what a map asks for again and again, and what costs nothing to answer. */
const FREE = /^\/v1\/(regions(\/.*)?|coverage)$/;

/** Whether requests to the path count against a key's quota. */
export function isCounted(path: string): boolean {
  return path.startsWith('/v1/') && !FREE.test(path);
}

/**
 * Counts a key's requests and those that it has in flight. Every counted answer says how the quota stands
 * (`RateLimit-Policy`, `RateLimit`); beyond it requests are refused with 429 and told when to come back. Without a key nothing is
 * counted.
 *
 * @example app.use('/v1/*', limits({ rateLimiter, concurrency, rate: { requests: 600, windowS: 60 }, maxConcurrent: 32 }))
 */
export function limits(deps: LimitsDeps): MiddlewareHandler<AppEnv> {
  return async function limit(c, next) {
    const { keyId } = c.get('caller');
    if (keyId === undefined || !isCounted(c.req.path)) return next();
    const { rate = deps.rate, maxConcurrent = deps.maxConcurrent } = c.get('keyLimits');

    const state = await deps.rateLimiter.count(keyId, rate);
    for (const [name, value] of Object.entries(headersOf(state))) c.header(name, value);
    if (!state.allowed) throw rateLimited(state);

    const leave = deps.concurrency.enter(keyId, maxConcurrent);
    if (leave === undefined) throw tooManyInFlight(maxConcurrent, state);
    try {
      await next();
    } finally {
      leave();
    }
    for (const [name, value] of Object.entries(headersOf(state))) c.header(name, value);
  };
}

function headersOf({ rate, remaining, resetS }: RateState): Record<string, string> {
  return {
    'ratelimit-policy': `"default";q=${rate.requests};w=${rate.windowS}`,
    ratelimit: `"default";r=${remaining};t=${resetS}`,
  };
}

function rateLimited(state: RateState): HttpProblem {
  const { requests, windowS } = state.rate;
  return new HttpProblem(
    'RATE_LIMITED',
    `The key may make ${requests} requests in ${windowS} s; more are taken in ${state.resetS} s.`,
    { headers: headersOf(state), data: { retryAfterS: state.resetS } },
  );
}

function tooManyInFlight(maxConcurrent: number, state: RateState): HttpProblem {
  return new HttpProblem(
    'TOO_MANY_IN_FLIGHT',
    `The key may have ${maxConcurrent} requests in flight: wait for one of them.`,
    { headers: headersOf(state), data: { retryAfterS: 1 } },
  );
}
