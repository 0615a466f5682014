import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createFsObjectStore } from '#core/storage/object-store.fs.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { readCurrent, writeCurrent } from '#core/storage/versioned.ts';
import { createRegionWatch } from '#core/webhooks/region-watch.ts';
import { temporaryFolder } from '../../temporary.ts';
import { useWebhooks } from './under-test.ts';

describe('watching pointers', () => {
  const webhooks = useWebhooks('pglite');

  test('asks of each only whether it has changed, and tells what moved once', async () => {
    const it = webhooks();
    const files = createFsObjectStore({ url: pathToFileURL(await temporaryFolder()).href });
    let answers: string[] = [];
    const store: ObjectStore = {
      ...files,
      async get(key, options) {
        const found = await files.get(key, options);
        const [, region = ''] = key.split('/');
        answers.push(`${region} ${found === undefined ? 'nothing' : found === 'unchanged' ? found : 'read'}`);
        return found;
      },
    };
    const changes: string[] = [];
    const watch = createRegionWatch({
      ...it,
      store,
      listRegions: async () => ['one', 'two', 'none'],
      onChange: ({ region, change }) => void changes.push(`${region} ${change}`),
    });
    const point = async (id: string, version: string): Promise<void> =>
      writeCurrent(files, `regions/${id}`, { version, replaces: await readCurrent(files, `regions/${id}`) });
    const look = async (): Promise<string[]> => {
      answers = [];
      await watch.look();
      return answers;
    };

    for (const id of ['one', 'two']) await point(id, '1');
    // once to see it, once under the lock
    expect(await look()).toEqual(['one read', 'one read', 'two read', 'two read', 'none nothing']);
    expect(changes).toEqual(['one region.published', 'two region.published']);
    expect(await look()).toEqual(['one unchanged', 'two unchanged', 'none nothing']);

    await point('two', '2');
    expect(await look()).toEqual(['one unchanged', 'two read', 'two read', 'none nothing']);
    await point('two', '1');
    await point('one', '1'); // written again, to the same version
    expect(await look()).toEqual(['one read', 'two read', 'two read', 'none nothing']);
    expect(await look()).toEqual(['one unchanged', 'two unchanged', 'none nothing']);
    expect(changes.slice(2)).toEqual(['two region.published', 'two region.rolled_back']);
  });
});
