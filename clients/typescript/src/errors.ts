import type { Problem } from './schema.ts';

/** Everything that a call of this client rejects with, but for an abort: that rejects with the signal's own reason. */
export class Geo2Error extends Error {
  override readonly name: string = 'Geo2Error';
}

/** No answer came: the service was not reached, or the connection broke. The cause is what `fetch` said. */
export class Geo2ConnectionError extends Geo2Error {
  override readonly name = 'Geo2ConnectionError';
}

/** The call's own time was over. */
export class Geo2TimeoutError extends Geo2Error {
  override readonly name = 'Geo2TimeoutError';
}

/** The service, or something in front of it, refused. Branch on `code`. */
export class Geo2ProblemError extends Geo2Error {
  override readonly name = 'Geo2ProblemError';
  readonly status: number;
  /** As listed at `/docs/problems`; `HTTP_502` and the like when what answered was not the service. */
  readonly code: string;
  /** What to quote when asking the operator; empty when the answer names none. */
  readonly requestId: string;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** Seconds until it makes sense to try again, where the answer says so. */
  readonly retryAfterS: number | undefined;
  /** Everything wrong with the request, each with a JSON pointer into it. */
  readonly errors: NonNullable<Problem['errors']>;
  /** The whole document, where there is one. */
  readonly problem: Problem | undefined;

  constructor(response: Response, body: unknown, nowMs: number) {
    const problem = isProblem(body) ? body : undefined;
    super(problem === undefined ? `The answer was ${response.status} and no problem.` : sentenceOf(problem));
    this.status = response.status;
    this.code = problem?.code ?? `HTTP_${response.status}`;
    this.requestId = problem?.requestId ?? response.headers.get('x-request-id') ?? '';
    this.retryable = problem?.retryable ?? [429, 502, 503, 504].includes(response.status);
    this.retryAfterS = retryAfterS(response.headers.get('retry-after'), nowMs);
    this.errors = problem?.errors ?? [];
    this.problem = problem;
  }
}

function sentenceOf({ code, title, detail }: Problem): string {
  return `${code}: ${detail === '' ? title : detail}`;
}

function isProblem(body: unknown): body is Problem {
  return (
    isRecord(body) &&
    ['code', 'title', 'detail', 'requestId'].every((name) => typeof body[name] === 'string') &&
    typeof body.retryable === 'boolean'
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** Seconds from now, of either form of the header: a number, or a date. */
function retryAfterS(header: string | null, nowMs: number): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const atMs = Date.parse(header);
  return Number.isNaN(atMs) ? undefined : Math.max(0, (atMs - nowMs) / 1000);
}
