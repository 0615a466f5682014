import { Geo2Error } from '../errors.ts';
import type { JobError } from './jobs.ts';

/** Failures of an item that are the service's state rather than the image's fault: tried again until the job's time is over. */
const WAITED_OUT = new Set(['OVERLOADED', 'MODEL_UNAVAILABLE', 'DATABASE_FAILED', 'STORE_FAILED']);
/** Failures that may pass, or may be the image's: tried a few times. */
const TRIED_AGAIN = new Set(['INFERENCE_CRASHED', 'DEADLINE_EXCEEDED', 'IMAGE_URL_FAILED']);
const MAX_TRIES = 5;
const BACKOFF_MS = { first: 250, most: 5_000 };

/** How long to wait before an item is tried again; undefined when its failure is final. `tries` counts those that failed. */
export function retryAfterMs(error: unknown, tries: number): number | undefined {
  const code = error instanceof Geo2Error ? error.code : undefined;
  if (code === undefined) return undefined;
  if (error instanceof Geo2Error && error.data.retryable === false) return undefined;
  if (!WAITED_OUT.has(code) && !(TRIED_AGAIN.has(code) && tries < MAX_TRIES)) return undefined;
  return Math.min(BACKOFF_MS.first * 2 ** (tries - 1), BACKOFF_MS.most);
}

/** What the caller is told; the words of our own faults are for operators. */
export function itemErrorOf(error: unknown): JobError {
  if (!(error instanceof Geo2Error)) return { code: 'INTERNAL', message: 'The service failed.' };
  const { code, message } = error;
  const isCallers =
    code.startsWith('IMAGE_') ||
    !/^(FILE|MANIFEST|STORE|DATABASE|REGION|INDEX|MODEL_MISMATCH|INFERENCE_FAILED)/.test(code);
  return { code, message: isCallers ? message : 'The service failed at this image.' };
}
