import { Geo2Error } from '../core/errors.ts';

/** Exit codes that scripts may rely on. */
export const EXIT = { ok: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** The command line was typed wrongly; the message says what to type instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** The work could not be done; `code` is the domain's, or the server's. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: string;

  constructor(code: string, message: string, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
  }
}

/** What a person and a script are told of an error that was foreseen; undefined for any other, which is a fault of ours. */
export function expectedError(error: unknown): { code: string; message: string } | undefined {
  if (error instanceof UsageError) return { code: 'USAGE', message: error.message };
  if (error instanceof Failure || error instanceof Geo2Error) return { code: error.code, message: error.message };
  return undefined;
}
