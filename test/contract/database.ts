import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Database, Migration } from '#core/database/database.ts';

const MIGRATIONS: readonly Migration[] = [
  {
    id: 'test-001',
    sql: 'create table geo2.notes (id int primary key, body text not null); create index on geo2.notes (body);',
  },
  { id: 'test-002', sql: 'alter table geo2.notes add column tags text[] not null default array[]::text[];' },
];

export interface DatabaseUnderTest {
  /** A database with these migrations on the same data, which the caller stops. */
  open(migrations: readonly Migration[]): Database;
}

/** What every adapter of the database promises; `create` gives new, empty data each time, and removes it by itself. */
export function databaseContract(create: () => Promise<DatabaseUnderTest>): void {
  describe('a database', { timeout: 120_000 }, () => {
    let shared: Database;
    beforeAll(async () => {
      shared = (await create()).open(MIGRATIONS);
      await shared.start();
    }, 120_000);
    afterAll(() => shared.stop());
    beforeEach(async () => void (await shared.query('truncate geo2.notes')));

    async function withDatabase<T>(
      under: DatabaseUnderTest,
      use: (database: Database) => Promise<T>,
      migrations = MIGRATIONS,
    ): Promise<T> {
      const database = under.open(migrations);
      try {
        return await use(database);
      } finally {
        await database.stop();
      }
    }

    const bodies = async (database: Database) =>
      (await database.query('select body from geo2.notes order by id')).map(({ body }) => body);

    test('gives rows with numbers, dates and JSON as JavaScript has them', async () => {
      const database = shared;
      const rows = await database.query(
        `select 7::int8 as big, count(*) as counted, $1::timestamptz as at, $2::jsonb as json, $3::text[] as list, null as nothing
             from generate_series(1, 3)`,
        [new Date('2026-01-31T12:00:00.123Z'), '{"a":[1,"é"]}', ['x', 'y,"z']],
      );
      expect(rows).toEqual([
        {
          big: 7,
          counted: 3,
          at: new Date('2026-01-31T12:00:00.123Z'),
          json: { a: [1, 'é'] },
          list: ['x', 'y,"z'],
          nothing: null,
        },
      ]);
    });

    test('says PostgreSQL’s code of a statement that fails, and goes on', async () => {
      const database = shared;
      await database.query('insert into geo2.notes (id, body) values (1, $1)', ['first']);
      const twice = database.query('insert into geo2.notes (id, body) values (1, $1)', ['again']);
      await expect(twice).rejects.toMatchObject({ code: 'DATABASE_FAILED', data: { sqlState: '23505' } });
      expect(await bodies(database)).toEqual(['first']);
    });

    test('is not spoilt by a script that fails half way', async () => {
      const database = shared;
      const script = database.query("begin; insert into geo2.notes (id, body) values (1, 'x'); select 1 / 0; commit;");
      await expect(script).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
      expect(await bodies(database)).toEqual([]);
      await database.transaction((sql) => sql.query('insert into geo2.notes (id, body) values ($1, $2)', [2, 'y']));
      expect(await bodies(database)).toEqual(['y']);
    });

    test('keeps what a transaction did, and gives its value', async () => {
      const database = shared;
      const value = await database.transaction(async (sql) => {
        await sql.query('insert into geo2.notes (id, body) values (1, $1)', ['a']);
        await sql.query('insert into geo2.notes (id, body) values (2, $1)', ['b']);
        return 'done';
      });
      expect(value).toBe('done');
      expect(await bodies(database)).toEqual(['a', 'b']);
    });

    test('keeps nothing of a transaction that throws, and throws the same', async () => {
      const database = shared;
      const error = new Error('changed my mind');
      const work = database.transaction(async (sql) => {
        await sql.query('insert into geo2.notes (id, body) values (1, $1)', ['a']);
        throw error;
      });
      await expect(work).rejects.toMatchObject({ code: 'DATABASE_FAILED', cause: error });
      expect(await bodies(database)).toEqual([]);
    });

    test('keeps nothing of a transaction that overlooks a failed statement, and says so', async () => {
      const database = shared;
      const work = database.transaction(async (sql) => {
        await sql.query('insert into geo2.notes (id, body) values (1, $1)', ['a']);
        await sql.query('select 1 / 0').catch(() => {});
      });
      await expect(work).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
      expect(await bodies(database)).toEqual([]);
    });

    test('runs many transactions at once without losing one', async () => {
      const database = shared;
      await database.query("insert into geo2.notes (id, body) values (1, '0')");
      const once = () =>
        database.transaction(async (sql) => {
          const [row] = await sql.query('select body from geo2.notes where id = 1 for update');
          await sql.query('update geo2.notes set body = $1 where id = 1', [String(Number(row?.body) + 1)]);
        });
      await Promise.all(Array.from({ length: 40 }, once));
      expect(await bodies(database)).toEqual(['40']);
    });

    test('applies each migration once, over several starts, and the new ones of a later version', async () => {
      const under = await create();
      await withDatabase(under, (database) => database.query("insert into geo2.notes (id, body) values (1, 'kept')"), [
        MIGRATIONS[0] ?? { id: '', sql: '' },
      ]);
      await withDatabase(under, async (database) => {
        await Promise.all([database.start(), database.start()]);
        expect(await database.query('select body, tags from geo2.notes')).toEqual([{ body: 'kept', tags: [] }]);
        const applied = await database.query('select id from geo2.geo2_migrations order by id');
        expect(applied).toEqual([{ id: 'test-001' }, { id: 'test-002' }]);
      });
    });

    test('keeps nothing of migrations of which one fails, and can be started again', async () => {
      const under = await create();
      const broken = [...MIGRATIONS, { id: 'test-003', sql: 'create table geo2.more (id int); select nothing_there;' }];
      await withDatabase(
        under,
        async (database) => {
          await expect(database.start()).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
          await expect(database.start()).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
        },
        broken,
      );
      await withDatabase(under, async (database) => {
        const [row] = await database.query("select to_regclass('geo2.more')::text as found");
        expect(row).toEqual({ found: null });
      });
    });

    test('tells listeners of notifications when their transaction is kept, and of none that is not', async () => {
      const database = shared;
      const heard: string[] = [];
      let gaps = 0;
      const listening = await database.listen(
        'geo2_test',
        (payload) => void heard.push(payload),
        () => void gaps++,
      );
      expect(gaps).toBe(1);
      await database
        .transaction(async (sql) => {
          await sql.query("select pg_notify('geo2_test', 'not kept')");
          throw new Error('no');
        })
        .catch(() => {});
      await database.transaction((sql) => sql.query("select pg_notify('geo2_test', 'kept')"));
      await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['kept']);
      await listening.close();
      await database.query("select pg_notify('geo2_test', 'after')");
      const other = await database.listen(
        'geo2_other',
        (payload) => void heard.push(payload),
        () => {},
      );
      await database.query("select pg_notify('geo2_other', 'last')");
      await expect.poll(() => heard, { timeout: 10_000 }).toEqual(['kept', 'last']);
      await other.close();
    });

    test('stops twice, and starts again with what it held', async () => {
      const under = await create();
      const database = under.open(MIGRATIONS);
      await database.query("insert into geo2.notes (id, body) values (1, 'kept')");
      await Promise.all([database.stop(), database.stop()]);
      await expect(bodies(database)).rejects.toMatchObject({ code: 'DATABASE_FAILED' });
      await database.start();
      expect(await bodies(database)).toEqual(['kept']);
      await database.stop();
    });
  });
}
