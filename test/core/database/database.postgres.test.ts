import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createPostgresDatabase } from '#core/database/database.postgres.ts';
import { databaseContract } from '../../contract/database.ts';
import { startPostgres, type TestPostgres } from '../../postgres.ts';

let postgres: TestPostgres;
let created = 0;
beforeAll(async () => {
  postgres = await startPostgres();
}, 120_000);
afterAll(() => postgres.stop());

async function emptyDatabase(): Promise<string> {
  created += 1;
  return postgres.createDatabase(`test_${created}`);
}

databaseContract(async () => {
  const url = await emptyDatabase();
  return { open: (migrations) => createPostgresDatabase({ url, migrations }) };
});

test('several processes that start at the same time apply each migration once', async () => {
  const url = await emptyDatabase();
  const migrations = [{ id: 'test-001', sql: 'select pg_sleep(0.2); create table geo2.once (id int)' }];
  const databases = Array.from({ length: 4 }, () => createPostgresDatabase({ url, migrations }));
  onTestFinished(async () => void (await Promise.all(databases.map((database) => database.stop()))));
  await Promise.all(databases.map((database) => database.start()));
  expect(await databases[0]?.query('select count(*) as applied from geo2.geo2_migrations')).toEqual([{ applied: 1 }]);
});

test('a server that is away is told as DATABASE_FAILED, and used again when it is back, also by listeners', {
  timeout: 120_000,
}, async () => {
  const own = await startPostgres();
  onTestFinished(() => own.stop());
  const database = createPostgresDatabase({ url: own.url, migrations: [] });
  onTestFinished(() => database.stop());
  const heard: string[] = [];
  let gaps = 0;
  await database.listen(
    'geo2_test',
    (payload) => void heard.push(payload),
    () => void gaps++,
  );
  const running = database.query('select pg_sleep(60)');
  const refused = expect(running).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
  await own.kill();
  await refused;
  await expect(database.query('select 1')).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
  await expect(database.transaction(async () => 1)).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
  await own.start();
  await expect.poll(() => gaps, { timeout: 60_000 }).toBe(2);
  await database.query("select pg_notify('geo2_test', 'back')");
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['back']);
});

test('a password that is refused, or a host that is not there, is told by the start', async () => {
  const { port } = new URL(postgres.url);
  for (const url of [`postgres://geo2@127.0.0.1:${port}/not_there`, 'postgres://geo2@127.0.0.1:1/geo2']) {
    const database = createPostgresDatabase({ url, migrations: [] });
    await expect(database.start()).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
    await database.stop();
  }
});
