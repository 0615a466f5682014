import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { Database } from '#core/database/database.ts';
import { newId } from '#core/ids.ts';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import { createEndpoints } from '#core/webhooks/endpoints.ts';
import { createRegionWatch } from '#core/webhooks/region-watch.ts';
import { createSecretBox } from '#core/webhooks/secret-box.ts';
import { createDatabase } from '../../src/database.ts';
import { loopbackFetcher } from '../core/webhooks/loopback-fetcher.ts';
import { prepareFiles, type ServiceFiles } from '../e2e/service.ts';
import { startPostgres, type TestPostgres } from '../postgres.ts';
import { geo2 } from './run.ts';

let files: ServiceFiles;
let postgres: TestPostgres;
let database: Database;
const now = (): Date => new Date();

beforeAll(async () => {
  files = await prepareFiles();
  const regionDir = join(files.storeDir, 'regions/test');
  await cp(join(regionDir, '1'), join(regionDir, '2'), { recursive: true });
  const path = join(regionDir, '2/manifest.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), version: '2' }));
  postgres = await startPostgres();
  database = createDatabase({ databaseUrl: postgres.url, dataDir: '' });
  const secrets = createSecretBox(undefined);
  const endpoints = createEndpoints({ database, fetcher: loopbackFetcher(), secrets, newId, now });
  await endpoints.create('acme', { url: 'http://127.0.0.1:1/', events: ['region.published', 'region.rolled_back'] });
}, 300_000);

afterAll(async () => {
  await database?.stop();
  await postgres?.stop();
  await rm(files.root, { recursive: true, force: true });
});

/** What was recorded, oldest first. */
async function events(): Promise<string[]> {
  const rows = await database.query('select type, payload from geo2.webhook_events order by created_at, id');
  return rows.map((row) => {
    const { type, payload } = z.object({ type: z.string(), payload: z.string() }).parse(row);
    const { data } = z.object({ data: z.object({ id: z.string(), version: z.string() }) }).parse(JSON.parse(payload));
    return `${type} ${data.id}@${data.version}`;
  });
}

function publish(version: string, env: Record<string, string> = {}) {
  const store = { GEO2_STORE: pathToFileURL(files.storeDir).href, GEO2_MODEL_DIR: files.modelDir };
  return geo2(['region', 'publish', `test@${version}`], { env: { ...store, ...env } });
}

describe('geo2 region publish', () => {
  test('tells webhooks once, together with a service that watches the same store', { timeout: 300_000 }, async () => {
    const watch = createRegionWatch({
      database,
      newId,
      now,
      store: createFsObjectStore({ url: pathToFileURL(files.storeDir).href }),
      listRegions: async () => ['test'],
    });
    await watch.look();
    expect(await events()).toEqual(['region.published test@1']);

    const shared = { GEO2_DATABASE_URL: postgres.url };
    expect(await publish('2', shared)).toMatchObject({ code: 0, stderr: '' });
    await watch.look();
    await watch.look();
    expect(await events()).toEqual(['region.published test@1', 'region.published test@2']);

    // a command without the database: the service notices
    expect(await publish('1')).toMatchObject({ code: 0, stderr: '' });
    expect(await events()).toHaveLength(2);
    await watch.look();
    await watch.look();
    expect((await events()).slice(2)).toEqual(['region.rolled_back test@1']);
  });

  test('has published when the database cannot be reached, and says who tells webhooks then', {
    timeout: 300_000,
  }, async () => {
    const nowhere = { GEO2_DATABASE_URL: 'postgres://geo2@127.0.0.1:1/geo2' };
    const { code, stdout, stderr } = await publish('2', nowhere);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/2 is served/) });
    expect(stderr).toMatch(/webhooks are told later, when a running service notices/);
  });
});
