import type { Config } from '../config.ts';
import type { WriteIndex } from '../core/regions/assemble.ts';
import { writeFlatRegionIndex } from '../core/retrieval/vector-index-file.ts';
import { wordOption } from './values.ts';

/** What writes a region's index, as `--index` asks. Where FAISS is not built the index is exact. Throws UsageError. */
export async function indexWriter(
  asked: string | undefined,
  { vectorIndex }: Pick<Config, 'vectorIndex'>,
): Promise<WriteIndex> {
  const kind = wordOption('--index', asked ?? 'auto', ['auto', 'flat', 'ivf']);
  const { isBuilt } = await import('#native/faiss');
  if (kind === 'flat' || (kind === 'auto' && (vectorIndex === 'exact' || !isBuilt()))) return writeFlatRegionIndex;
  const { writeRegionIndex } = await import('../core/retrieval/index-writer.faiss.ts');
  return (path, rows, options) => writeRegionIndex(path, rows, { kind, ...options });
}
