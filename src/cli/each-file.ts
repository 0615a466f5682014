import type { CommandContext } from './command.ts';
import { EXIT, expectedError } from './failure.ts';
import { readImage } from './images.ts';
import { createProgress } from './progress.ts';

export interface EachFileOptions<T extends object> {
  readonly label: string;
  readonly json: boolean;
  readonly context: CommandContext;
  readonly work: (image: Uint8Array) => Promise<T>;
  /** Lines for a person. */
  readonly describe: (file: string, result: T) => string;
}

/**
 * Does the work on one image file after the other and prints each result, with `json` as one line an image. A file that
 * fails is told, also in its line, and does not stop the next. Resolves with the exit code.
 */
export async function eachFile<T extends object>(
  files: readonly string[],
  { label, json, context, work, describe }: EachFileOptions<T>,
): Promise<number> {
  const { stdout, stderr, signal, nowMs } = context;
  const progress = createProgress({ label, stderr, nowMs });
  let failed = 0;
  for (const [index, file] of files.entries()) {
    signal.throwIfAborted();
    if (files.length > 1) progress.update(index, files.length);
    try {
      const result = await work(await readImage(file, context));
      progress.end();
      stdout.write(json ? `${JSON.stringify({ file, ...result })}\n` : describe(file, result));
    } catch (error) {
      progress.end();
      const expected = expectedError(error);
      if (expected === undefined || signal.aborted) throw error;
      failed += 1;
      stderr.write(`geo2: ${file}: ${expected.message}\n`);
      if (json) stdout.write(`${JSON.stringify({ file, error: expected })}\n`);
    }
  }
  return failed === 0 ? EXIT.ok : EXIT.failure;
}
