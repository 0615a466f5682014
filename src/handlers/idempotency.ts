import type { Context, MiddlewareHandler } from 'hono';
import { type Idempotency, LEASE_MS, type RepeatableRequest } from '../core/accounts/idempotency.ts';
import { createRequestHasher, hashRequest } from './body-hash.ts';
import { streamBody } from './body-stream.ts';
import type { AppEnv } from './context.ts';
import { HttpProblem, toProblem } from './problems.ts';
import { createSeal } from './sealed-answer.ts';

export interface RepeatableDeps {
  readonly idempotency: Idempotency;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** Bytes of the largest answer that is kept. */
export const MAX_KEPT_BYTES = 256 * 1024;

/** Visible ASCII; with or without the quotes that the draft standard wants. */
const NAME = /^[\x21-\x7e]{1,255}$/;
/** Headers of an answer that belong to it, and not to the one request. */
const KEPT_HEADERS = ['content-type', 'location', 'cache-control', 'preference-applied', 'link'];
const NEVER_KEPT = /^(image\/|video\/|application\/octet-stream|text\/event-stream|multipart\/)/;
/** A repeated body is read only for its hash. */
const PACE = { windowMs: 5_000, minBytes: 1_024 };

/**
 * Makes a POST with an `Idempotency-Key` safe to repeat: it is worked on once, and the same request again gets the same answer for
 * a day. Another body under the same name is refused, and so is a repetition while the first is in flight. Answers that a repetition
 * may change (5xx, and problems that are retryable) are not kept, nor is anything that holds an image.
 *
 * @example app.use('/v1/*', repeatable({ idempotency, randomBytes }))
 */
export function repeatable({ idempotency, randomBytes }: RepeatableDeps): MiddlewareHandler<AppEnv> {
  return async function repeat(c, next) {
    const header = c.req.header('idempotency-key');
    if (header === undefined || c.req.method !== 'POST') return next();
    const { tenant, keyId = '' } = c.get('caller');
    const name = nameOf(header);
    const request: RepeatableRequest = { tenant, keyId, route: `POST ${new URL(c.req.url).pathname}`, name };
    const { seal, open } = createSeal({ callerSecret: c.get('callerSecret'), name, randomBytes });

    const claim = await idempotency.claim(request);
    if (claim.type === 'in_flight') throw inFlight();
    if (claim.type === 'answered') {
      if ((await hashWhole(c)) !== claim.bodyHash) throw reused();
      const { status, headers, body } = open(claim.answer);
      return new Response(body.length === 0 ? null : new Uint8Array(body), {
        status,
        headers: { ...headers, 'idempotency-replayed': 'true' },
      });
    }

    const hashed = hashRequest(c.req.raw);
    c.req.raw = hashed.request;
    const stopRenewing = renewing(c, () => idempotency.renew(request, claim.holder));
    try {
      await next();
    } finally {
      stopRenewing();
    }
    const bodyHash = await hashed.digest();
    const isOther = claim.bodyHash !== undefined && bodyHash !== undefined && claim.bodyHash !== bodyHash;
    try {
      if (isOther) await idempotency.keep(request, claim.holder, { bodyHash: claim.bodyHash });
      else if (bodyHash === undefined || mayChange(c)) await idempotency.release(request, claim.holder);
      else await idempotency.keep(request, claim.holder, { bodyHash, answer: await keptAnswer(c, seal) });
    } catch (error) {
      // the work is done, and its answer better than none; the lease ends by itself
      c.get('log').warn({ err: error }, 'an answer could not be kept for a repetition');
    }
    if (isOther) throw reused();
  };
}

/** Throws IDEMPOTENCY_KEY_INVALID. */
function nameOf(header: string): string {
  const text = header.length > 1 && header.startsWith('"') && header.endsWith('"') ? header.slice(1, -1) : header;
  if (NAME.test(text)) return text;
  throw new HttpProblem(
    'IDEMPOTENCY_KEY_INVALID',
    'An Idempotency-Key is 1 to 255 visible ASCII characters without spaces, such as a new UUID for each new request.',
  );
}

/** While the work goes on nobody else takes it over. */
function renewing(c: Context<AppEnv>, renew: () => Promise<boolean>): () => void {
  const timer = setInterval(() => {
    renew().catch((error: unknown) => c.get('log').warn({ err: error }, 'a lease could not be renewed'));
  }, LEASE_MS / 3);
  return () => clearInterval(timer);
}

async function hashWhole(c: Context<AppEnv>): Promise<string> {
  const hasher = createRequestHasher(c.req.raw);
  const options = { maxBytes: Number.MAX_SAFE_INTEGER, pace: PACE, signal: c.get('signal') };
  for await (const chunk of streamBody(c.req.raw, options)) hasher.update(chunk);
  return hasher.digest();
}

/** Whether the same request may be answered otherwise later. */
function mayChange(c: Context<AppEnv>): boolean {
  if (c.res.status >= 500 || [408, 425, 429].includes(c.res.status)) return true;
  if (c.error === undefined) return false;
  return toProblem(c.error, { path: c.req.path, requestId: c.get('requestId') }).problem.retryable;
}

/** Undefined for an answer that is too large, or holds an image. */
async function keptAnswer(
  c: Context<AppEnv>,
  seal: ReturnType<typeof createSeal>['seal'],
): Promise<Uint8Array | undefined> {
  const { status, headers } = c.res;
  if (NEVER_KEPT.test(headers.get('content-type') ?? '') || c.get('answerHoldsImage') === true) return undefined;
  const body = c.res.body === null ? new Uint8Array(0) : new Uint8Array(await c.res.clone().arrayBuffer());
  if (body.length > MAX_KEPT_BYTES) return undefined;
  const kept = KEPT_HEADERS.flatMap((header) => {
    const value = headers.get(header);
    return value === null ? [] : [[header, value] as const];
  });
  return seal({ status, headers: Object.fromEntries(kept), body });
}

function inFlight(): HttpProblem {
  return new HttpProblem(
    'IDEMPOTENCY_IN_FLIGHT',
    'The first request with this Idempotency-Key is not answered yet: ask again later, with the same body.',
    { headers: { 'retry-after': '1' } },
  );
}

function reused(): HttpProblem {
  return new HttpProblem(
    'IDEMPOTENCY_KEY_REUSED',
    'This Idempotency-Key came with another request before: repeat that one unchanged, or take a new key.',
  );
}
