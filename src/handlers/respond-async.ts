import { z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { hasScope } from '../core/accounts/caller.ts';
import type { Job, JobItem, Jobs } from '../core/jobs/jobs.ts';
import type { AppEnv } from './context.ts';
import { JobSchema, toJobBody } from './job-body.ts';
import { type Preferences, parsePrefer } from './prefer.ts';
import { StoredProblem } from './problems.ts';

/** A header of the requests that can be made jobs, for the OpenAPI document. */
export const PREFER = z.object({
  prefer: z.string().optional().openapi({
    description:
      'respond-async: make it a job, whose place is told at once (202); respond-async, wait=n: only if it takes more than n seconds',
  }),
});

/** The answer of a request that was made a job, for the OpenAPI document. */
export const ACCEPTED = {
  description: 'The request was made a job, as it preferred; see /v1/jobs/{id}',
  headers: {
    Location: { description: 'Where the job is', schema: { type: 'string' as const } },
    'Preference-Applied': {
      description: 'respond-async, and wait=n where it was asked for',
      schema: { type: 'string' as const },
    },
  },
  content: { 'application/json': { schema: JobSchema } },
};

/** Of the request's time: what rendering an answer may take. */
const RESERVE_MS = 250;

/** What the caller prefers, as far as it goes: a key that may have no jobs is answered at once. */
export function preferenceOf(c: Context<AppEnv>): Preferences {
  const { isAsync, waitS } = parsePrefer(c.req.header('prefer'));
  return { isAsync: isAsync && hasScope(c.get('caller'), 'jobs'), waitS };
}

/**
 * The answer to a request that was made a job: 202 and where the job is; or, to a caller who waits and for whom it was done in
 * time, what `answer` makes of its results, as if it had been answered at once. A job that failed in that time is its problem.
 */
export async function respondAsync(
  c: Context<AppEnv>,
  accepted: Job,
  options: {
    readonly jobs: Jobs;
    readonly waitS: number | undefined;
    readonly answer: (results: readonly Readonly<Record<string, unknown>>[]) => Response;
  },
): Promise<Response> {
  const { jobs, waitS, answer } = options;
  const waitMs = waitS === undefined ? 0 : Math.min(waitS * 1000, c.get('remainingMs')() - RESERVE_MS);
  const waited = waitMs > 0 ? await waitFor(jobs, accepted, { ms: waitMs, signal: c.get('signal') }) : accepted;
  c.header('location', `/v1/jobs/${accepted.id}`);
  c.header('preference-applied', waitS === undefined ? 'respond-async' : `respond-async, wait=${waitS}`);
  c.header('cache-control', 'no-store');
  if (waited.status === 'succeeded' || waited.status === 'failed') {
    const page = await jobs.items(waited.tenant, waited.id, { from: 0, limit: waited.progress.total });
    if (page !== undefined) return answer(resultsOf(waited, page.items));
  }
  return c.json(toJobBody(waited), 202);
}

async function waitFor(jobs: Jobs, job: Job, options: { ms: number; signal: AbortSignal }): Promise<Job> {
  return (await jobs.wait(job.tenant, job.id, options)) ?? job;
}

/** One result for each item. Throws the error of the first that has none, as the verb itself would have. */
function resultsOf(job: Job, items: readonly JobItem[]): Readonly<Record<string, unknown>>[] {
  return items.map(({ index, result, error = job.error }) => {
    if (result !== undefined) return result;
    const { code, message } = error ?? {
      code: 'INTERNAL',
      message: 'A job ended without a result and without an error.',
    };
    throw new StoredProblem(code, message, items.length > 1 ? { index } : {});
  });
}
