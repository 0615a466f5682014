import type { Config } from '../config.ts';
import type { WriteIndex } from '../core/regions/assemble.ts';
import { writeFlatRegionIndex } from '../core/retrieval/vector-index-file.ts';

/** What writes a region's index, as `--index` asks. Throws UsageError. */
export async function indexWriter(_asked: string | undefined, _config: Config): Promise<WriteIndex> {
  return writeFlatRegionIndex;
}
