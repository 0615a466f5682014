import { z } from '@hono/zod-openapi';
import {
  ITEM_STATUSES,
  JOB_KINDS,
  JOB_STATUSES,
  type Job,
  type JobError,
  type JobItem,
  type JobItemsPage,
} from '../core/jobs/jobs.ts';
import { isProblemCode, PROBLEMS } from './problems.ts';

const ID_FORM = '^job_[a-z2-7]{26}$';

export const JobIdSchema = z.string().openapi({ pattern: ID_FORM, example: 'job_mzxw6ytboi2dsnrqgezdgnbvgy' });

const TimeSchema = z.string().openapi({ format: 'date-time' });

export const JobErrorSchema = z
  .object({
    code: z.string(),
    title: z.string(),
    detail: z.string(),
    retryable: z.boolean().openapi({ description: 'Whether the same request may succeed later' }),
  })
  .openapi('JobError', { description: 'As in a problem' });

export const JobItemSchema = z
  .object({
    index: z.int().openapi({ description: 'Place in the batch, from 0' }),
    name: z.string().optional().openapi({ description: 'The name that was given with the image, such as its file’s' }),
    status: z.enum(ITEM_STATUSES),
    result: z.record(z.string(), z.unknown()).optional().openapi({ description: 'The answer of the task' }),
    error: JobErrorSchema.optional(),
  })
  .openapi('JobItem');

const BatchResultSchema = z
  .object({
    items: z.array(JobItemSchema),
    next: z.string().optional().openapi({ description: 'Where the next items are; left out with the last' }),
  })
  .openapi('BatchResult', { description: 'In the order of the images' });

export const JobSchema = z
  .object({
    id: JobIdSchema,
    task: z.enum(JOB_KINDS),
    form: z
      .enum(['single', 'batch'])
      .openapi({ description: 'single: one request, answered later; batch: many images' }),
    status: z.enum(JOB_STATUSES).openapi({
      description:
        'succeeded: at least one image has a result; failed: none has; expired: its time ran out. These and canceled are final',
    }),
    createdAt: TimeSchema,
    startedAt: TimeSchema.optional(),
    finishedAt: TimeSchema.optional(),
    expiresAt: TimeSchema.openapi({
      description: 'While it is not final: when it is given up. Then: when it is deleted with its results',
    }),
    progress: z
      .object({ completed: z.int(), failed: z.int(), total: z.int() })
      .openapi({ description: 'Images: with a result, with an error, altogether' }),
    result: z
      .union([BatchResultSchema, z.record(z.string(), z.unknown())])
      .optional()
      .openapi({
        description: 'single: the answer that the route gives; batch: what there is of each image, as soon as it is',
      }),
    error: JobErrorSchema.optional().openapi({ description: 'Of a job that failed or expired' }),
  })
  .openapi('Job');

export type JobBody = z.infer<typeof JobSchema>;

/** A job without its results. */
export function toJobBody(job: Job): JobBody {
  return {
    id: job.id,
    task: job.kind,
    form: job.form,
    status: job.status,
    createdAt: job.createdAt.toISOString(),
    ...(job.startedAt === undefined ? {} : { startedAt: job.startedAt.toISOString() }),
    ...(job.finishedAt === undefined ? {} : { finishedAt: job.finishedAt.toISOString() }),
    expiresAt: job.expiresAt.toISOString(),
    progress: { ...job.progress },
    ...(job.error === undefined ? {} : { error: toErrorBody(job.error) }),
  };
}

/** A job with a page of its results. */
export function withResults(job: Job, { items, next }: JobItemsPage, linkTo: (from: number) => string): JobBody {
  const body = toJobBody(job);
  if (job.form === 'batch') {
    return {
      ...body,
      result: { items: items.map(toItemBody), ...(next === undefined ? {} : { next: linkTo(next) }) },
    };
  }
  const [item] = items;
  return item?.result === undefined ? body : { ...body, result: { ...item.result } };
}

function toItemBody({ index, name, status, result, error }: JobItem): z.infer<typeof JobItemSchema> {
  return {
    index,
    ...(name === undefined ? {} : { name }),
    status,
    ...(result === undefined ? {} : { result: { ...result } }),
    ...(error === undefined ? {} : { error: toErrorBody(error) }),
  };
}

/** What the same error would have said as a problem. */
export function toErrorBody({ code, message }: JobError): z.infer<typeof JobErrorSchema> {
  const known = isProblemCode(code) ? code : 'INTERNAL';
  const { title, retryable, internal } = PROBLEMS[known];
  return { code: known, title, detail: internal === true ? `${title}.` : message, retryable };
}
