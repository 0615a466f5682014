import type { ObjectStore } from '../storage/object-store.ts';
import { type Pointer, pollCurrent, readCurrent } from '../storage/versioned.ts';
import { noticeRegion, type RegionChange, type RegionNoticeDeps } from './region-events.ts';

/** How late a publication by a command without this database is noticed. */
const LOOK_MS = 10_000;

export interface RegionWatchDeps extends RegionNoticeDeps {
  readonly store: ObjectStore;
  /** Ids of the regions to look at. */
  readonly listRegions: () => Promise<readonly string[]>;
  readonly onChange?: ((event: { region: string; change: RegionChange }) => void) | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Notices pointers that moved, for as long as it runs. */
export interface RegionWatch {
  start(): void;
  /** Looks once, while it is not started. */
  look(): Promise<void>;
  stop(): Promise<void>;
}

export function createRegionWatch(deps: RegionWatchDeps): RegionWatch {
  const { store, listRegions, onChange, onError } = deps;
  /** What this process has seen by region: a pointer that has not changed is not read, and the database is asked only about what moved. */
  const seen = new Map<string, Pointer>();
  const stopped = Promise.withResolvers<'stopped'>();
  let looping: Promise<void> | undefined;

  async function look(): Promise<void> {
    for (const id of await listRegions()) {
      const before = seen.get(id);
      const pointer = await pollCurrent(store, `regions/${id}`, { ifNoneMatch: before?.etag });
      if (pointer === undefined || pointer === 'unchanged') continue;
      const readVersion = async () => (await readCurrent(store, `regions/${id}`))?.version;
      const moved = pointer.version !== before?.version;
      const change = moved ? await noticeRegion({ id, readVersion }, deps) : undefined;
      seen.set(id, pointer);
      if (change !== undefined) onChange?.({ region: id, change });
    }
  }

  async function run(): Promise<void> {
    for (;;) {
      await look().catch((error: unknown) => onError?.(error));
      let timer: NodeJS.Timeout | undefined;
      const later = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, LOOK_MS);
      });
      const why = await Promise.race([later, stopped.promise]);
      clearTimeout(timer);
      if (why === 'stopped') return;
    }
  }

  return {
    start() {
      looping ??= run();
    },
    look,
    async stop() {
      stopped.resolve('stopped');
      await looping;
    },
  };
}
