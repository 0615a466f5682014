import type { ErrorHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { type ErrorCode, Geo2Error } from '../core/errors.ts';
import type { AppEnv } from './context.ts';

/** What the HTTP edge refuses by itself, before the domain sees anything. */
export type HttpCode =
  | 'NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'NOT_ACCEPTABLE'
  | 'MALFORMED_REQUEST'
  | 'HEADERS_TOO_LARGE'
  | 'REQUEST_TIMEOUT'
  | 'EXPECTATION_FAILED'
  | 'MALFORMED_BODY'
  | 'BODY_TOO_LARGE'
  | 'UPLOAD_TOO_SLOW'
  | 'JOB_ENDED'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'KEY_REQUIRED'
  | 'SCOPE_REQUIRED'
  | 'RATE_LIMITED'
  | 'TOO_MANY_IN_FLIGHT'
  | 'IDEMPOTENCY_KEY_INVALID'
  | 'IDEMPOTENCY_KEY_REUSED'
  | 'IDEMPOTENCY_IN_FLIGHT'
  | 'INTERNAL';

export type ProblemCode = ErrorCode | HttpCode;

interface ProblemKind {
  readonly status: ContentfulStatusCode;
  readonly title: string;
  /** Whether the same request may succeed later; an error's own `data.retryable` has the last word. */
  readonly retryable: boolean;
  /** Whose detail is for operators only: the caller is told the title. */
  readonly internal?: true;
}

const fault = { status: 500, retryable: false, internal: true } as const;

/** The one table from codes to problems; `docs/` and the OpenAPI document show it as it is here. */
export const PROBLEMS: Readonly<Record<ProblemCode, ProblemKind>> = {
  IMAGE_EMPTY: { status: 422, title: 'The image is empty', retryable: false },
  IMAGE_UNSUPPORTED: { status: 415, title: 'The image is of no supported kind', retryable: false },
  IMAGE_TRUNCATED: { status: 422, title: 'The image is cut off or damaged', retryable: false },
  IMAGE_TOO_LARGE: { status: 413, title: 'The image is too large', retryable: false },
  IMAGE_TOO_SMALL: { status: 422, title: 'The image is too small', retryable: false },
  IMAGE_URL_REFUSED: { status: 422, title: 'The image URL is not fetched', retryable: false },
  IMAGE_URL_FAILED: { status: 422, title: 'The image URL could not be fetched', retryable: true },
  INVALID_REQUEST: { status: 422, title: 'The request is not valid', retryable: false },
  UNKNOWN_REGION: { status: 422, title: 'There is no such region', retryable: false },
  OUT_OF_COVERAGE: { status: 422, title: 'No region covers the place', retryable: false },
  NO_SYNTHESIS: { status: 501, title: 'The served model makes no views', retryable: false },
  BATCH_TOO_LARGE: { status: 422, title: 'The request has too many images', retryable: false },
  WEBHOOK_URL_REFUSED: { status: 422, title: 'The webhook URL is not accepted', retryable: false },
  WEBHOOK_LIMIT: { status: 409, title: 'There are too many webhooks', retryable: false },
  WEBHOOK_DISABLED: { status: 409, title: 'The webhook is disabled', retryable: false },
  SECRET_UNREADABLE: { ...fault, title: 'A stored secret cannot be read' },
  KEY_REQUIRED: { status: 401, title: 'The request needs a key', retryable: false },
  KEY_INVALID: { status: 401, title: 'The key is not valid', retryable: false },
  KEY_EXPIRED: { status: 401, title: 'The key has expired', retryable: false },
  KEY_REVOKED: { status: 401, title: 'The key was revoked', retryable: false },
  SCOPE_REQUIRED: { status: 403, title: 'The key may not do this', retryable: false },
  RATE_LIMITED: { status: 429, title: 'The key’s quota is used up', retryable: true },
  TOO_MANY_IN_FLIGHT: { status: 429, title: 'The key has too many requests in flight', retryable: true },
  IDEMPOTENCY_KEY_INVALID: { status: 400, title: 'The Idempotency-Key cannot be used', retryable: false },
  IDEMPOTENCY_KEY_REUSED: { status: 422, title: 'The Idempotency-Key belongs to another request', retryable: false },
  IDEMPOTENCY_IN_FLIGHT: { status: 409, title: 'The first request with this key is not answered yet', retryable: true },
  OVERLOADED: { status: 503, title: 'The service is at its capacity', retryable: true },
  DEADLINE_EXCEEDED: { status: 504, title: 'The answer took too long', retryable: true },
  CANCELED: { status: 400, title: 'The caller went away', retryable: true },
  INFERENCE_CRASHED: { status: 503, title: 'The inference process ended', retryable: true },
  INFERENCE_FAILED: { ...fault, title: 'The model failed' },
  MODEL_UNAVAILABLE: { status: 503, title: 'The model is not available', retryable: true },
  FILE_MISSING: { ...fault, title: 'A file of the service is missing' },
  FILE_CORRUPT: { ...fault, title: 'A file of the service is damaged' },
  MANIFEST_INVALID: { ...fault, title: 'A file of the service is damaged' },
  MODEL_MISMATCH: { ...fault, title: 'Model and region do not fit' },
  REGION_INVALID: { ...fault, title: 'A region is damaged' },
  STORE_CONFLICT: { status: 409, title: 'Somebody else changed it meanwhile', retryable: true },
  STORE_FAILED: { status: 503, title: 'The store is not available', retryable: true, internal: true },
  SOURCE_INVALID: { ...fault, title: 'The imagery cannot be read' },
  INDEX_INVALID: { ...fault, title: 'A region’s index is damaged' },
  JOB_EXPIRED: { status: 504, title: 'The job was not done in time', retryable: true },
  JOB_ABANDONED: { status: 503, title: 'The service ended again and again while it ran the job', retryable: false },
  DATABASE_FAILED: { status: 503, title: 'The database is not available', retryable: true, internal: true },
  NOT_FOUND: { status: 404, title: 'There is nothing here', retryable: false },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The method is not allowed here', retryable: false },
  NOT_ACCEPTABLE: { status: 406, title: 'No such representation', retryable: false },
  MALFORMED_REQUEST: { status: 400, title: 'The request cannot be read', retryable: false },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are too large', retryable: false },
  REQUEST_TIMEOUT: { status: 408, title: 'The request came too slowly', retryable: true },
  EXPECTATION_FAILED: { status: 417, title: 'The expectation is not met', retryable: false },
  MALFORMED_BODY: { status: 400, title: 'The body cannot be read', retryable: false },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large', retryable: false },
  UPLOAD_TOO_SLOW: { status: 408, title: 'The body came too slowly', retryable: true },
  JOB_ENDED: { status: 409, title: 'The job has ended already', retryable: false },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, title: 'The content type is not supported', retryable: false },
  INTERNAL: { status: 500, title: 'The service failed', retryable: true, internal: true },
};

/** Whether a text, such as one that was stored, is the code of a problem. */
export function isProblemCode(text: string): text is ProblemCode {
  return Object.hasOwn(PROBLEMS, text);
}

/** One thing wrong with a request: a JSON pointer into what was sent (`#/prior/center/0`), RFC 9457's extension member. */
export interface FieldError {
  readonly detail: string;
  readonly pointer: string;
}

/** Thrown by handlers for what only HTTP knows. */
export class HttpProblem extends Error {
  override readonly name = 'HttpProblem';
  readonly code: HttpCode;
  readonly headers: Readonly<Record<string, string>>;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(
    code: HttpCode,
    detail: string,
    options: { headers?: Record<string, string>; data?: Record<string, unknown>; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.headers = options.headers ?? {};
    this.data = options.data ?? {};
  }
}

/** An error that was met elsewhere, such as by a job: told as it would have been told there. */
export class StoredProblem extends Error {
  override readonly name = 'StoredProblem';
  readonly code: ProblemCode;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: string, detail: string, data: Record<string, unknown> = {}) {
    super(detail);
    this.code = isProblemCode(code) ? code : 'INTERNAL';
    this.data = data;
  }
}

/** RFC 9457, with this service's members. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ProblemCode;
  readonly requestId: string;
  /** Of the W3C trace that the request is in. */
  readonly traceId?: string;
  readonly retryable: boolean;
  readonly errors?: readonly FieldError[];
}

const DEFAULT_RETRY_AFTER_S = 1;

/** Any error as a problem, with the headers that go with it. */
export function toProblem(
  thrown: unknown,
  request: { path: string; requestId: string; traceId?: string | undefined },
): { problem: Problem; headers: Record<string, string> } {
  const error = meant(thrown);
  const code = codeOf(error);
  const kind = PROBLEMS[code];
  const data = isOurs(error) ? error.data : {};
  const detail = kind.internal === true || !(error instanceof Error) ? `${kind.title}.` : error.message;
  const retryable = typeof data.retryable === 'boolean' ? data.retryable : kind.retryable;
  const errors = pointedAt(code, detail, data);
  const headers: Record<string, string> = error instanceof HttpProblem ? { ...error.headers } : {};
  if ([429, 503, 504].includes(kind.status)) headers['retry-after'] = String(retryAfterS(data.retryAfterS));
  if (kind.status === 401) headers['www-authenticate'] = challengeOf(code);
  return {
    problem: {
      type: `/docs/problems#${code}`,
      title: kind.title,
      status: kind.status,
      detail,
      instance: request.path,
      code,
      requestId: request.requestId,
      ...(request.traceId === undefined ? {} : { traceId: request.traceId }),
      retryable,
      ...(errors.length === 0 ? {} : { errors }),
    },
    headers,
  };
}

/** The last stop of every error: a problem for the caller, and for faults a line with the cause in the log. */
export const onError: ErrorHandler<AppEnv> = (thrown, c) => {
  const { problem, headers } = toProblem(thrown, {
    path: c.req.path,
    requestId: c.get('requestId'),
    traceId: c.get('traceId'),
  });
  c.set('problemCode', problem.code);
  if (problem.status >= 500) {
    const level = PROBLEMS[problem.code].status === 500 ? 'error' : 'warn';
    c.get('log')[level]({ err: meant(thrown), code: problem.code }, problem.title);
  }
  return c.body(JSON.stringify(problem), PROBLEMS[problem.code].status, {
    ...headers,
    'content-type': 'application/problem+json',
    'cache-control': 'no-store',
  });
};

/** A cancellation that our own deadline caused is a deadline, not a caller who left. */
function meant(error: unknown): unknown {
  if (error instanceof Geo2Error && error.code === 'CANCELED' && error.cause instanceof Geo2Error) return error.cause;
  return error;
}

function isOurs(error: unknown): error is Geo2Error | HttpProblem | StoredProblem {
  return error instanceof Geo2Error || error instanceof HttpProblem || error instanceof StoredProblem;
}

function codeOf(error: unknown): ProblemCode {
  if (isOurs(error)) return error.code;
  if (error instanceof HTTPException && error.status < 500) return 'MALFORMED_BODY';
  return 'INTERNAL';
}

/** RFC 6750: what was wrong with a key that was given; nothing is said where there was none. */
function challengeOf(code: ProblemCode): string {
  return code === 'KEY_REQUIRED' ? 'Bearer realm="geo2"' : 'Bearer realm="geo2", error="invalid_token"';
}

function retryAfterS(value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : DEFAULT_RETRY_AFTER_S;
}

/** What is wrong where: told by whoever parsed the request, or else by what the code is about. */
function pointedAt(code: ProblemCode, detail: string, data: Readonly<Record<string, unknown>>): FieldError[] {
  if (Array.isArray(data.errors)) return data.errors.filter(isFieldError);
  if (code === 'UNKNOWN_REGION') return [{ detail, pointer: '#/regions' }];
  if (code === 'OUT_OF_COVERAGE') return [{ detail, pointer: '#/location' }];
  if (code === 'BATCH_TOO_LARGE') return [{ detail, pointer: '#/images' }];
  if (code === 'WEBHOOK_URL_REFUSED') return [{ detail, pointer: '#/url' }];
  if (!code.startsWith('IMAGE_')) return [];
  return [{ detail, pointer: typeof data.index === 'number' ? `#/images/${data.index}` : '#/image' }];
}

export function isFieldError(item: unknown): item is FieldError {
  return (
    typeof item === 'object' &&
    item !== null &&
    'detail' in item &&
    typeof item.detail === 'string' &&
    'pointer' in item &&
    typeof item.pointer === 'string'
  );
}
