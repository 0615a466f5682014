import { readConfig } from '../config.ts';
import { newId } from '../core/ids.ts';
import type { ObjectStore } from '../core/storage/object-store.ts';
import { readCurrent } from '../core/storage/versioned.ts';
import { noticeRegion } from '../core/webhooks/region-events.ts';
import { createDatabase } from '../database.ts';
import type { CommandContext } from './command.ts';

/**
 * Records for webhooks that a region's pointer was moved, where the database is a server's. The embedded one belongs to the
 * service, which notices by itself; and so it does when the server cannot be reached: that fails no publication.
 */
export async function tellPublication(
  { env, stderr }: Pick<CommandContext, 'env' | 'stderr'>,
  { store, id }: { store: ObjectStore; id: string },
): Promise<void> {
  const config = readConfig(env);
  if (config.databaseUrl === undefined) return;
  const database = createDatabase(config);
  try {
    const readVersion = async () => (await readCurrent(store, `regions/${id}`))?.version;
    await noticeRegion({ id, readVersion }, { database, newId, now: () => new Date() });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    stderr.write(`geo2: webhooks are told later, when a running service notices the new version: ${why}\n`);
  } finally {
    await database.stop();
  }
}
