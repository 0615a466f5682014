import { Geo2Error } from '../core/errors.ts';
import type { Job, JobInput, Jobs, NewJob, StagedInputs } from '../core/jobs/jobs.ts';
import type { GivenImage } from './image.ts';

/** Writes one image to where the worker finds it. */
export type PutImage = (bytes: Uint8Array | AsyncIterable<Uint8Array>) => Promise<JobInput>;

/** After these there is certainly no job; after others there may be one, whose images must stay. */
const REFUSALS: ReadonlySet<string> = new Set(['BATCH_TOO_LARGE', 'OVERLOADED', 'INVALID_REQUEST']);

/**
 * Makes a job of what `collect` puts and returns. When there is no job, nothing of its images stays. Errors: those of `collect`,
 * of `Jobs.stage` and of `Jobs.submit`.
 */
export async function submitJob(
  jobs: Jobs,
  { tenant, signal }: { readonly tenant: string; readonly signal: AbortSignal },
  collect: (put: PutImage) => Promise<Omit<NewJob, 'tenant' | 'staged'>>,
): Promise<Job> {
  let staged: StagedInputs | undefined;
  let isComplete = false;
  try {
    const job = await collect(async (bytes) => {
      staged ??= await jobs.stage(tenant);
      return putInto(staged, bytes, signal);
    });
    isComplete = true;
    return await jobs.submit({ ...job, tenant, staged });
  } catch (error) {
    const isRefused = !isComplete || (error instanceof Geo2Error && REFUSALS.has(error.code));
    if (isRefused) await staged?.discard().catch(() => {}); // what stays is swept away later
    throw error;
  }
}

/** Where the worker finds an image that was given: of a URL nothing is fetched now. */
export async function inputOf(image: GivenImage, put: PutImage): Promise<JobInput> {
  return image.type === 'bytes' ? put(image.bytes) : image;
}

/** What the source of the bytes throws comes out as it is, not as a failure of the store. */
async function putInto(
  staged: StagedInputs,
  bytes: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<JobInput> {
  if (bytes instanceof Uint8Array) return staged.put(bytes, { signal });
  let broken: { readonly error: unknown } | undefined;
  async function* watched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* source;
    } catch (error) {
      broken = { error };
      throw error;
    }
  }
  try {
    return await staged.put(watched(bytes), { signal });
  } catch (error) {
    throw broken === undefined ? error : broken.error;
  }
}
