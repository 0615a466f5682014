import { canceled, Geo2Error, throwIfCanceled } from '../core/errors.ts';
import { HttpProblem } from './problems.ts';

/** Bytes of request bodies that the process may hold at one time; beyond it a request is told to come back later. */
export interface BodyBudget {
  /** Throws OVERLOADED when there is no room. */
  take(bytes: number): void;
  give(bytes: number): void;
}

export function createBodyBudget(maxBytes: number): BodyBudget {
  let held = 0;
  return {
    take(bytes) {
      // a single request always fits, whatever the budget: the limit of one body is somebody else's to check
      if (held > 0 && held + bytes > maxBytes) {
        throw new Geo2Error('OVERLOADED', 'Too many bytes are being uploaded at this time.', {
          data: { retryable: true, retryAfterS: 1 },
        });
      }
      held += bytes;
    },
    give(bytes) {
      held -= bytes;
    },
  };
}

export interface ReadBodyOptions {
  readonly maxBytes: number;
  readonly budget: BodyBudget;
  readonly signal: AbortSignal;
}

/** A body's bytes, and the promise to give their room back. */
export interface HeldBody {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly release: () => void;
}

/**
 * Reads a whole body, stopping at the first byte too many: what was declared is checked before anything is read, what
 * arrives while it arrives. Errors: BODY_TOO_LARGE, UPLOAD_TOO_SLOW, OVERLOADED, MALFORMED_BODY, CANCELED.
 */
export async function readBody(request: Request, options: ReadBodyOptions): Promise<HeldBody> {
  const { maxBytes, budget, signal } = options;
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  throwIfCanceled(signal);
  const reader = request.body?.getReader();
  if (reader === undefined) return { bytes: new Uint8Array(0), release: () => {} };

  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  const aborted = abortOf(signal);
  try {
    for (;;) {
      // the stream is left alone when we stop early: canceling it would cut the connection before the answer is sent
      const part = await Promise.race([reader.read(), aborted.rejects]);
      if (part.done) break;
      if (sizeBytes + part.value.length > maxBytes) throw tooLarge(maxBytes);
      budget.take(part.value.length);
      sizeBytes += part.value.length;
      chunks.push(part.value);
    }
  } catch (error) {
    budget.give(sizeBytes);
    if (error instanceof Geo2Error || error instanceof HttpProblem) throw error;
    if (signal.aborted) throw gaveUp(signal);
    throw new HttpProblem('MALFORMED_BODY', 'The body ended before all of it had come.', { cause: error });
  } finally {
    aborted.forget();
    reader.releaseLock();
  }
  const bytes = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.length;
  }
  return { bytes, release: once(() => budget.give(sizeBytes)) };
}

function abortOf(signal: AbortSignal): { rejects: Promise<never>; forget: () => void } {
  const { promise, reject } = Promise.withResolvers<never>();
  promise.catch(() => {});
  const onAbort = (): void => reject(gaveUp(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  return { rejects: promise, forget: () => signal.removeEventListener('abort', onAbort) };
}

/** Who sends slowly is told so; who went away is told nothing. */
export function gaveUp(signal: AbortSignal): Geo2Error | HttpProblem {
  const { reason } = signal;
  if (!(reason instanceof Geo2Error) || reason.code !== 'DEADLINE_EXCEEDED') return canceled(signal);
  return new HttpProblem('UPLOAD_TOO_SLOW', 'The body had not come within the time of the request.', {
    headers: { connection: 'close' },
    cause: reason,
  });
}

export function tooLarge(maxBytes: number): HttpProblem {
  return new HttpProblem('BODY_TOO_LARGE', `A request's body may have ${maxBytes} bytes.`, {
    headers: { connection: 'close' },
  });
}

function once(work: () => void): () => void {
  let done = false;
  return () => {
    if (done) return;
    done = true;
    work();
  };
}
