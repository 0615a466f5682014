import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { Geo2Error } from './core/errors.ts';
import type { OpenIndex } from './core/retrieval/region.ts';

/** A region that a server holds is searched there; what it needs is loaded with the first such region. */
function orOfServer(openFile: OpenIndex, credentials: Config['milvus']): OpenIndex {
  return async (path, facts) => {
    if (facts?.servedBy === undefined) return openFile(path, facts);
    const { openMilvusIndex } = await import('./core/retrieval/vector-index.milvus.ts');
    return openMilvusIndex(facts.servedBy.url, { credentials });
  };
}

/** FAISS where its binding is built, else the exact index, which says so. */
export async function chooseIndex(
  { vectorIndex: asked, milvus }: Pick<Config, 'vectorIndex' | 'milvus'>,
  logger: Pick<Logger, 'warn'>,
): Promise<{ openIndex: OpenIndex; index: 'faiss' | 'exact' }> {
  if (asked !== 'exact') {
    try {
      const { openFaissIndex } = await import('./core/retrieval/vector-index.faiss.ts');
      const { faissVersion } = await import('#native/faiss');
      faissVersion(); // the binding is loaded at its first use: here, while there is another way
      const openFile: OpenIndex = (path, facts) => openFaissIndex(path, { mmap: facts?.type === 'IndexIVFFlat' });
      return { openIndex: orOfServer(openFile, milvus), index: 'faiss' };
    } catch (cause) {
      if (asked === 'faiss') {
        throw new Geo2Error('INDEX_INVALID', 'FAISS is asked for, and its binding is not built: run `make setup`.', {
          cause,
        });
      }
      logger.warn({ err: cause }, 'FAISS is not built here (`make setup` builds it): searching with the exact index');
    }
  }
  const { openExactIndex } = await import('./core/retrieval/vector-index.exact.ts');
  return { openIndex: orOfServer((path) => openExactIndex(path), milvus), index: 'exact' };
}
