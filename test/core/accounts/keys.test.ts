import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { LOCAL_TENANT } from '#core/accounts/caller.ts';
import { createKeyText } from '#core/accounts/key-text.ts';
import { createKeys, type Keys, MAX_KEYS_OF_TENANT, type NewKey } from '#core/accounts/keys.ts';
import { MIGRATIONS } from '#core/accounts/migrations.ts';
import type { Database } from '#core/database/database.ts';
import { newId } from '#core/ids.ts';
import { eachDatabase } from '../../each-database.ts';

const NOW = new Date('2026-06-01T12:00:00Z');
const later = (ms: number): Date => new Date(NOW.getTime() + ms);
const backend = (tenant: string): NewKey => ({ tenant, name: 'backend', scopes: ['geolocate', 'jobs'] });

eachDatabase(MIGRATIONS, (own) => {
  function keysAt(now: () => Date = () => NOW, database: Database = own().database): Keys {
    return createKeys({ database, now, newId, randomBytes });
  }

  describe('a new key', () => {
    test('opens what it was made for, and tells nothing that would open it', async () => {
      const keys = keysAt();
      const { key, text } = await keys.create({
        ...backend('new-key'),
        regions: ['helsinki', 'test', 'test'],
        rate: { requests: 5, windowS: 60 },
        maxConcurrent: 2,
        expiresAt: later(1000),
      });
      expect(key).toEqual({
        id: expect.stringMatching(/^key_[a-z2-7]{26}$/),
        tenant: 'new-key',
        name: 'backend',
        hint: `${text.slice(0, 9)}…`,
        scopes: ['geolocate', 'jobs'],
        regions: ['helsinki', 'test'],
        rate: { requests: 5, windowS: 60 },
        maxConcurrent: 2,
        createdAt: NOW,
        expiresAt: later(1000),
      });
      expect(await keys.identify(text)).toEqual({
        caller: {
          tenant: 'new-key',
          keyId: key.id,
          scopes: new Set(['geolocate', 'jobs']),
          regions: ['helsinki', 'test'],
        },
        rate: { requests: 5, windowS: 60 },
        maxConcurrent: 2,
      });
      const stored = JSON.stringify(await own().database.query('select * from geo2.keys'));
      expect(stored).not.toContain(text.slice(9));
    });

    test('has no limits of its own, all regions and no end unless it is given them', async () => {
      const keys = keysAt();
      const { text } = await keys.create(backend('plain'));
      expect(await keys.identify(text)).toEqual({
        caller: expect.objectContaining({ tenant: 'plain', regions: undefined }),
      });
      expect(await keysAt(() => new Date('2999-01-01')).identify(text)).toMatchObject({ caller: { tenant: 'plain' } });
    });

    test('is refused when its tenant has too many that can be used; a revoked one makes room', async () => {
      const keys = keysAt();
      const { key } = await keys.create(backend('many'));
      await own().database.query(
        `insert into geo2.keys (id, tenant, name, hint, hash, scopes, created_at)
         select 'key_many' || n, 'many', 'n', 'geo2_', 'many' || n, array['jobs'], now() from generate_series(1, $1::int) n`,
        [MAX_KEYS_OF_TENANT - 1],
      );
      await expect(keys.create(backend('many'))).rejects.toMatchObject({
        code: 'INVALID_REQUEST',
        message: expect.stringMatching(/revoke one/),
      });
      await keys.create(backend('few'));
      await keys.revoke(key.id);
      await keys.create(backend('many'));
    });
  });

  describe('a key is refused', () => {
    test('when it is unknown, with one look-up, as a known one', async () => {
      const asked: string[] = [];
      const database: Database = {
        ...own().database,
        query(text, parameters) {
          asked.push(text);
          return own().database.query(text, parameters);
        },
      };
      const keys = keysAt(() => NOW, database);
      const { text } = await keysAt().create(backend('known'));
      await keysAt().identify(text); // its last use is noted
      const refused = keys.identify(createKeyText(randomBytes));
      await expect(refused).rejects.toMatchObject({ code: 'KEY_INVALID', message: 'This key is not known here.' });
      const unknown = asked.splice(0);
      await keys.identify(text);
      expect(unknown).toEqual(asked);
    });

    test('when it is mistyped, without any', async () => {
      const { text } = await keysAt().create(backend('typo'));
      const mistyped = `${text.slice(0, 20)}${text[20] === 'a' ? 'b' : 'a'}${text.slice(21)}`;
      const keys = keysAt(() => NOW, { ...own().database, query: () => Promise.reject(new Error('a look-up')) });
      for (const wrong of [mistyped, text.slice(0, -1), `${text}0`, text.toLowerCase(), '', 'x'.repeat(1_000_000)]) {
        await expect(keys.identify(wrong)).rejects.toMatchObject({
          code: 'KEY_INVALID',
          message: expect.stringMatching(/mistyped/),
        });
      }
    });

    test('from the moment that it expires', async () => {
      const { text } = await keysAt().create({ ...backend('expiring'), expiresAt: later(1000) });
      await keysAt(() => later(999)).identify(text);
      await expect(keysAt(() => later(1000)).identify(text)).rejects.toMatchObject({
        code: 'KEY_EXPIRED',
        message: expect.stringContaining(later(1000).toISOString()),
      });
    });

    test('from the moment that it is revoked, for good, and its tenant’s others are not', async () => {
      const keys = keysAt();
      const { key, text } = await keys.create(backend('revoking'));
      const other = await keys.create(backend('revoking'));
      expect(await keys.revoke(key.id)).toMatchObject({ id: key.id, revokedAt: NOW });
      await expect(keys.identify(text)).rejects.toMatchObject({ code: 'KEY_REVOKED' });
      expect(await keysAt(() => later(5000)).revoke(key.id)).toMatchObject({ revokedAt: NOW });
      await keys.identify(other.text);
    });
  });

  test('the last use is noted, and not again within ten minutes', async () => {
    const { key, text } = await keysAt().create(backend('used'));
    const lastUse = async () => (await keysAt().find(key.id))?.lastUsedAt;
    expect(await lastUse()).toBeUndefined();
    await keysAt().identify(text);
    expect(await lastUse()).toEqual(NOW);
    await keysAt(() => later(9 * 60_000)).identify(text);
    expect(await lastUse()).toEqual(NOW);
    await keysAt(() => later(10 * 60_000)).identify(text);
    expect(await lastUse()).toEqual(later(10 * 60_000));
  });

  test('keys are listed newest first, and each tenant sees, finds and revokes only its own', async () => {
    const first = await keysAt().create({ ...backend('mine'), name: 'first' });
    const second = await keysAt(() => later(1)).create({ ...backend('mine'), name: 'second' });
    const theirs = await keysAt().create(backend('theirs'));
    const keys = keysAt();
    expect((await keys.list('mine')).map(({ name }) => name)).toEqual(['second', 'first']);
    expect(await keys.list('nobody')).toEqual([]);
    const all = (await keys.list()).map(({ id }) => id);
    expect(all).toEqual(expect.arrayContaining([first.key.id, second.key.id, theirs.key.id]));
    expect(await keys.find(theirs.key.id, 'mine')).toBeUndefined();
    expect(await keys.revoke(theirs.key.id, 'mine')).toBeUndefined();
    expect(await keys.find('key_nothing', 'mine')).toBeUndefined();
    await keys.identify(theirs.text);
    expect(await keys.find(theirs.key.id, 'theirs')).toMatchObject(theirs.key);
    expect(await keys.find(theirs.key.id)).toMatchObject(theirs.key);
  });

  test('a scope that this version does not know gives nothing', async () => {
    const { key, text } = await keysAt().create({ ...backend(LOCAL_TENANT), scopes: ['embed'] });
    await own().database.query(`update geo2.keys set scopes = array['embed', 'fly'] where id = $1`, [key.id]);
    expect((await keysAt().identify(text)).caller.scopes).toEqual(new Set(['embed']));
  });
});
