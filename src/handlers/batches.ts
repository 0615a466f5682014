import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Jobs } from '../core/jobs/jobs.ts';
import { assertScope, requireScope } from './authentication.ts';
import { readBatchForm } from './batch-form.ts';
import { type Batch, BatchSchema, readCsv, readJsonBatch, readJsonLines } from './batch-manifest.ts';
import { TaskSchema } from './batch-task.ts';
import type { BodyBudget } from './body.ts';
import { streamBody, type UploadPace } from './body-stream.ts';
import type { AppEnv } from './context.ts';
import { type Hold, refuseEncoding, refuseQuery } from './form.ts';
import { within } from './geolocate.ts';
import { JobSchema, toJobBody } from './job-body.ts';
import { boundaryOf, readMultipart } from './multipart.ts';
import { HttpProblem } from './problems.ts';
import { queryOf } from './query.ts';
import { problemResponses } from './schemas.ts';
import { type PutImage, submitJob } from './submit-job.ts';
import { parseInput } from './validate.ts';

export interface BatchLimits {
  readonly maxImageBytes: number;
  /** Of a form with files. */
  readonly maxBatchBytes: number;
  readonly pace: UploadPace;
  readonly budget: BodyBudget;
}

export interface BatchRouteDeps {
  readonly jobs: Jobs;
  readonly limits: BatchLimits;
}

/** Of a list of URLs, which is held while it is read. */
const MAX_LIST_BYTES = 4 * 1024 * 1024;

const LISTS = ['application/json', 'application/x-ndjson', 'application/jsonl', 'text/csv'] as const;

const QuerySchema = z.strictObject({ task: TaskSchema });

const FormSchema = z.object({
  task: TaskSchema,
  image: z
    .array(z.string().openapi({ type: 'string', format: 'binary' }))
    .min(1)
    .max(1000),
  options: z.looseObject({}).optional().openapi({ description: 'Of the task, for every image' }),
  imageOptions: z
    .array(z.looseObject({}))
    .optional()
    .openapi({ description: 'Of the task, one object for each image, in their order' }),
});

const lines = {
  schema: z.string().openapi({ description: '{"url": …, "name": …, and options of the task} on each line' }),
};

const route = createRoute({
  method: 'post',
  path: '/v1/batches',
  summary: 'Up to 1,000 images, answered by a job',
  description:
    'The images are files of a form, or URLs in JSON, in lines of JSON, or in a table (CSV: url, name, and options of the task as in its query string). Answered at once by the job; see /v1/jobs/{id}.',
  tags: ['jobs'],
  request: {
    query: QuerySchema.partial(),
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: FormSchema,
          encoding: { options: { contentType: 'application/json' }, imageOptions: { contentType: 'application/json' } },
        },
        'application/json': { schema: BatchSchema },
        'application/x-ndjson': lines,
        'application/jsonl': lines,
        'text/csv': { schema: z.string() },
      },
    },
  },
  responses: {
    202: {
      description: 'The job',
      headers: { Location: { description: 'Where the job is', schema: { type: 'string' } } },
      content: { 'application/json': { schema: JobSchema } },
    },
    ...problemResponses(
      'INVALID_REQUEST',
      'BATCH_TOO_LARGE',
      'IMAGE_TOO_LARGE',
      'MALFORMED_BODY',
      'BODY_TOO_LARGE',
      'UPLOAD_TOO_SLOW',
      'UNSUPPORTED_MEDIA_TYPE',
      'OVERLOADED',
      'STORE_FAILED',
      'DEADLINE_EXCEEDED',
    ),
  },
});

export function batchRoute(app: OpenAPIHono<AppEnv>, { jobs, limits }: BatchRouteDeps): void {
  app.openAPIRegistry.registerPath(route);
  app.post(route.path, requireScope('jobs'), async (c) => {
    const caller = c.get('caller');
    const job = await submitJob(jobs, { tenant: caller.tenant, signal: c.get('signal') }, async (put) => {
      const { task, items } = await readBatch(c, put, limits);
      assertScope(caller, task);
      const bounds = task === 'geolocate' ? within(caller) : {};
      return {
        kind: task,
        form: 'batch',
        items: items.map((item) => ({ ...item, options: { ...item.options, ...bounds } })),
      };
    });
    c.header('location', `/v1/jobs/${job.id}`);
    c.header('cache-control', 'no-store');
    return c.json(toJobBody(job), 202);
  });
}

/** In whichever form it comes; of files no more than a piece is held. */
async function readBatch(c: Context<AppEnv>, put: PutImage, limits: BatchLimits): Promise<Batch> {
  const header = c.req.header('content-type') ?? '';
  const mediaType = header.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const query = queryOf(c.req.url);
  refuseEncoding(c.req.header('content-encoding'));
  const hold = holding(limits.budget);
  const body = (maxBytes: number) => streamBody(c.req.raw, { maxBytes, pace: limits.pace, signal: c.get('signal') });
  try {
    switch (mediaType) {
      case 'multipart/form-data': {
        refuseQuery(query);
        const parts = readMultipart(body(limits.maxBatchBytes), boundaryOf(header));
        return await readBatchForm(parts, { put, hold: hold.more, maxImageBytes: limits.maxImageBytes });
      }
      case 'application/json':
        refuseQuery(query);
        return readJsonBatch(await whole(body(MAX_LIST_BYTES), hold.more));
      case 'application/x-ndjson':
      case 'application/jsonl': {
        const { task } = parseInput(QuerySchema, query);
        return readJsonLines(await whole(body(MAX_LIST_BYTES), hold.more), task);
      }
      case 'text/csv': {
        const { task } = parseInput(QuerySchema, query);
        return readCsv(await whole(body(MAX_LIST_BYTES), hold.more), task);
      }
      default:
        throw unsupported(mediaType);
    }
  } finally {
    hold.release();
  }
}

function holding(budget: BodyBudget): { more: Hold; release: () => void } {
  let held = 0;
  return {
    more(bytes) {
      budget.take(bytes);
      held += bytes;
    },
    release() {
      budget.give(held);
      held = 0;
    },
  };
}

async function whole(body: AsyncIterable<Uint8Array>, hold: Hold): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body) {
    hold(chunk.length);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function unsupported(mediaType: string): HttpProblem {
  const got = mediaType === '' ? 'There is no content type' : `The content type ${mediaType} is not read here`;
  return new HttpProblem(
    'UNSUPPORTED_MEDIA_TYPE',
    `${got}: send files as multipart/form-data, or URLs as ${LISTS.join(', ')}.`,
    { headers: { 'accept-post': ['multipart/form-data', ...LISTS].join(', ') } },
  );
}
