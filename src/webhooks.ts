import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Database } from './core/database/database.ts';
import { newId } from './core/ids.ts';
import type { PinnedFetcher } from './core/outbound/pinned-fetcher.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import { createDeliveries, type Deliveries } from './core/webhooks/deliveries.ts';
import { createDispatcher, type DispatchObserver } from './core/webhooks/dispatcher.ts';
import { createEndpoints, type Endpoints } from './core/webhooks/endpoints.ts';
import { createRegionWatch } from './core/webhooks/region-watch.ts';
import { createSecretBox } from './core/webhooks/secret-box.ts';

/** Webhooks put together: what the routes stand on, and the work that delivers. */
export interface Webhooks {
  readonly endpoints: Endpoints;
  readonly deliveries: Deliveries;
  /** Delivers what is due, and notices regions that were published, until stopped. */
  start(): void;
  /** Begins nothing more; attempts under way have `drainMs`, then they are given back. */
  stop(options: { drainMs: number }): Promise<void>;
}

export interface WebhooksDeps {
  readonly database: Database;
  readonly fetcher: PinnedFetcher;
  readonly store: ObjectStore;
  /** Ids of the regions whose publications are told. */
  readonly listRegions: () => Promise<readonly string[]>;
  readonly logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly onAttempt?: DispatchObserver['onAttempt'];
}

export function createWebhooks({ secretKey }: Pick<Config, 'secretKey'>, deps: WebhooksDeps): Webhooks {
  const { database, fetcher, logger } = deps;
  const now = (): Date => new Date();
  const secrets = createSecretBox(secretKey);
  const dispatcher = createDispatcher({
    database,
    fetcher,
    secrets,
    now,
    random: Math.random,
    newLease: randomUUID,
    observer: {
      onAttempt: deps.onAttempt,
      onDisabled: (event) => logger.warn(event, 'a webhook is disabled: nothing is sent to it any more'),
      onError: (err) => logger.error({ err }, 'webhooks cannot be delivered as they should; it is tried again'),
    },
  });
  const regions = createRegionWatch({
    ...deps,
    newId,
    now,
    onChange: (event) => logger.info(event, 'a region has another version in the store'),
    onError: (err) => logger.warn({ err }, 'the regions of the store cannot be looked at; it is tried again'),
  });
  return {
    endpoints: createEndpoints({ database, fetcher, secrets, newId, now }),
    deliveries: createDeliveries({ database, newId, now }),
    start() {
      dispatcher.start();
      regions.start();
    },
    async stop(options) {
      await Promise.all([dispatcher.stop(options), regions.stop()]);
    },
  };
}
