/** The program of the quiet thread: tasks run at the same time, each answered when it has ended. */
import { constants, setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import type { QuietReply, QuietRequest } from './quiet-thread.ts';

// on Linux 0 is the calling thread, elsewhere the whole process; before anything else is loaded. Not the lowest: on cores that are
// all busy that one would hardly ever run, and a roll-back is wanted most when all is busy
if (process.platform === 'linux') setPriority(0, constants.priority.PRIORITY_BELOW_NORMAL);
const { Geo2Error } = await import('../errors.ts');
const { readTilesTable } = await import('../retrieval/tiles-table.ts');
const { verifyFiles } = await import('../storage/checksums.ts');

const running = new Map<number, AbortController>();

parentPort?.on('message', async ({ id, task }: QuietRequest) => {
  if (task.type === 'cancel') {
    running.get(id)?.abort();
    return;
  }
  const canceling = new AbortController();
  running.set(id, canceling);
  try {
    if (task.type === 'verify') {
      await verifyFiles(task.dir, task.files, { signal: canceling.signal });
      reply({ id });
    } else {
      const tiles = await readTilesTable(task.path, task.file, task);
      reply({ id, tiles });
    }
  } catch (error) {
    reply({ id, error: partsOf(error) });
  } finally {
    running.delete(id);
  }
});

function reply(message: QuietReply): void {
  parentPort?.postMessage(message);
}

function partsOf(error: unknown): NonNullable<QuietReply['error']> {
  if (error instanceof Geo2Error) return { code: error.code, message: error.message, data: { ...error.data } };
  return { code: undefined, message: error instanceof Error ? error.message : String(error), data: {} };
}
