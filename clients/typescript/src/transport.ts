import { Geo2ConnectionError, Geo2Error, Geo2ProblemError, Geo2TimeoutError } from './errors.ts';
import { pause, type RetryDeps, type RetryOptions, withRetries } from './retry.ts';

/** What any call may be told besides what it asks. */
export interface CallOptions {
  /** Ends the call, with this signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Of the whole call, with its tries and waits; that of the client unless said. */
  readonly timeoutMs?: number | undefined;
  /** `[A-Za-z0-9_-]`, up to 128 of them: comes back in errors and stands in the service's log. */
  readonly requestId?: string | undefined;
  /** Only for calls that make something: the same key never makes it twice. One is drawn for each call unless said. */
  readonly idempotencyKey?: string | undefined;
}

/** What one attempt is sent with. */
export type AttemptInit = {
  readonly signal: AbortSignal;
  readonly headers: Readonly<Record<string, string>>;
};

interface Answer<T> {
  /** Of a success, or of a status that is an answer all the same. */
  readonly data?: T;
  readonly error?: unknown;
  readonly response: Response;
}

export interface TransportOptions {
  readonly timeoutMs: number;
  readonly retry: RetryOptions;
  readonly newIdempotencyKey: () => string;
  readonly random: RetryDeps['random'];
  readonly nowMs: () => number;
}

export type Transport = ReturnType<typeof createTransport>;

/** Turns attempts into calls: time, tries, idempotency keys, and errors that a program can act on. */
export function createTransport({
  timeoutMs: usualTimeoutMs,
  retry,
  newIdempotencyKey,
  random,
  nowMs,
}: TransportOptions) {
  /** What the service answered, for calls whose answer has a body. */
  async function call<T>(attempt: (init: AttemptInit) => Promise<Answer<T>>, options: CallOptions = {}): Promise<T> {
    const { data, response } = await exchange(attempt, options);
    if (data === undefined) throw new Geo2Error(`The answer ${response.status} from ${response.url} has no body.`);
    return data;
  }

  /** The same for calls that make something: it is made once, however often the call is sent. */
  function make<T>(attempt: (init: AttemptInit) => Promise<Answer<T>>, options: CallOptions = {}): Promise<T> {
    const keyed = withKey(attempt, options.idempotencyKey ?? newIdempotencyKey());
    return call(keyed, options);
  }

  /** For calls whose answer is only that it was done. */
  async function tell(
    attempt: (init: AttemptInit) => Promise<Answer<unknown>>,
    options: CallOptions = {},
  ): Promise<void> {
    await exchange(attempt, options);
  }

  /**
   * A stream of events as it comes, or undefined where nothing more is to come (204). The call's time is that until it begins,
   * and there is one try.
   */
  async function open(
    attempt: (init: AttemptInit) => Promise<Answer<ReadableStream<Uint8Array> | null>>,
    { signal: given, timeoutMs = usualTimeoutMs, requestId }: CallOptions = {},
  ): Promise<ReadableStream<Uint8Array> | undefined> {
    const beginning = new AbortController();
    const late = () => beginning.abort(new Geo2TimeoutError(`There was no answer within ${timeoutMs} ms.`));
    const timer = setTimeout(late, timeoutMs);
    const signal = given === undefined ? beginning.signal : AbortSignal.any([given, beginning.signal]);
    try {
      const headers = {
        accept: 'text/event-stream',
        ...(requestId === undefined ? {} : { 'x-request-id': requestId }),
      };
      const { data, response } = await answered(attempt, { signal, headers });
      if (response.status === 204) return undefined;
      const type = response.headers.get('content-type') ?? '';
      if (data instanceof ReadableStream && /^text\/event-stream\b/i.test(type)) return data;
      await response.body?.cancel();
      throw new Geo2Error(
        `The answer from ${response.url} is no stream of events but ${type === '' ? 'nothing' : type}.`,
      );
    } finally {
      clearTimeout(timer);
    }
  }

  async function exchange<T>(
    attempt: (init: AttemptInit) => Promise<Answer<T>>,
    { signal: given, timeoutMs = usualTimeoutMs, requestId }: CallOptions,
  ): Promise<Answer<T>> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = given === undefined ? timeout : AbortSignal.any([given, timeout]);
    const headers = requestId === undefined ? {} : { 'x-request-id': requestId };
    try {
      return await withRetries(() => answered(attempt, { signal, headers }), retry, { random, pause, signal });
    } catch (error) {
      if (given?.aborted === true) throw given.reason;
      if (timeout.aborted) throw new Geo2TimeoutError(`There was no answer within ${timeoutMs} ms.`, { cause: error });
      throw error;
    }
  }

  async function answered<T>(
    attempt: (init: AttemptInit) => Promise<Answer<T>>,
    init: AttemptInit,
  ): Promise<Answer<T>> {
    const answer = await attempt(init).catch((cause: unknown) => {
      if (init.signal.aborted) throw init.signal.reason;
      throw new Geo2ConnectionError(`The service gave no usable answer: ${reasonOf(cause)}.`, { cause });
    });
    if (answer.response.ok || answer.data !== undefined) return answer;
    throw new Geo2ProblemError(answer.response, answer.error, nowMs());
  }

  return { call, make, tell, open };
}

function withKey<T>(attempt: (init: AttemptInit) => Promise<T>, key: string): (init: AttemptInit) => Promise<T> {
  return ({ headers, ...init }) => attempt({ ...init, headers: { ...headers, 'idempotency-key': key } });
}

/** Node hides what happened ("connect ECONNREFUSED …") one cause further down. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}
