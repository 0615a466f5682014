import { readFile, stat } from 'node:fs/promises';
import type { CommandContext } from './command.ts';
import { Failure } from './failure.ts';

/** The bytes of an image file, or of the standard input for `-`. Throws Failure FILE_MISSING. */
export async function readImage(path: string, { stdin, signal }: CommandContext): Promise<Uint8Array> {
  if (path === '-') return readAll(stdin);
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new Failure('FILE_MISSING', `${path} is a folder; name the image files in it.`);
    return await readFile(path, { signal });
  } catch (error) {
    if (error instanceof Failure || signal.aborted) throw error;
    throw new Failure('FILE_MISSING', `${path} cannot be read: ${reasonOf(error)}.`, { cause: error });
  }
}

async function readAll(stream: CommandContext['stdin']): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** Of an error that the operating system reports. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  return error instanceof Error ? error.message : String(error);
}
