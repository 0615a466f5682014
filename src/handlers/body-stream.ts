import { throwIfCanceled } from '../core/errors.ts';
import { gaveUp, tooLarge } from './body.ts';
import { HttpProblem } from './problems.ts';

export interface BodyStreamOptions {
  readonly maxBytes: number;
  readonly pace: UploadPace;
  readonly signal: AbortSignal;
}

/** How slowly a body may come: so many bytes at least in every `windowMs`. */
export interface UploadPace {
  readonly windowMs: number;
  readonly minBytes: number;
}

/**
 * A body as it comes, for what is too large to be held. One that comes too slowly is given up after one to two windows of
 * its pace. Throws BODY_TOO_LARGE, UPLOAD_TOO_SLOW, MALFORMED_BODY, CANCELED.
 */
export async function* streamBody(
  request: Request,
  { maxBytes, pace, signal }: BodyStreamOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const declared = Number(request.headers.get('content-length') ?? 0);
  if (declared > maxBytes) throw tooLarge(maxBytes);
  throwIfCanceled(signal);
  const reader = request.body?.getReader();
  if (reader === undefined) return;

  const given = Promise.withResolvers<never>();
  given.promise.catch(() => {});
  const onAbort = (): void => given.reject(gaveUp(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  let waits = false;
  let bytesInWindow = 0;
  const watch = setInterval(() => {
    // while what has come is being stored nobody waits for the caller
    if (waits && bytesInWindow < pace.minBytes) given.reject(tooSlow(pace));
    bytesInWindow = 0;
  }, pace.windowMs);

  let sizeBytes = 0;
  try {
    for (;;) {
      waits = true;
      const part = await Promise.race([reader.read(), given.promise]);
      waits = false;
      if (part.done) return;
      bytesInWindow += part.value.length;
      sizeBytes += part.value.length;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      yield part.value;
    }
  } catch (error) {
    if (signal.aborted) throw gaveUp(signal);
    if (error instanceof HttpProblem) throw error;
    throw new HttpProblem('MALFORMED_BODY', 'The body ended before all of it had come.', { cause: error });
  } finally {
    clearInterval(watch);
    signal.removeEventListener('abort', onAbort);
    // the stream is left alone when we stop early: canceling it would cut the connection before the answer is sent
    reader.releaseLock();
  }
}

function tooSlow({ windowMs, minBytes }: UploadPace): HttpProblem {
  const detail = `The body came too slowly: ${minBytes} bytes are expected in every ${windowMs / 1000} s.`;
  return new HttpProblem('UPLOAD_TOO_SLOW', detail, { headers: { connection: 'close' } });
}
