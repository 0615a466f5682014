import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Geo2Error } from '../errors.ts';
import type { SizedFile } from './manifest.ts';

/** Compares every file's size and sha256 with its manifest. Throws FILE_MISSING or FILE_CORRUPT, naming the file. */
export async function verifyFiles(dir: string, files: readonly SizedFile[]): Promise<void> {
  for (const file of files) {
    const path = join(dir, file.path);
    const found = await stat(path).catch((cause: unknown) => {
      throw new Geo2Error('FILE_MISSING', `${file.path} is missing.`, { data: { file: file.path }, cause });
    });
    if (found.size !== file.sizeBytes) {
      throw new Geo2Error(
        'FILE_CORRUPT',
        `${file.path} has ${found.size} bytes, its manifest says ${file.sizeBytes}.`,
        {
          data: { file: file.path, sizeBytes: found.size, expectedSizeBytes: file.sizeBytes },
        },
      );
    }
    const sha256 = await sha256Of(path);
    if (sha256 !== file.sha256) {
      throw new Geo2Error('FILE_CORRUPT', `${file.path} has other content than its manifest says (sha256).`, {
        data: { file: file.path, sha256, expectedSha256: file.sha256 },
      });
    }
  }
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}
