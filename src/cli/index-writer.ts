import type { Config } from '../config.ts';
import type { WriteIndex } from '../core/regions/assemble.ts';
import { writeFlatRegionIndex } from '../core/retrieval/vector-index-file.ts';
import { wordOption } from './values.ts';

/**
 * What writes a region's index, as `--index` asks. Where FAISS is not built the index is exact. Vectors for Milvus are in the
 * bundle's file as well, so that a region can be verified and loaded again. Throws UsageError, INDEX_INVALID (the address).
 */
export async function indexWriter(
  asked: string | undefined,
  { vectorIndex, milvus }: Pick<Config, 'vectorIndex' | 'milvus'>,
): Promise<WriteIndex> {
  if (asked?.startsWith('milvus') === true) return milvusWriter(asked, milvus);
  const kind = wordOption('--index', asked ?? 'auto', ['auto', 'flat', 'ivf']);
  const { isBuilt } = await import('#native/faiss');
  if (kind === 'flat' || (kind === 'auto' && (vectorIndex === 'exact' || !isBuilt()))) return writeFlatRegionIndex;
  const { writeRegionIndex } = await import('../core/retrieval/index-writer.faiss.ts');
  return (path, rows, options) => writeRegionIndex(path, rows, { kind, ...options });
}

async function milvusWriter(url: string, credentials: Config['milvus']): Promise<WriteIndex> {
  const { parseMilvusUrl, writeMilvusIndex } = await import('../core/retrieval/vector-index.milvus.ts');
  parseMilvusUrl(url);
  return async (path, rows, options) => {
    const facts = await writeFlatRegionIndex(path, rows);
    await writeMilvusIndex(url, rows, { ...options, credentials });
    return { ...facts, servedBy: { type: 'milvus', url } };
  };
}
