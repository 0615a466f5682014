import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { SCOPES } from '#core/accounts/caller.ts';
import { MIGRATIONS as ACCOUNTS } from '#core/accounts/migrations.ts';
import type { Database, Sql } from '#core/database/database.ts';
import { newId } from '#core/ids.ts';
import { createJobService } from '#core/jobs/job-service.ts';
import { MIGRATIONS as JOBS } from '#core/jobs/migrations.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { MIGRATIONS as WEBHOOKS } from '#core/webhooks/migrations.ts';
import { type AppUnderTest, accessOf, appUnderTest, LIMITS, webhooksOf } from './app-under-test.ts';
import { type OwnDatabase, openPglite } from './each-database.ts';

/**
 * Every route with an id, as the OpenAPI document lists them, so that one that is added is tried too: what one tenant has is to
 * another as what nobody has. A collection that is not known here fails until it is said how to make a member of it.
 */

const ALPHA = 'alpha';
const BETA = 'beta';

/** Names in the path are of regions and of views of them, which tenants share. */
const SHARED = /^\/v1\/(regions|previews)\//;

const DocumentSchema = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
const IdSchema = z.object({ id: z.string() });

/** Bodies without which the owner's own request would be refused. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /v1/webhooks/{id}/recover': { since: '2020-01-01T00:00:00Z' },
};

interface Operation {
  readonly method: string;
  readonly path: string;
}

let own: OwnDatabase;
let storeDir: string;
let statements: string[] | undefined;
let app: AppUnderTest;
let keys: Readonly<Record<string, string>>;
beforeAll(async () => {
  own = await openPglite([...ACCOUNTS, ...WEBHOOKS, ...JOBS]);
  storeDir = await mkdtemp(join(tmpdir(), 'geo2-isolation-'));
});
afterAll(async () => {
  await own.stop();
  await rm(storeDir, { recursive: true, force: true });
});

/** Jobs that nobody works on: they stay as they were accepted. */
async function startJobs(database: Database) {
  const service = createJobService({
    database,
    store: createFsObjectStore({ url: pathToFileURL(storeDir).href }),
    recordEvent: async () => {},
    newId,
    now: () => new Date(),
    onError: () => {},
    ttlMs: 3_600_000,
    retentionMs: 3_600_000,
    stagingMs: 600_000,
    maxUnfinished: 1_000,
    worker: undefined,
  });
  await service.start();
  onTestFinished(() => service.stop(0));
  return service.jobs;
}

/** The same database, which tells what it is asked. */
function watched(database: Database): Database {
  const telling = (sql: Sql): Sql => ({
    query(text, parameters) {
      statements?.push(text);
      return sql.query(text, parameters);
    },
  });
  return {
    ...database,
    ...telling(database),
    transaction: (work) => database.transaction((sql) => work(telling(sql))),
  };
}

async function setUp(): Promise<void> {
  const database = watched(own.database);
  const access = accessOf(database, { withoutKey: 'required', rate: { requests: 1_000_000, windowS: 60 } });
  const limits = { ...LIMITS, requestTimeoutMs: 60_000 };
  app = await appUnderTest({ access, webhooks: webhooksOf(database), jobs: await startJobs(database), limits });
  const made = [ALPHA, BETA].map(async (tenant) => {
    const { text } = await access.keys.create({ tenant, name: 'all', scopes: SCOPES });
    return [tenant, text] as const;
  });
  keys = Object.fromEntries(await Promise.all(made));
  // a key's first use is noted: that is no part of what is compared
  for (const tenant of Object.keys(keys)) await ask(tenant, { method: 'GET', path: '/v1/regions' });
}

function ask(tenant: string, { method, path }: Operation, body?: unknown): Promise<Response> {
  return app.request(path, {
    method,
    headers: {
      authorization: `Bearer ${keys[tenant]}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

async function made(path: string, body: unknown): Promise<string> {
  const response = await ask(ALPHA, { method: 'POST', path }, body);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return IdSchema.parse(await response.json()).id;
}

/** How alpha comes to have a member of each collection; what is filled into the path's parameters. */
const MAKERS: readonly { readonly collection: RegExp; readonly make: () => Promise<Record<string, string>> }[] = [
  { collection: /^\/v1\/keys\//, make: async () => ({ id: await made('/v1/keys', { name: 'of alpha' }) }) },
  {
    collection: /^\/v1\/webhooks\//,
    async make() {
      const id = await made('/v1/webhooks', { url: 'https://hooks.example/alpha', events: ['job.succeeded'] });
      return { id, deliveryId: await made(`/v1/webhooks/${id}/test`, {}) };
    },
  },
  {
    collection: /^\/v1\/jobs\//,
    async make() {
      const response = await app.request('/v1/geolocate', {
        method: 'POST',
        body: new Uint8Array([1, 2, 3]),
        headers: { authorization: `Bearer ${keys[ALPHA]}`, 'content-type': 'image/jpeg', prefer: 'respond-async' },
      });
      if (response.status !== 202) throw new Error(`a job: ${response.status} ${await response.text()}`);
      return { id: IdSchema.parse(await response.json()).id };
    },
  },
];

async function operations(): Promise<Operation[]> {
  const { paths } = DocumentSchema.parse(await (await app.request('/openapi.json')).json());
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => ({ method: method.toUpperCase(), path })),
  );
}

async function withIds(): Promise<Operation[]> {
  return (await operations()).filter(({ path }) => path.startsWith('/v1/') && path.includes('{') && !SHARED.test(path));
}

function filled(path: string, parameters: Readonly<Record<string, string>>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_all, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new Error(`say in this test what {${name}} of ${path} is`);
    return value;
  });
}

/** An id of the same form that nobody has. */
function unknownLike(id: string): string {
  const letters = 'abcdefghijklmnopqrstuvwxyz234567';
  return id.replace(/_[a-z2-7]{26}$/, () => `_${[...randomBytes(26)].map((byte) => letters[byte & 31]).join('')}`);
}

/** What a caller can tell an answer by: all of it, but for what each request has of its own. */
async function seen(tenant: string, operation: Operation, parameters: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  statements = asked;
  const path = filled(operation.path, parameters);
  const response = await ask(tenant, { ...operation, path }, BODIES[`${operation.method} ${operation.path}`]);
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
  const text = isStream ? 'a stream' : await response.text();
  if (isStream) await response.body?.cancel();
  statements = undefined;
  let anonymous = text.replaceAll(path, operation.path);
  for (const [name, value] of Object.entries(parameters)) anonymous = anonymous.replaceAll(value, `{${name}}`);
  const headers = Object.fromEntries(response.headers);
  for (const name of ['ratelimit', 'x-request-id', 'date']) delete headers[name];
  return { status: response.status, headers, body: anonymous, statements: asked };
}

async function makerOf(path: string): Promise<Record<string, string>> {
  const maker = MAKERS.find(({ collection }) => collection.test(path));
  if (maker === undefined) throw new Error(`say in this test how a tenant comes to have what ${path} is about`);
  return maker.make();
}

describe('what another tenant has', () => {
  test('is as what nobody has: status, headers, body, and work; and it stays as it is', {
    timeout: 120_000,
  }, async () => {
    await setUp();
    const tried = await withIds();
    expect(tried.length).toBeGreaterThanOrEqual(13);
    for (const operation of tried) {
      const name = `${operation.method} ${operation.path}`;
      const parameters = await makerOf(operation.path);
      const foreign = await seen(BETA, operation, parameters);
      for (const parameter of Object.keys(parameters).filter((key) => operation.path.includes(`{${key}}`))) {
        const unknown = { ...parameters, [parameter]: unknownLike(parameters[parameter] ?? '') };
        expect(foreign, name).toEqual(await seen(BETA, operation, unknown));
      }
      expect(foreign.status, name).toBe(404);
      expect(foreign.statements.length, name).toBeGreaterThan(0);
      // without this the rest would show nothing: its owner finds it, after all that the other tried
      const owners = await seen(ALPHA, operation, parameters);
      expect(owners.status, `${name}: ${owners.body}`).toBeLessThan(300);
    }
  });

  test('is in no list', async () => {
    await setUp();
    const ids = (await Promise.all(MAKERS.map(({ make }) => make()))).flatMap((parameters) =>
      Object.values(parameters),
    );
    const lists = (await operations()).filter(
      ({ method, path }) => method === 'GET' && path.startsWith('/v1/') && !path.includes('{'),
    );
    const shown: string[] = [];
    for (const list of lists) {
      const theirs = await (await ask(BETA, list)).text();
      for (const id of ids) expect(theirs, list.path).not.toContain(id);
      shown.push(await (await ask(ALPHA, list)).text());
    }
    expect(ids.filter((id) => shown.some((text) => text.includes(id))).length).toBeGreaterThanOrEqual(MAKERS.length);
  });
});

test('what cannot be an id is 404 on every route that takes one', { timeout: 120_000 }, async () => {
  await setUp();
  for (const operation of await withIds()) {
    for (const wrong of ['%00', '%27%3B--', '..%2f..', `job_${'a'.repeat(5_000)}`, '%F0%9F%97%BA', '%ff']) {
      const parameters = Object.fromEntries(
        [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => [name, wrong]),
      );
      const { status, body } = await seen(BETA, operation, parameters);
      expect(status, `${operation.method} ${operation.path} with ${wrong}: ${body}`).toBe(404);
    }
  }
});
