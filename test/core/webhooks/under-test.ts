import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, onTestFinished, vi } from 'vitest';
import { createPgliteDatabase } from '#core/database/database.pglite.ts';
import { createPostgresDatabase } from '#core/database/database.postgres.ts';
import type { Database } from '#core/database/database.ts';
import { newId } from '#core/ids.ts';
import type { PinnedFetcher } from '#core/outbound/pinned-fetcher.ts';
import type { AttemptOutcome } from '#core/webhooks/attempt.ts';
import { createDeliveries, type Deliveries } from '#core/webhooks/deliveries.ts';
import { createDispatcher, type Dispatcher } from '#core/webhooks/dispatcher.ts';
import { createEndpoints, type DisabledReason, type Endpoint, type Endpoints } from '#core/webhooks/endpoints.ts';
import { type EventType, recordEvent } from '#core/webhooks/events.ts';
import { MIGRATIONS } from '#core/webhooks/migrations.ts';
import { createSecretBox, type SecretBox } from '#core/webhooks/secret-box.ts';
import { startPostgres } from '../../postgres.ts';
import { loopbackFetcher } from './loopback-fetcher.ts';

/** Everything of webhooks on a real database, with a clock that stands still until it is moved. */
export interface Webhooks {
  readonly database: Database;
  /** Where the database is, for another process. */
  readonly databaseUrl: string;
  readonly endpoints: Endpoints;
  readonly deliveries: Deliveries;
  readonly secrets: SecretBox;
  readonly fetcher: PinnedFetcher;
  readonly now: () => Date;
  readonly newId: typeof newId;
  advance(ms: number): void;
  record(tenant: string, type?: EventType, data?: Record<string, unknown>): Promise<string | undefined>;
  /** Ends with the test. */
  dispatcher(options?: { timeoutMs?: number; random?: () => number; secrets?: SecretBox }): ObservedDispatcher;
  /** An endpoint of the tenant at a receiver; every event type unless told. */
  subscribe(
    tenant: string,
    url: string,
    events?: readonly EventType[],
  ): Promise<{ endpoint: Endpoint; secret: string }>;
}

export interface ObservedDispatcher extends Dispatcher {
  readonly outcomes: AttemptOutcome[];
  readonly disabled: { tenant: string; endpointId: string; reason: DisabledReason }[];
  readonly errors: unknown[];
}

export const PASSPHRASE = 'a passphrase of the tests, long enough';
export const S = 1_000;
export const MIN = 60 * S;
export const HOUR = 60 * MIN;
export const DAY = 24 * HOUR;

/** For a describe block: one database for its tests, emptied before each. */
export function useWebhooks(kind: 'pglite' | 'postgres'): () => Webhooks {
  vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 }); // for machines that are busy with other things
  let database: Database | undefined;
  let databaseUrl = '';
  const closers: (() => Promise<void>)[] = [];
  let current: Webhooks | undefined;

  beforeAll(async () => {
    if (kind === 'postgres') {
      const postgres = await startPostgres();
      closers.push(() => postgres.stop());
      databaseUrl = postgres.url;
      database = createPostgresDatabase({ url: postgres.url, migrations: MIGRATIONS });
    } else {
      const dataDir = await mkdtemp(join(tmpdir(), 'geo2-webhooks-'));
      closers.push(() => rm(dataDir, { recursive: true, force: true }));
      database = createPgliteDatabase({ dataDir, migrations: MIGRATIONS });
    }
    await database.start();
  }, 300_000);
  afterAll(async () => {
    await database?.stop();
    for (const close of closers.reverse()) await close();
  });
  beforeEach(async () => {
    if (database === undefined) throw new Error('there is no database');
    await database.query(
      'truncate geo2.webhook_endpoints, geo2.webhook_events, geo2.region_versions, geo2.region_pointers cascade',
    );
    current = webhooksOn(database, databaseUrl);
  });
  return () => {
    if (current === undefined) throw new Error('no test runs');
    return current;
  };
}

function webhooksOn(database: Database, databaseUrl: string): Webhooks {
  let nowMs = Date.now();
  const now = (): Date => new Date(nowMs);
  const secrets = createSecretBox(PASSPHRASE);
  const fetcher = loopbackFetcher();
  const endpoints = createEndpoints({ database, fetcher, secrets, newId, now });
  return {
    database,
    databaseUrl,
    endpoints,
    deliveries: createDeliveries({ database, newId, now }),
    secrets,
    fetcher,
    now,
    newId,
    advance(ms) {
      nowMs += ms;
    },
    record: (tenant, type = 'job.succeeded', data = { id: 'job_1' }) =>
      database.transaction((sql) => recordEvent(sql, { tenant, type, data }, { newId, now })),
    dispatcher({ timeoutMs = 20 * S, random = () => 0.5, secrets: others = secrets } = {}) {
      const outcomes: AttemptOutcome[] = [];
      const disabled: ObservedDispatcher['disabled'] = [];
      const errors: unknown[] = [];
      const dispatcher = createDispatcher({
        database,
        fetcher,
        secrets: others,
        now,
        random,
        newLease: () => newId('dlv'),
        timeoutMs,
        observer: {
          onAttempt: ({ outcome }) => void outcomes.push(outcome),
          onDisabled: (event) => void disabled.push(event),
          onError: (error) => void errors.push(error),
        },
      });
      onTestFinished(() => dispatcher.stop({ drainMs: 0 }));
      return { ...dispatcher, outcomes, disabled, errors };
    },
    subscribe: (tenant, url, events = ['job.succeeded', 'job.failed', 'job.canceled']) =>
      endpoints.create(tenant, { url, events }),
  };
}

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: Received[];
  /** Resolves with what has come when it is so many. */
  got(count: number): Promise<Received[]>;
}

type Answer = (response: ServerResponse, nth: number, request: IncomingMessage) => void;

/** A real HTTP server that notes what it is sent, and answers 200 unless told otherwise; it ends with the test. */
export async function receiverOf(answer: Answer = (response) => response.end('ok')): Promise<Receiver> {
  const received: Received[] = [];
  const waiting: { count: number; done: () => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    response.on('error', () => {});
    request.on('error', () => {});
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks).toString('utf8') });
      for (const { count, done } of waiting) if (received.length >= count) done();
      answer(response, received.length, request);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    received,
    async got(count) {
      if (received.length < count) await new Promise<void>((done) => waiting.push({ count, done }));
      return received;
    },
  };
}

/** The headers in the form that the libraries verify. */
export function headersOf({ headers }: Received): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}
