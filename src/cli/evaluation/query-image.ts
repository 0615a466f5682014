import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ViewSetQuery } from '../../core/regions/view-set.ts';
import { expectedError, Failure } from '../failure.ts';

/** Throws Failure FILE_MISSING. */
export async function readQueryImage(
  dir: string,
  { image }: ViewSetQuery,
  { signal }: { signal: AbortSignal },
): Promise<Uint8Array> {
  return readFile(join(dir, image), { signal }).catch((cause: unknown) => {
    if (signal.aborted) throw cause;
    throw new Failure('FILE_MISSING', 'cannot be read', { cause });
  });
}

/** Why this image cannot be used, when it is the image's own fault: whatever else goes wrong would go wrong for the next, too. */
export function faultOfImage(error: unknown): string | undefined {
  const expected = expectedError(error);
  if (expected === undefined) return undefined;
  return expected.code.startsWith('IMAGE_') || expected.code === 'FILE_MISSING' ? expected.message : undefined;
}
