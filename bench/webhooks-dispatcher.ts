/** The delivering side of bench/webhooks.ts: does what its parent says. */
import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { createPgliteDatabase } from '../src/core/database/database.pglite.ts';
import { createPostgresDatabase } from '../src/core/database/database.postgres.ts';
import { newId } from '../src/core/ids.ts';
import { createPinnedFetcher } from '../src/core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '../src/core/outbound/public-address.ts';
import { createDispatcher } from '../src/core/webhooks/dispatcher.ts';
import { createEndpoints } from '../src/core/webhooks/endpoints.ts';
import { recordEvent } from '../src/core/webhooks/events.ts';
import { MIGRATIONS } from '../src/core/webhooks/migrations.ts';
import { createSecretBox } from '../src/core/webhooks/secret-box.ts';

const env = z
  .object({ BENCH_DATA_DIR: z.string(), BENCH_DATABASE_URL: z.string(), BENCH_PORT: z.string() })
  .parse(process.env);
const MessageSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('subscribe'), tenants: z.array(z.string()) }),
  z.object({ type: z.literal('record'), tenants: z.array(z.string()), everyMs: z.number() }),
  z.object({ type: z.literal('gc') }),
]);

const database =
  env.BENCH_DATABASE_URL === ''
    ? createPgliteDatabase({ dataDir: env.BENCH_DATA_DIR, migrations: MIGRATIONS })
    : createPostgresDatabase({ url: env.BENCH_DATABASE_URL, migrations: MIGRATIONS });
await database.start();
const now = (): Date => new Date();
const fetcher = createPinnedFetcher({
  isAllowed: createAddressPolicy(['127.0.0.0/8']),
  resolveHost: (host) => lookup(host, { all: true }),
});
const secrets = createSecretBox(undefined);
const endpoints = createEndpoints({ database, fetcher, secrets, newId, now });
const dispatcher = createDispatcher({
  database,
  fetcher,
  secrets,
  now,
  random: Math.random,
  newLease: randomUUID,
  observer: { onError: (error) => console.error(error) },
});
dispatcher.start();

process.on('message', (message) => void handle(MessageSchema.parse(message)));
process.send?.({ type: 'ready' });

async function handle(message: z.infer<typeof MessageSchema>): Promise<void> {
  switch (message.type) {
    case 'subscribe':
      for (const tenant of message.tenants) {
        await endpoints.create(tenant, {
          url: `http://127.0.0.1:${env.BENCH_PORT}/${tenant}`,
          events: ['job.succeeded'],
        });
      }
      process.send?.({ type: 'ready' });
      return;
    case 'record': {
      const startedMs = performance.now();
      for (const [index, tenant] of message.tenants.entries()) {
        await sleep(Math.max(0, startedMs + index * message.everyMs - performance.now()));
        await database.transaction((sql) =>
          recordEvent(
            sql,
            { tenant, type: 'job.succeeded', data: { id: newId('job'), status: 'succeeded' } },
            { newId, now },
          ),
        );
      }
      process.send?.({ type: 'recorded' });
      return;
    }
    case 'gc':
      globalThis.gc?.();
      process.send?.({ type: 'ready', heapMb: process.memoryUsage().heapUsed / 1e6 });
  }
}
