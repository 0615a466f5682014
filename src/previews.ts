import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createPreviews, type Previews } from './core/previews.ts';
import { createBoundedCache } from './core/storage/bounded-cache.ts';
import { createFsObjectStore } from './core/storage/object-store.fs.ts';
import type { Engine } from './engine.ts';
import { objectsUrl } from './jobs.ts';

/** Street previews that are kept: about ten thousand places with a few looks each. */
const MAX_BYTES = 1024 * 1024 * 1024;

/** Street previews put together; what was made is kept where jobs keep their objects. */
export function openPreviews(config: Config, engine: Engine, { logger }: { logger: Pick<Logger, 'warn'> }): Previews {
  const cache = createBoundedCache({
    store: createFsObjectStore({ url: objectsUrl(config) }),
    prefix: 'previews',
    maxBytes: MAX_BYTES,
    onError: (err, doing) => logger.warn({ err, doing }, 'previews: the store failed, and nothing is kept'),
  });
  const areRegionsLoading = (): boolean => engine.regionHealth().some(({ status }) => status === 'LOADING');
  return createPreviews({ ...engine, areRegionsLoading, cache });
}
