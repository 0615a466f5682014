import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';

/** A relative path that stays inside its folder. */
export const RelativePathSchema = z
  .string()
  .regex(/^[\w.-]+(\/[\w.-]+)*$/, 'a relative path with / between its parts')
  .refine((path) => !path.split('/').includes('..'), 'must stay inside the folder');

/** What a manifest says about a file. */
export const FileFactsSchema = z.strictObject({
  path: RelativePathSchema,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, '64 hexadecimal digits'),
  sizeBytes: z.int().nonnegative(),
});

export type FileFacts = z.infer<typeof FileFactsSchema>;

interface Cancelable {
  readonly signal?: AbortSignal | undefined;
}

/** Measures a file for a manifest. Throws FILE_MISSING. */
export async function measureFile(dir: string, path: string, options: Cancelable = {}): Promise<FileFacts> {
  const found = await sizeOf(dir, path);
  return { path, sha256: await sha256Of(join(dir, path), options), sizeBytes: found };
}

/** Compares every file's size, then its sha256, with its manifest. Throws FILE_MISSING or FILE_CORRUPT, naming the file. */
export type VerifyFiles = (dir: string, files: readonly FileFacts[], options?: Cancelable) => Promise<void>;

/** Does so here, where it is called. */
export const verifyFiles: VerifyFiles = async (dir, files, options = {}) => {
  for (const file of files) {
    const sizeBytes = await sizeOf(dir, file.path);
    if (sizeBytes !== file.sizeBytes) {
      throw corrupt(file, `has ${sizeBytes} bytes, its manifest says ${file.sizeBytes}`, { sizeBytes });
    }
  }
  for (const file of files) {
    const sha256 = await sha256Of(join(dir, file.path), options);
    if (sha256 !== file.sha256) throw corrupt(file, 'has other content than its manifest says (sha256)', { sha256 });
  }
};

async function sizeOf(dir: string, path: string): Promise<number> {
  const found = await stat(join(dir, path)).catch((cause: unknown) => {
    throw new Geo2Error('FILE_MISSING', `${path} is missing.`, { data: { file: path }, cause });
  });
  return found.size;
}

async function sha256Of(path: string, { signal }: Cancelable): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, signal === undefined ? {} : { signal });
  return hash.digest('hex');
}

function corrupt(file: FileFacts, why: string, found: Record<string, unknown>): Geo2Error {
  return new Geo2Error('FILE_CORRUPT', `${file.path} ${why}.`, {
    data: { file: file.path, expected: { sha256: file.sha256, sizeBytes: file.sizeBytes }, found },
  });
}
