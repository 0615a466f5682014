import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as z from 'zod';
import { Failure, UsageError } from './failure.ts';

/** A running server, as the commands use it. */
export interface Remote {
  /** POSTs an image's bytes with options in the query string. Throws Failure with the server's code. */
  postImage<T extends z.ZodType>(
    path: string,
    image: Uint8Array,
    request: { readonly query: Readonly<Record<string, string | undefined>>; readonly answer: T },
  ): Promise<z.infer<T>>;
  /** Any other request; a body is sent as JSON. Throws Failure with the server's code. */
  send<T extends z.ZodType>(request: {
    readonly method: 'GET' | 'POST' | 'DELETE';
    readonly path: string;
    readonly query?: Readonly<Record<string, string | undefined>>;
    readonly body?: unknown;
    readonly answer: T;
  }): Promise<z.infer<T>>;
}

export interface RemoteOptions {
  readonly url: string;
  readonly apiKey?: string | undefined;
  readonly signal: AbortSignal;
}

const ProblemSchema = z.object({ code: z.string(), detail: z.string(), requestId: z.string().optional() });

const ATTEMPTS = 3;
const MAX_RETRY_AFTER_S = 30;
const RETRIED = [429, 503];

/** Throws UsageError when the address is none. */
export function createRemote({ url, apiKey, signal }: RemoteOptions): Remote {
  const base = baseOf(url);
  const headers = {
    accept: 'application/json',
    ...(apiKey === undefined || apiKey === '' ? {} : { authorization: `Bearer ${apiKey}` }),
  };

  /** A server that says when to come back is asked again; everything else is an answer. */
  async function persist(
    target: URL,
    init: { method: string; headers: Record<string, string>; body?: string | Uint8Array<ArrayBuffer> },
  ) {
    for (let attempt = 1; ; attempt += 1) {
      const response = await fetch(target, { ...init, signal }).catch((cause: unknown) => {
        if (signal.aborted) throw cause;
        throw new Failure('UNREACHABLE', `${base.origin} cannot be reached: ${networkReason(cause)}.`, { cause });
      });
      const afterS = Number(response.headers.get('retry-after'));
      if (!RETRIED.includes(response.status) || attempt === ATTEMPTS || !(afterS <= MAX_RETRY_AFTER_S)) return response;
      await response.body?.cancel();
      await sleep(Math.max(afterS, 0.1) * 1000, undefined, { signal });
    }
  }

  async function ask<T extends z.ZodType>(
    { path, query = {}, answer }: { path: string; query?: Readonly<Record<string, string | undefined>>; answer: T },
    init: Parameters<typeof persist>[1],
  ): Promise<z.infer<T>> {
    const target = new URL(`${base.pathname.replace(/\/$/, '')}${path}`, base);
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) target.searchParams.set(name, value);
    }
    const response = await persist(target, init);
    const value: unknown = await response.json().catch(() => undefined);
    if (!response.ok) throw problemOf(response, value, target);
    const parsed = answer.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new Failure('UNEXPECTED_ANSWER', `${target.origin}${target.pathname} does not answer as this API does.`);
  }

  return {
    postImage: (path, image, { query, answer }) =>
      ask(
        { path, query, answer },
        {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/octet-stream' },
          body: new Uint8Array(image),
        },
      ),
    send: ({ method, body, ...request }) =>
      ask(
        request,
        body === undefined
          ? { method, headers }
          : {
              method,
              // an attempt that was made twice is one request
              headers: { ...headers, 'content-type': 'application/json', 'idempotency-key': randomUUID() },
              body: JSON.stringify(body),
            },
      ),
  };
}

function baseOf(url: string): URL {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base !== undefined && (base.protocol === 'http:' || base.protocol === 'https:')) return base;
  throw new UsageError(
    `--url must be the address of a server, such as http://127.0.0.1:8080, not ${JSON.stringify(url)}`,
  );
}

function problemOf(response: Response, value: unknown, target: URL): Failure {
  const parsed = ProblemSchema.safeParse(value);
  if (parsed.success) return new Failure(parsed.data.code, parsed.data.detail);
  return new Failure(
    'UNEXPECTED_ANSWER',
    `${target.origin}${target.pathname} answered with status ${response.status}.`,
  );
}

/** `fetch` only says that it failed; why is in the cause. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (cause instanceof Error && 'code' in cause && cause.code === 'ECONNREFUSED') return 'nothing listens there';
  if (cause instanceof Error && 'code' in cause && cause.code === 'ENOTFOUND') return 'there is no such host';
  return cause instanceof Error && cause.message !== '' ? cause.message : String(error);
}
