import * as z from 'zod';
import { ITEM_STATUSES, JOB_KINDS, JOB_STATUSES, type Job } from './jobs.ts';

const ErrorSchema = z.object({ code: z.string(), message: z.string() });

/** What `JOB_COLUMNS` selects, as a job. */
const JobRowSchema = z
  .object({
    id: z.string(),
    tenant: z.string(),
    kind: z.enum(JOB_KINDS),
    form: z.enum(['single', 'batch']),
    status: z.enum(JOB_STATUSES),
    created_at: z.date(),
    started_at: z.date().nullable(),
    finished_at: z.date().nullable(),
    expires_at: z.date(),
    total: z.int(),
    completed: z.int(),
    failed: z.int(),
    error: ErrorSchema.nullable(),
  })
  .transform(
    (row): Job => ({
      id: row.id,
      tenant: row.tenant,
      kind: row.kind,
      form: row.form,
      status: row.status,
      createdAt: row.created_at,
      startedAt: row.started_at ?? undefined,
      finishedAt: row.finished_at ?? undefined,
      expiresAt: row.expires_at,
      progress: { completed: row.completed, failed: row.failed, total: row.total },
      error: row.error ?? undefined,
    }),
  );

export const JOB_COLUMNS =
  'id, tenant, kind, form, status, created_at, started_at, finished_at, expires_at, total, completed, failed, error';

/** A row of `JOB_COLUMNS`; undefined for none. */
export function jobOf(row: Record<string, unknown> | undefined): Job | undefined {
  return row === undefined ? undefined : JobRowSchema.parse(row);
}

export const JobInputSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('object'), key: z.string() }),
  z.object({ type: z.literal('url'), url: z.string() }),
  z.object({ type: z.literal('none') }),
]);

const ItemRowSchema = z.object({
  index: z.int(),
  name: z.string().nullable(),
  status: z.enum(ITEM_STATUSES),
  ordinal: z.int().nullable(),
  error: ErrorSchema.nullable(),
});
export type ItemRow = z.infer<typeof ItemRowSchema>;

export const ITEM_COLUMNS = 'index, name, status, ordinal, error';

export function itemRowsOf(rows: readonly Record<string, unknown>[]): ItemRow[] {
  return z.array(ItemRowSchema).parse(rows);
}
