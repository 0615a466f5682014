import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Geo2Error, throwIfCanceled } from '../errors.ts';
import { readGroundQuery } from '../image/ground-query.ts';
import { DEFAULT_IMAGE_LIMITS } from '../image/limits.ts';
import type { Model } from '../inference/model.ts';
import { type GoldenVector, goldenVector } from '../retrieval/golden-queries.ts';
import { spread } from './spread.ts';
import { readViewSetQueries } from './view-set.ts';

const SAMPLES = 4;

/**
 * A few ground views of a view set, spread over its table, as the model sees them; none where it has no `queries.csv`. Errors:
 * SOURCE_INVALID (the table, or a view that cannot be read), CANCELED, those of the model.
 */
export async function embedSampleQueries(
  dir: string,
  model: Model,
  { signal }: { signal?: AbortSignal | undefined } = {},
): Promise<GoldenVector[]> {
  const queries = await readViewSetQueries(dir).catch((error: unknown) => {
    if (error instanceof Geo2Error && isMissing(error.cause)) return [];
    throw error;
  });
  const { min: minFovDeg } = model.manifest.geometry.ground.fovDeg;
  const vectors: GoldenVector[] = [];
  for (const at of spread(queries.length, SAMPLES)) {
    throwIfCanceled(signal);
    const query = queries[at];
    if (query === undefined) continue;
    const { id, image, headingDeg, fovDeg } = query;
    const bytes = await readFile(join(dir, image)).catch((cause: unknown) => {
      throw new Geo2Error('SOURCE_INVALID', `queries.csv names ${image} for ${id}, which cannot be read.`, { cause });
    });
    const options = { limits: DEFAULT_IMAGE_LIMITS, headingDeg, fovDeg, minFovDeg, signal };
    const { canvas } = await readGroundQuery(bytes, options).catch((cause: unknown) => {
      throwIfCanceled(signal);
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Geo2Error('SOURCE_INVALID', `${image} of queries.csv cannot be used: ${why}`, { cause });
    });
    const [embedded] = await model.embedGround([canvas], { signal });
    if (embedded !== undefined) vectors.push(goldenVector(`query ${id}`, embedded.embedding));
  }
  return vectors;
}

function isMissing(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}
