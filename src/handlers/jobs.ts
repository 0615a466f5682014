import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { createConcurrency } from '../core/accounts/concurrency.ts';
import { isId } from '../core/ids.ts';
import { isFinal, type Job, type JobEvent, type Jobs, MAX_JOB_ITEMS } from '../core/jobs/jobs.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { eventStream, type ServerSentEvent } from './event-stream.ts';
import { JobIdSchema, JobSchema, toErrorBody, toJobBody, withResults } from './job-body.ts';
import { HttpProblem } from './problems.ts';
import { numberText, queryOf } from './query.ts';
import { problemResponses } from './schemas.ts';
import { invalidInput, parseInput } from './validate.ts';

const KEEP_ALIVE_MS = 15_000;
const RETRY_MS = 2_000;
/** Each looks at its job once a second: many of one tenant would take the database from the others. */
const MAX_STREAMS = 64;
const DEFAULT_JOBS = 20;
const DEFAULT_ITEMS = 100;

const IdSchema = z.object({ id: JobIdSchema });

const ListSchema = z.strictObject({
  limit: numberText(z.int('must be a whole number').min(1, 'is from 1 to 100').max(100, 'is from 1 to 100')).optional(),
  cursor: z.string().max(200, 'is no cursor').optional().openapi({ description: 'Of `next` of the page before' }),
});

const ItemsSchema = z.strictObject({
  from: numberText(z.int('must be a whole number').min(0, 'is 0 or more').max(MAX_JOB_ITEMS, 'is beyond a batch'))
    .optional()
    .openapi({ description: 'Of a batch: the first image to tell of' }),
  limit: numberText(z.int('must be a whole number').min(1, 'is from 1 to 1000').max(MAX_JOB_ITEMS, 'is from 1 to 1000'))
    .optional()
    .openapi({ description: `Of a batch: images to tell of; ${DEFAULT_ITEMS} unless asked` }),
});

const JobListSchema = z
  .object({
    jobs: z.array(JobSchema),
    next: z.string().optional().openapi({ description: 'Where older jobs are; left out with the oldest' }),
  })
  .openapi('JobList', { description: 'Newest first, without results' });

const json = (description: string, schema: z.ZodType) => ({ description, content: { 'application/json': { schema } } });

const list = createRoute({
  method: 'get',
  path: '/v1/jobs',
  summary: 'Your jobs, newest first',
  tags: ['jobs'],
  request: { query: ListSchema },
  responses: { 200: json('A page of jobs', JobListSchema), ...problemResponses('INVALID_REQUEST') },
});

const get = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}',
  summary: 'How a job stands, and its result',
  tags: ['jobs'],
  request: { params: IdSchema, query: ItemsSchema },
  responses: { 200: json('The job', JobSchema), ...problemResponses('INVALID_REQUEST', 'NOT_FOUND') },
});

const cancel = createRoute({
  method: 'delete',
  path: '/v1/jobs/{id}',
  summary: 'Cancel a job',
  description:
    'What runs is stopped. Once more is as once. A job that has ended otherwise stays as it is, and says so with 409.',
  tags: ['jobs'],
  request: { params: IdSchema },
  responses: { 200: json('The job, canceled', JobSchema), ...problemResponses('NOT_FOUND', 'JOB_ENDED') },
});

/** One event of the stream, as a reader of server-sent events has it. */
const EventSchema = z
  .object({
    id: z.string().openapi({ description: 'For `Last-Event-ID`' }),
    event: z.string().openapi({ example: 'progress' }),
    data: z.string().openapi({ description: 'JSON' }),
  })
  .openapi('JobEvent', { description: 'One event of the stream' });

const events = createRoute({
  method: 'get',
  path: '/v1/jobs/{id}/events',
  summary: 'What happens to a job, as it happens',
  description:
    'Server-sent events: `start`, after each image `output` and `progress`, at last `completed`, after which the stream ends. While a view is made, `step` tells how far it is (`index`, `share`, and `step` of `of`); it is told once, under the id of the event before it. All else that has happened is told first; with `Last-Event-ID` only what came after that event.',
  tags: ['jobs'],
  request: {
    params: IdSchema,
    headers: z.object({
      'last-event-id': z.string().optional().openapi({ description: 'An id of an event of this job' }),
    }),
  },
  responses: {
    200: { description: 'Events', content: { 'text/event-stream': { schema: EventSchema } } },
    204: { description: 'The job has ended, and its last event was the one that `Last-Event-ID` names' },
    ...problemResponses('INVALID_REQUEST', 'NOT_FOUND'),
  },
});

export interface JobRouteDeps {
  readonly jobs: Jobs;
  /** Aborted when the service stops: streams of events end, their callers connect to another instance. */
  readonly draining: AbortSignal;
  /** Silence of a stream of events that a comment breaks. */
  readonly keepAliveMs?: number | undefined;
  /** Streams of events that one tenant may have open in this process. */
  readonly maxStreams?: number | undefined;
}

export function jobRoutes(
  app: OpenAPIHono<AppEnv>,
  { jobs, draining, keepAliveMs = KEEP_ALIVE_MS, maxStreams = MAX_STREAMS }: JobRouteDeps,
): void {
  const streams = createConcurrency();
  for (const route of [list, get, cancel, events]) app.openAPIRegistry.registerPath(route);

  app.get('/v1/jobs', requireScope('jobs'), async (c) => {
    const { limit = DEFAULT_JOBS, cursor } = parseInput(ListSchema, queryOf(c.req.url));
    const page = await jobs.list(c.get('caller').tenant, { limit, cursor });
    c.header('cache-control', 'no-store');
    return c.json({
      jobs: page.jobs.map(toJobBody),
      ...(page.next === undefined
        ? {}
        : { next: `/v1/jobs?${new URLSearchParams({ limit: String(limit), cursor: page.next })}` }),
    });
  });

  app.get('/v1/jobs/:id', requireScope('jobs'), async (c) => {
    const { from = 0, limit = DEFAULT_ITEMS } = parseInput(ItemsSchema, queryOf(c.req.url));
    const { tenant, id } = namedBy(c);
    const job = await jobs.get(tenant, id);
    const page = job === undefined ? undefined : await jobs.items(tenant, id, { from, limit });
    if (job === undefined || page === undefined) throw unknownJob();
    c.header('cache-control', 'no-store');
    return c.json(withResults(job, page, (next) => `/v1/jobs/${id}?from=${next}&limit=${limit}`));
  });

  app.delete('/v1/jobs/:id', requireScope('jobs'), async (c) => {
    const { tenant, id } = namedBy(c);
    const job = await jobs.cancel(tenant, id);
    if (job === undefined) throw unknownJob();
    if (job.status !== 'canceled') throw ended(job);
    c.header('cache-control', 'no-store');
    return c.json(toJobBody(job));
  });

  app.get('/v1/jobs/:id/events', requireScope('jobs'), async (c) => {
    const { tenant, id } = namedBy(c);
    const job = await jobs.get(tenant, id);
    if (job === undefined) throw unknownJob();
    const afterSeq = seqOf(c.req.header('last-event-id'), id);
    if (c.req.method === 'HEAD') return c.body(null, 200, EVENT_STREAM);

    const leave = streams.enter(tenant, maxStreams);
    if (leave === undefined) throw tooManyStreams(maxStreams);
    const left = new AbortController();
    left.signal.addEventListener('abort', leave);
    try {
      const happened = await jobs.events(tenant, id, { afterSeq, signal: AbortSignal.any([left.signal, draining]) });
      if (happened === undefined) throw unknownJob();
      const events = happened[Symbol.asyncIterator]();
      const first = isFinal(job.status) ? await events.next() : undefined;
      if (first?.done === true && !draining.aborted) {
        left.abort();
        return c.body(null, 204, NOT_STORED); // a browser connects again after every end: nothing more to tell stops it
      }
      const stream = eventStream({
        events: told(id, first, events),
        keepAliveMs,
        retryMs: RETRY_MS,
        signal: draining,
        onEnd: () => left.abort(),
      });
      return c.body(stream, 200, EVENT_STREAM);
    } catch (error) {
      left.abort();
      throw error;
    }
  });
}

const NOT_STORED = { 'cache-control': 'no-store' };
/** `x-accel-buffering`: a proxy that collects answers would hold events back. */
const EVENT_STREAM = { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no', ...NOT_STORED };

async function* told(
  id: string,
  first: IteratorResult<JobEvent> | undefined,
  rest: AsyncIterator<JobEvent>,
): AsyncGenerator<ServerSentEvent> {
  try {
    for (let next = first ?? (await rest.next()); next.done !== true; next = await rest.next()) {
      const { seq, type, data } = next.value;
      yield { id: `${id}.${seq}`, event: type, data: toEventBody(data) };
    }
  } finally {
    await rest.return?.();
  }
}

const EventErrorSchema = z.object({ code: z.string(), message: z.string() });

/** Errors are told as everywhere else. */
function toEventBody({ error, ...data }: JobEvent['data']): Record<string, unknown> {
  const found = EventErrorSchema.safeParse(error);
  return found.success ? { ...data, error: toErrorBody(found.data) } : data;
}

/** The job that the address names, and for whom. Throws NOT_FOUND for what can be no job's id. */
function namedBy(c: Context<AppEnv>): { tenant: string; id: string } {
  const id = c.req.param('id') ?? '';
  if (!isId('job', id)) throw unknownJob();
  return { tenant: c.get('caller').tenant, id };
}

/** The same for a job that never was, for one of somebody else, and for one that was deleted. */
function unknownJob(): HttpProblem {
  return new HttpProblem('NOT_FOUND', 'There is no such job; a job is deleted some time after it has ended.');
}

function tooManyStreams(maxStreams: number): HttpProblem {
  return new HttpProblem(
    'TOO_MANY_IN_FLIGHT',
    `A tenant may have ${maxStreams} streams of events open: close one, or ask GET /v1/jobs/{id} now and then.`,
    { data: { retryAfterS: RETRY_MS / 1000 } },
  );
}

function ended({ status }: Job): HttpProblem {
  return new HttpProblem('JOB_ENDED', `There is nothing to cancel: the job is ${status}.`);
}

/** How far a stream of events was read. Throws INVALID_REQUEST for what is no event of this job. */
function seqOf(lastEventId: string | undefined, id: string): number {
  if (lastEventId === undefined || lastEventId === '') return 0;
  const [, job, seq] = /^([^.]+)\.(\d{1,9})$/.exec(lastEventId) ?? [];
  if (job === id) return Number(seq);
  throw invalidInput([{ detail: 'Last-Event-ID is the id of no event of this job', pointer: '#/last-event-id' }]);
}
