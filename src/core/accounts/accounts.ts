import type { Database } from '../database/database.ts';
import type { NewId } from '../ids.ts';
import { type Concurrency, createConcurrency } from './concurrency.ts';
import { createIdempotency, type Idempotency } from './idempotency.ts';
import type { RandomBytes } from './key-text.ts';
import { createKeys, type Keys } from './keys.ts';
import { createRateLimiter, type RateLimiter } from './rate-limiter.ts';

/** Who may ask, how often, and what was asked already. */
export interface Accounts {
  readonly keys: Keys;
  readonly rateLimiter: RateLimiter;
  readonly concurrency: Concurrency;
  readonly idempotency: Idempotency;
  /** Deletes what has run out: windows of quotas, and answers that were kept for a day. */
  sweep(): Promise<void>;
}

export interface AccountsDeps {
  readonly database: Database;
  readonly now: () => Date;
  readonly newId: NewId;
  readonly randomBytes: RandomBytes;
}

export function createAccounts(deps: AccountsDeps): Accounts {
  const { database, now, randomBytes } = deps;
  const newHolder = (): string => Buffer.from(randomBytes(16)).toString('hex');
  return {
    keys: createKeys(deps),
    rateLimiter: createRateLimiter(deps),
    concurrency: createConcurrency(),
    idempotency: createIdempotency({ database, now, newHolder }),
    async sweep() {
      await database.query('delete from geo2.idempotency where expires_at <= $1', [now()]);
      await database.query('delete from geo2.rate_limits where expire <= $1', [now().getTime()]);
    },
  };
}
