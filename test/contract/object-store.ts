import { beforeEach, describe, expect, test } from 'vitest';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { readBytes } from '#core/storage/object-store.ts';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function collect(parts: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of parts) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function readText(store: ObjectStore, key: string, range?: { start: number; end: number }) {
  const found = await store.get(key, range === undefined ? {} : { range });
  return found === undefined || found === 'unchanged' ? found : collect(found.body);
}

async function keysOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) keys.push(key);
  return keys;
}

/** What every driver of the object store promises; `createStore` gives a new, empty store. */
export function objectStoreContract(createStore: () => Promise<ObjectStore>): void {
  describe('an object store', () => {
    let store: ObjectStore;
    beforeEach(async () => {
      store = await createStore();
    });

    test('gives back what was put, with its size', async () => {
      await store.put('regions/a/manifest.json', text('hello'));
      const found = await store.get('regions/a/manifest.json');
      if (found === undefined || found === 'unchanged') throw new Error('the object is not there');
      expect(found.sizeBytes).toBe(5);
      expect(await collect(found.body)).toBe('hello');
    });

    test('keeps an empty object', async () => {
      await store.put('empty', new Uint8Array(0));
      expect(await readText(store, 'empty')).toBe('');
    });

    test('says undefined for a key that is not there, and for a folder of keys', async () => {
      await store.put('a/b', text('x'));
      expect(await store.get('a/c')).toBeUndefined();
      expect(await store.get('a')).toBeUndefined();
      expect(await store.get('a/b/c')).toBeUndefined();
      expect(await readBytes(store, 'nothing')).toBeUndefined();
    });

    test('writes a stream', async () => {
      async function* parts() {
        yield text('one ');
        yield text('two');
      }
      await store.put('streamed', parts());
      expect(await readText(store, 'streamed')).toBe('one two');
    });

    test('leaves the old object when a stream fails half way', async () => {
      await store.put('kept', text('old'));
      async function* parts() {
        yield text('new');
        throw new Error('the line went dead');
      }
      await expect(store.put('kept', parts())).rejects.toMatchObject({ code: 'STORE_FAILED' });
      expect(await readText(store, 'kept')).toBe('old');
      expect(await keysOf(store, '')).toEqual(['kept']);
    });

    test.each([
      [0, 3, '012'],
      [2, 5, '234'],
      [8, 20, '89'],
      [4, 4, ''],
    ])('reads the bytes from %i to %i', async (start, end, expected) => {
      await store.put('digits', text('0123456789'));
      expect(await readText(store, 'digits', { start, end })).toBe(expected);
    });

    test('says unchanged for the etag that it gave, and not after a write', async () => {
      const { etag } = await store.put('pointer', text('1'));
      expect(await store.get('pointer', { ifNoneMatch: etag })).toBe('unchanged');
      const second = await store.put('pointer', text('2'));
      expect(second.etag).not.toBe(etag);
      expect(await store.get('pointer', { ifNoneMatch: etag })).not.toBe('unchanged');
    });

    test('an etag from a read is the one from the write', async () => {
      const { etag } = await store.put('pointer', text('1'));
      const found = await store.get('pointer');
      if (found === undefined || found === 'unchanged') throw new Error('the object is not there');
      await collect(found.body);
      expect(found.etag).toBe(etag);
    });

    test('writes over an etag only once', async () => {
      const { etag } = await store.put('pointer', text('1'));
      await store.put('pointer', text('2'), { ifMatch: etag });
      await expect(store.put('pointer', text('3'), { ifMatch: etag })).rejects.toMatchObject({
        code: 'STORE_CONFLICT',
      });
      expect(await readText(store, 'pointer')).toBe('2');
    });

    test('does not write over the etag of a key that is not there', async () => {
      const { etag } = await store.put('pointer', text('1'));
      await store.delete('pointer');
      await expect(store.put('pointer', text('2'), { ifMatch: etag })).rejects.toMatchObject({
        code: 'STORE_CONFLICT',
      });
      expect(await store.get('pointer')).toBeUndefined();
    });

    test('creates a key only once, of many writers at the same time', async () => {
      const writes = Array.from({ length: 8 }, (_, i) => store.put('lock', text(String(i)), { ifNoneMatch: '*' }));
      const outcomes = await Promise.allSettled(writes);
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
      expect(winners).toHaveLength(1);
      expect(await readText(store, 'lock')).toBe(String(winners[0]));
    });

    test('lets one of many writers over the same etag win', async () => {
      const { etag } = await store.put('pointer', text('start'));
      const writes = Array.from({ length: 8 }, (_, i) => store.put('pointer', text(String(i)), { ifMatch: etag }));
      const outcomes = await Promise.allSettled(writes);
      const winners = outcomes.flatMap((outcome, i) => (outcome.status === 'fulfilled' ? [i] : []));
      expect(winners).toHaveLength(1);
      expect(await readText(store, 'pointer')).toBe(String(winners[0]));
    });

    test('a reader never sees a half-written object', async () => {
      const versions = ['a', 'b'].map((letter) => letter.repeat(300_000));
      await store.put('big', text(versions[0] ?? ''));
      const writing = (async () => {
        for (let i = 0; i < 10; i++) await store.put('big', text(versions[i % 2] ?? ''));
      })();
      for (let i = 0; i < 20; i++) expect(versions).toContain(await readText(store, 'big'));
      await writing;
    });

    test('lists the keys of a prefix in order, across folders', async () => {
      for (const key of ['regions/b/1', 'regions/a/2', 'regions/a/10', 'models/x', 'regionsx']) {
        await store.put(key, text(key));
      }
      expect(await keysOf(store, 'regions/')).toEqual(['regions/a/10', 'regions/a/2', 'regions/b/1']);
      expect(await keysOf(store, 'regions/a')).toEqual(['regions/a/10', 'regions/a/2']);
      expect(await keysOf(store, 'regions')).toEqual(['regions/a/10', 'regions/a/2', 'regions/b/1', 'regionsx']);
      expect(await keysOf(store, 'nothing/')).toEqual([]);
      expect(await keysOf(store, '')).toHaveLength(5);
    });

    test('deletes, also what is not there', async () => {
      await store.put('a/b', text('x'));
      await store.delete('a/b');
      await store.delete('a/b');
      expect(await store.get('a/b')).toBeUndefined();
      expect(await keysOf(store, '')).toEqual([]);
    });

    test('deletes a folder, and nothing whose name only begins like it', async () => {
      for (const key of ['jobs/a/1', 'jobs/a/deep/2', 'jobs/ab/1', 'jobs/b']) await store.put(key, text(key));
      await store.deleteFolder('jobs/a');
      await store.deleteFolder('jobs/nothing');
      expect(await keysOf(store, '')).toEqual(['jobs/ab/1', 'jobs/b']);
      await expect(store.deleteFolder('')).rejects.toMatchObject({ code: 'STORE_FAILED' });
      await expect(store.deleteFolder('../jobs')).rejects.toMatchObject({ code: 'STORE_FAILED' });
    });

    test.each(['', '/', 'a//b', '/etc/passwd', '../up', 'a/../../b', 'a/.', '.hidden', 'a\\b', 'a\0b', 'a b', 'é'])(
      'refuses the key %j',
      async (key) => {
        await expect(store.put(key, text('x'))).rejects.toMatchObject({ code: 'STORE_FAILED' });
        await expect(store.get(key)).rejects.toMatchObject({ code: 'STORE_FAILED' });
      },
    );

    test('stops at an abort', async () => {
      await store.put('a', text('x'));
      const signal = AbortSignal.abort();
      await expect(store.get('a', { signal })).rejects.toMatchObject({ code: 'CANCELED' });
      await expect(store.put('a', text('y'), { signal })).rejects.toMatchObject({ code: 'CANCELED' });
      expect(await readText(store, 'a')).toBe('x');
    });
  });
}
