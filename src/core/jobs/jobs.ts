/** The verbs that a job can run. */
export const JOB_KINDS = ['geolocate', 'embed', 'synthesize'] as const;
export type JobKind = (typeof JOB_KINDS)[number];

/** `succeeded` when at least one item has a result; `failed` when none has; `expired` when its time ran out. */
export const JOB_STATUSES = ['queued', 'processing', 'succeeded', 'failed', 'canceled', 'expired'] as const;
export type JobStatus = (typeof JOB_STATUSES)[number];

const FINAL: ReadonlySet<JobStatus> = new Set(['succeeded', 'failed', 'canceled', 'expired']);

/** Whether a job in this state changes no more. */
export function isFinal(status: JobStatus): boolean {
  return FINAL.has(status);
}

/** Images in one job. */
export const MAX_JOB_ITEMS = 1_000;

/** Why a job or an item has no result: a code of `ErrorCode`, and a sentence for the caller. */
export interface JobError {
  readonly code: string;
  readonly message: string;
}

/** One request that is answered later, or many images together. */
export type JobForm = 'single' | 'batch';

export interface Job {
  /** `job_…` */
  readonly id: string;
  readonly tenant: string;
  readonly kind: JobKind;
  readonly form: JobForm;
  readonly status: JobStatus;
  readonly createdAt: Date;
  /** When a worker first took it up. */
  readonly startedAt: Date | undefined;
  readonly finishedAt: Date | undefined;
  /** While it is not final: when it is given up as `expired`. Then: when it is deleted, with its results. */
  readonly expiresAt: Date;
  /** Items; `completed` have a result, `failed` have an error. */
  readonly progress: { readonly completed: number; readonly failed: number; readonly total: number };
  /** Of a job that did not succeed. */
  readonly error: JobError | undefined;
}

export const ITEM_STATUSES = ['pending', 'succeeded', 'failed', 'canceled'] as const;
/** `canceled`: the job ended before this item's turn. */
export type JobItemStatus = (typeof ITEM_STATUSES)[number];

export interface JobItem {
  /** Position in the job, from 0. */
  readonly index: number;
  /** The caller's name for it, such as the file's. */
  readonly name: string | undefined;
  readonly status: JobItemStatus;
  /** Of a succeeded item: the JSON that the verb answers with. */
  readonly result: Record<string, unknown> | undefined;
  /** Of a failed item. */
  readonly error: JobError | undefined;
}

/**
 * Where an item's image is: an object that was written by `stage`, or a URL that the worker fetches; `none` for an item whose options say
 * all there is.
 */
export type JobInput =
  | { readonly type: 'object'; readonly key: string }
  | { readonly type: 'url'; readonly url: string }
  | { readonly type: 'none' };

export interface NewJobItem {
  readonly name?: string | undefined;
  readonly input: JobInput;
  /** The verb's options for this item, validated and complete: JSON as the verb takes it. */
  readonly options: Readonly<Record<string, unknown>>;
}

export interface NewJob {
  readonly tenant: string;
  readonly kind: JobKind;
  readonly form: JobForm;
  /** 1 to MAX_JOB_ITEMS. */
  readonly items: readonly NewJobItem[];
  /** What wrote the items' objects; undefined when all are URLs. */
  readonly staged?: StagedInputs | undefined;
}

/** Inputs that are being written before their job exists. What is neither submitted nor discarded is swept away later. */
export interface StagedInputs {
  /** The id that the job will have. */
  readonly jobId: string;
  /** Errors: STORE_FAILED, CANCELED. */
  put(bytes: Uint8Array | AsyncIterable<Uint8Array>, options?: { signal?: AbortSignal | undefined }): Promise<JobInput>;
  /** Deletes what was written; for a request that ends without a job. */
  discard(): Promise<void>;
}

export interface JobsPage {
  readonly jobs: readonly Job[];
  /** What to ask for next as `cursor`; undefined on the last page. */
  readonly next: string | undefined;
}

export interface JobItemsPage {
  readonly items: readonly JobItem[];
  /** What to ask for next as `from`; undefined on the last page. */
  readonly next: number | undefined;
}

/**
 * What happened to a job, in order. `start` {status, total}; after each item `output` {index, name, status, result or error} and
 * `progress` {step, of, failed}; at last `completed` {status, progress, error}. `data.id` is the job's id. While an item is worked on,
 * `step` {index, share, step, of} may tell how far it is: only to who listens then, and under the number of the event before it.
 */
export interface JobEvent {
  /** From 1, rising, the same at every replay. */
  readonly seq: number;
  readonly type: 'start' | 'step' | 'progress' | 'output' | 'completed';
  readonly data: Readonly<Record<string, unknown>>;
}

/** A caller is always a tenant: another tenant's job is as unknown as one that never was (undefined). */
export interface Jobs {
  stage(tenant: string): Promise<StagedInputs>;
  /**
   * Accepts the job: when this resolves it will end exactly once in a final state. Errors: BATCH_TOO_LARGE, OVERLOADED (too
   * many jobs wait), DATABASE_FAILED; INVALID_REQUEST when the staged inputs were swept away meanwhile.
   */
  submit(job: NewJob): Promise<Job>;
  get(tenant: string, id: string): Promise<Job | undefined>;
  /** Newest first, `limit` (1 to 100) of them. Errors: INVALID_REQUEST for a cursor that no page gave. */
  list(tenant: string, page: { readonly limit: number; readonly cursor?: string | undefined }): Promise<JobsPage>;
  /** In the order of their index, `limit` (1 to 1,000) from `from`. */
  items(
    tenant: string,
    id: string,
    page: { readonly from: number; readonly limit: number },
  ): Promise<JobItemsPage | undefined>;
  /** Asks for the end of the job: `canceled` at once, whatever runs is stopped. A job that is final stays as it is. */
  cancel(tenant: string, id: string): Promise<Job | undefined>;
  /** The events after `afterSeq` (0 is all), then those to come; ends after `completed`, or when the signal aborts. */
  events(
    tenant: string,
    id: string,
    options: { readonly afterSeq: number; readonly signal: AbortSignal },
  ): Promise<AsyncIterable<JobEvent> | undefined>;
  /** The job when it is final, or as it stands after `ms`, or when the signal aborts. */
  wait(
    tenant: string,
    id: string,
    options: { readonly ms: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Job | undefined>;
}
