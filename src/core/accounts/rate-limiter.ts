import {
  type RateLimiterAbstract,
  RateLimiterMemory,
  RateLimiterPostgres,
  RateLimiterRes,
} from 'rate-limiter-flexible';
import type { Database } from '../database/database.ts';
import type { Rate } from './keys.ts';

/** How a key stands after a request was counted. */
export interface RateState {
  readonly allowed: boolean;
  readonly rate: Rate;
  /** Requests left in this window. */
  readonly remaining: number;
  /** Seconds until the next window, rounded up. */
  readonly resetS: number;
}

export interface RateLimiter {
  /** Counts one request, also one that is refused. Errors: DATABASE_FAILED. */
  count(keyId: string, rate: Rate): Promise<RateState>;
}

/**
 * Fixed windows that begin with a key's first request. An embedded database has one process, which counts in memory; processes that
 * share a server count in its table, so that a key has one quota whichever of them answers.
 */
export function createRateLimiter({ database }: { database: Pick<Database, 'kind' | 'query'> }): RateLimiter {
  const limiters = new Map<string, RateLimiterAbstract>();

  function limiterOf({ requests, windowS }: Rate): RateLimiterAbstract {
    const name = `${requests}/${windowS}`;
    const limiter = limiters.get(name) ?? createLimiter(database, { points: requests, duration: windowS });
    limiters.set(name, limiter);
    return limiter;
  }

  return {
    async count(keyId, rate) {
      const found = await limiterOf(rate)
        .consume(keyId)
        .then((result) => ({ allowed: true, result }))
        .catch((refused: unknown) => {
          if (refused instanceof RateLimiterRes) return { allowed: false, result: refused };
          throw refused;
        });
      const { remainingPoints, msBeforeNext } = found.result;
      return {
        allowed: found.allowed,
        rate,
        remaining: remainingPoints,
        resetS: Math.max(1, Math.ceil(msBeforeNext / 1000)),
      };
    },
  };
}

type LimiterOptions = ConstructorParameters<typeof RateLimiterMemory>[0];

function createLimiter(database: Pick<Database, 'kind' | 'query'>, options: LimiterOptions): RateLimiterAbstract {
  if (database.kind === 'pglite') return new RateLimiterMemory(options);
  return new RateLimiterPostgres({
    ...options,
    storeClient: {
      async query({ text, values }: { text: string; values: readonly unknown[] }) {
        const rows = await database.query(text, values);
        return { rows, rowCount: rows.length };
      },
    },
    storeType: 'client',
    schemaName: 'geo2',
    tableName: 'rate_limits',
    tableCreated: true, // by our migration
    clearExpiredByTimeout: false, // housekeeping does
  });
}
