import type { OpenIndex } from '../core/retrieval/region.ts';
import { openExactIndex } from '../core/retrieval/vector-index.exact.ts';

/** Opens the bundle's own file: an exact index needs no FAISS to be read, inverted lists do. */
export const openIndexFile: OpenIndex = async (path, facts) => {
  if (facts?.type !== 'IndexIVFFlat') return openExactIndex(path);
  const { openFaissIndex } = await import('../core/retrieval/vector-index.faiss.ts');
  return openFaissIndex(path, { mmap: true });
};
