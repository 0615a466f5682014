import type { Logger } from 'pino';
import { createPreviews, type Previews } from './core/previews.ts';
import { createBoundedCache } from './core/storage/bounded-cache.ts';
import type { ObjectStore } from './core/storage/object-store.ts';
import type { Engine } from './engine.ts';

/** Street previews that are kept: about ten thousand places with a few looks each. */
const MAX_BYTES = 1024 * 1024 * 1024;
const MEMORY_BYTES = 16 * 1024 * 1024;

/** Street previews put together; what was made is kept where jobs keep their objects. */
export function openPreviews(
  engine: Engine,
  { store, logger }: { store: ObjectStore; logger: Pick<Logger, 'warn'> },
): Previews {
  const cache = createBoundedCache({
    store,
    prefix: 'previews',
    maxBytes: MAX_BYTES,
    memoryBytes: MEMORY_BYTES,
    onError: (err, doing) => logger.warn({ err, doing }, 'previews: the store failed, and nothing is kept'),
  });
  const areRegionsLoading = (): boolean => engine.regionHealth().some(({ status }) => status === 'LOADING');
  return createPreviews({
    model: engine.model,
    regions: engine.regions,
    synthesize: engine.synthesize,
    areRegionsLoading,
    cache,
  });
}
