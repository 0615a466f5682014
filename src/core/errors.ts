/**
 * The domain's own error: a stable machine-readable `code`, a sentence that says what to do, and the data that explains it.
 * `core` throws these; `handlers/problems.ts` is the one table that turns codes into HTTP problems.
 */
export class Geo2Error extends Error {
  override readonly name = 'Geo2Error';
  readonly code: ErrorCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: { data?: Record<string, unknown>; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.data = options.data ?? {};
  }
}

/** Every way in which the domain refuses or fails; add a code here and its problem in `handlers/problems.ts`. */
export type ErrorCode =
  // the caller's image
  | 'IMAGE_EMPTY'
  | 'IMAGE_UNSUPPORTED'
  | 'IMAGE_TRUNCATED'
  | 'IMAGE_TOO_LARGE'
  | 'IMAGE_TOO_SMALL'
  | 'IMAGE_URL_REFUSED'
  | 'IMAGE_URL_FAILED'
  // the caller's options
  | 'INVALID_REQUEST'
  | 'UNKNOWN_REGION'
  | 'OUT_OF_COVERAGE'
  | 'NO_SYNTHESIS'
  | 'BATCH_TOO_LARGE'
  // webhooks
  | 'WEBHOOK_URL_REFUSED'
  | 'WEBHOOK_LIMIT'
  | 'WEBHOOK_DISABLED'
  | 'SECRET_UNREADABLE'
  // the caller's key
  | 'KEY_INVALID'
  | 'KEY_EXPIRED'
  | 'KEY_REVOKED'
  // capacity and faults
  | 'OVERLOADED'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELED'
  | 'INFERENCE_CRASHED'
  | 'INFERENCE_FAILED'
  | 'MODEL_UNAVAILABLE'
  // files
  | 'FILE_MISSING'
  | 'FILE_CORRUPT'
  | 'MANIFEST_INVALID'
  | 'MODEL_MISMATCH'
  | 'REGION_INVALID'
  | 'STORE_CONFLICT'
  | 'STORE_FAILED'
  | 'SOURCE_INVALID'
  | 'INDEX_INVALID'
  // jobs
  | 'JOB_EXPIRED'
  | 'JOB_ABANDONED'
  // state
  | 'DATABASE_FAILED';

/** The error of work whose caller went away; the signal's reason is its cause. */
export function canceled(signal: AbortSignal | undefined): Geo2Error {
  return new Geo2Error('CANCELED', 'The request was canceled.', { cause: signal?.reason });
}

/** Throws CANCELED when the signal is already aborted. */
export function throwIfCanceled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw canceled(signal);
}
