/** A process that delivers from the database it is told of until it is killed. */
import { randomUUID } from 'node:crypto';
import { createPostgresDatabase } from '#core/database/database.postgres.ts';
import { createDispatcher } from '#core/webhooks/dispatcher.ts';
import { MIGRATIONS } from '#core/webhooks/migrations.ts';
import { createSecretBox } from '#core/webhooks/secret-box.ts';
import { loopbackFetcher } from './loopback-fetcher.ts';

const [url = '', passphrase = ''] = process.argv.slice(2);
createDispatcher({
  database: createPostgresDatabase({ url, migrations: MIGRATIONS }),
  fetcher: loopbackFetcher(),
  secrets: createSecretBox(passphrase),
  now: () => new Date(),
  random: Math.random,
  newLease: randomUUID,
}).start();
