import type { OutboundResult, PinnedFetcher } from '../outbound/pinned-fetcher.ts';
import { readRetryAfter } from './schedule.ts';
import { signedHeaders } from './signature.ts';

/** How an attempt ended; the label of `webhook_attempts_total`. */
export const ATTEMPT_OUTCOMES = [
  'succeeded', // any 2xx
  'redirected', // 3xx: not followed
  'gone', // 410: the receiver wants no more
  'rejected', // any other status
  'timeout',
  'unreachable', // no connection, or one that broke
  'unresolved', // the name has no address
  'refused', // the URL leads where nothing may be sent
  'unsigned', // our fault: the secret cannot be read
] as const;

export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number];

export interface AttemptResult {
  readonly outcome: AttemptOutcome;
  /** Of the answer. */
  readonly status: number | undefined;
  /** For the endpoint's owner; undefined when it succeeded. */
  readonly error: string | undefined;
  /** When the receiver wants the next one, at the earliest. */
  readonly retryAfter: Date | undefined;
}

export interface Message {
  readonly url: string;
  readonly id: string;
  readonly body: string;
  /** Those that are valid now, the newest first. */
  readonly secrets: readonly string[];
}

export interface SendDeps {
  readonly fetcher: PinnedFetcher;
  readonly now: () => Date;
  readonly timeoutMs: number;
}

/** An answer is read so far, and no longer than that, to be polite; what it says is not looked at. */
const ANSWER_BYTES = 1_024;
const ANSWER_GRACE_MS = 500;

/** Makes one attempt. Errors: CANCELED. */
export async function sendMessage(
  { url, id, body, secrets }: Message,
  { fetcher, now, timeoutMs, signal }: SendDeps & { readonly signal: AbortSignal },
): Promise<AttemptResult> {
  const result = await fetcher.fetch({
    url,
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'user-agent': 'geo2-webhooks',
      accept: '*/*',
      ...signedHeaders({ id, body, at: now() }, secrets),
    },
    body,
    timeoutMs,
    maxBytes: ANSWER_BYTES,
    bodyGraceMs: ANSWER_GRACE_MS,
    signal,
  });
  return judge(result, now());
}

function judge(result: OutboundResult, now: Date): AttemptResult {
  if (result.type !== 'answer') {
    const outcome = result.type === 'failed' ? 'unreachable' : result.type;
    return { outcome, status: undefined, error: `${result.why}.`, retryAfter: undefined };
  }
  const { status, headers } = result;
  if (status >= 200 && status < 300) return { outcome: 'succeeded', status, error: undefined, retryAfter: undefined };
  return { ...refusalOf(status), status, retryAfter: readRetryAfter(headers['retry-after'], now) };
}

function refusalOf(status: number): Pick<AttemptResult, 'outcome' | 'error'> {
  if (status === 410) return { outcome: 'gone', error: 'It was answered with 410: the webhook is disabled.' };
  if (status >= 300 && status < 400) {
    return { outcome: 'redirected', error: `It was answered with ${status}: redirects are not followed.` };
  }
  return { outcome: 'rejected', error: `It was answered with ${status}.` };
}
