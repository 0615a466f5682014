import { isBuilt } from '#native/faiss';
import type { OpenIndex } from '../core/retrieval/region.ts';
import { openExactIndex } from '../core/retrieval/vector-index.exact.ts';

/** Opens the bundle's own file, also where a server holds the same rows; inverted lists cannot be read where FAISS is not built. */
export const openIndexFile: OpenIndex = async (path, facts) => {
  if (facts?.type === 'IndexFlatIP' && !isBuilt()) return openExactIndex(path);
  const { openFaissIndex } = await import('../core/retrieval/vector-index.faiss.ts');
  return openFaissIndex(path, { mmap: true });
};
