import type { Database } from './database.ts';

/**
 * The same database; `begin` is called once, right after its first start, whoever caused that. What works by itself begins
 * then: an embedded database that nobody uses is not opened.
 */
export function whenStarted(database: Database, begin: () => void): Database {
  let hasBegun = false;

  async function start(): Promise<void> {
    await database.start();
    if (hasBegun) return;
    hasBegun = true;
    begin();
  }

  return {
    kind: database.kind,
    async query(text, parameters) {
      if (!hasBegun) await start();
      return database.query(text, parameters);
    },
    async transaction(work) {
      if (!hasBegun) await start();
      return database.transaction(work);
    },
    async listen(channel, onNotification, onGap) {
      if (!hasBegun) await start();
      return database.listen(channel, onNotification, onGap);
    },
    start,
    stop: () => database.stop(),
  };
}
