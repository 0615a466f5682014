import { isIP, type LookupFunction } from 'node:net';
import { Client, type Dispatcher } from 'undici';
import { canceled, throwIfCanceled } from '../errors.ts';
import { type OutboundUrl, parseOutboundUrl } from './outbound-url.ts';
import type { AddressPolicy } from './public-address.ts';

/** All addresses of a name, as the system resolves it. */
export type ResolveHost = (host: string) => Promise<readonly ResolvedAddress[]>;

export interface ResolvedAddress {
  readonly address: string;
  /** 4 or 6. */
  readonly family: number;
}

export interface PinnedFetcherOptions {
  readonly isAllowed: AddressPolicy;
  readonly resolveHost: ResolveHost;
}

export interface OutboundRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** From resolving the name to the last byte. */
  readonly timeoutMs: number;
  /** Bytes of the answer's body that are read; the rest is left. */
  readonly maxBytes: number;
  /** Makes the answer's head what counts: a body that has not come within this time, or breaks off, is cut there. */
  readonly bodyGraceMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What a call came to. Sentences are for the one who named the URL: they tell nothing of what the other side said. */
export type OutboundResult =
  | {
      readonly type: 'answer';
      readonly status: number;
      readonly headers: Readonly<Record<string, string | string[] | undefined>>;
      readonly body: Uint8Array;
      /** Whether there was more than was read. */
      readonly truncated: boolean;
    }
  /** Nothing was sent: the URL or an address of its host is not for us. */
  | { readonly type: 'refused'; readonly why: string }
  /** The name has no address. */
  | { readonly type: 'unresolved'; readonly why: string; readonly cause?: unknown }
  | { readonly type: 'timeout'; readonly why: string; readonly cause?: unknown }
  /** No connection, or one that broke. */
  | { readonly type: 'failed'; readonly why: string; readonly cause?: unknown };

/** The one way out to addresses that strangers name. */
export interface PinnedFetcher {
  /** Errors: CANCELED when the signal ends it. */
  fetch(request: OutboundRequest): Promise<OutboundResult>;
  /** Why nothing would be sent to a URL as its name resolves now; undefined where nothing speaks against it. */
  refusalOf(url: string, options: { timeoutMs: number }): Promise<string | undefined>;
}

const CONNECT_TIMEOUT_MS = 3_000;
const MAX_HEADER_BYTES = 16_384;

type Pinned = readonly [ResolvedAddress, ...ResolvedAddress[]];

/**
 * The host's addresses are resolved once a call, every one of them must be allowed, and the connection goes to one of those: a
 * name that answers differently a moment later changes nothing. Each call has a connection of its own, redirects are not
 * followed, and time and bytes are bounded.
 */
export function createPinnedFetcher({ isAllowed, resolveHost }: PinnedFetcherOptions): PinnedFetcher {
  /** The addresses to connect to, or why there are none. */
  async function addressesOf({ host }: OutboundUrl): Promise<Pinned | Exclude<OutboundResult, { type: 'answer' }>> {
    const family = isIP(host);
    if (family !== 0) {
      return isAllowed(host)
        ? [{ address: host, family }]
        : { type: 'refused', why: `${host} is not a public address` };
    }
    let found: readonly ResolvedAddress[];
    try {
      found = await resolveHost(host);
    } catch (cause) {
      return { type: 'unresolved', why: `${host} cannot be resolved`, cause };
    }
    const [first, ...rest] = found;
    if (first === undefined) return { type: 'unresolved', why: `${host} has no address` };
    if (found.every(({ address }) => isAllowed(address))) return [first, ...rest];
    return { type: 'refused', why: `${host} is not at a public address` };
  }

  return {
    async fetch(request) {
      const { signal, timeoutMs } = request;
      throwIfCanceled(signal);
      const url = parseOutboundUrl(request.url);
      if ('why' in url) return { type: 'refused', why: url.why };
      const time = startTimer(timeoutMs, signal);
      try {
        const addresses = await time.unlessOver(addressesOf(url));
        if ('type' in addresses) return addresses;
        return await send({ url, addresses, request, signal: time.signal });
      } catch (cause) {
        if (signal?.aborted === true) throw canceled(signal);
        if (time.signal.aborted) {
          return { type: 'timeout', why: `${url.host} did not answer within ${timeoutMs} ms`, cause };
        }
        return { type: 'failed', why: `${url.host} could not be reached${codeOf(cause)}`, cause };
      } finally {
        time.stop();
      }
    },

    async refusalOf(text, { timeoutMs }) {
      const url = parseOutboundUrl(text);
      if ('why' in url) return url.why;
      const time = startTimer(timeoutMs, undefined);
      try {
        const addresses = await time.unlessOver(addressesOf(url));
        return 'type' in addresses && addresses.type === 'refused' ? addresses.why : undefined;
      } catch {
        return undefined; // too slow to tell: it is checked again whenever something is sent
      } finally {
        time.stop();
      }
    },
  };
}

interface Sending {
  readonly url: OutboundUrl;
  readonly addresses: Pinned;
  readonly request: OutboundRequest;
  readonly signal: AbortSignal;
}

async function send({ url, addresses, request, signal }: Sending): Promise<OutboundResult> {
  const { method, headers, body, timeoutMs, maxBytes, bodyGraceMs } = request;
  const client = new Client(url.origin, {
    connect: { lookup: pinnedTo(addresses), timeout: CONNECT_TIMEOUT_MS },
    allowH2: false,
    pipelining: 0, // no keep-alive: the next call resolves and checks again
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    maxHeaderSize: MAX_HEADER_BYTES,
  });
  try {
    const response = await client.request({ path: url.path, method, headers, body: body ?? null, signal });
    const read = await readBounded(response, { maxBytes, graceMs: bodyGraceMs });
    return { type: 'answer', status: response.statusCode, headers: response.headers, ...read };
  } finally {
    await client.destroy().catch(() => {}); // it ends with what it was sending: that has been told already
  }
}

function pinnedTo(addresses: Pinned): LookupFunction {
  const [first] = addresses;
  return (_host, options, done) => {
    if (options.all === true) done(null, [...addresses]);
    else done(null, first.address, first.family);
  };
}

async function readBounded(
  { headers, body }: Dispatcher.ResponseData,
  { maxBytes, graceMs }: { maxBytes: number; graceMs: number | undefined },
): Promise<{ body: Uint8Array; truncated: boolean }> {
  body.on('error', () => {}); // leaving early ends the stream with an error that nobody waits for
  const grace = graceMs === undefined ? undefined : setTimeout(() => body.destroy(), graceMs);
  const chunks: Uint8Array[] = [];
  let room = maxBytes;
  let truncated = Number(headers['content-length'] ?? 0) > maxBytes;
  try {
    if (!truncated) {
      for await (const chunk of body) {
        if (!(chunk instanceof Uint8Array)) throw new TypeError('the body is not made of bytes');
        chunks.push(chunk.subarray(0, room));
        truncated = chunk.length > room;
        if (truncated) break;
        room -= chunk.length;
      }
    }
  } catch (error) {
    if (graceMs === undefined) throw error;
    truncated = true;
  } finally {
    clearTimeout(grace);
    body.destroy();
  }
  return { body: new Uint8Array(Buffer.concat(chunks)), truncated };
}

interface Timer {
  /** Ends with the caller's signal, or when the time is over. */
  readonly signal: AbortSignal;
  /** Rejects when the signal ends; for work that knows no signal. */
  unlessOver<T>(work: Promise<T>): Promise<T>;
  stop(): void;
}

function startTimer(timeoutMs: number, signal: AbortSignal | undefined): Timer {
  const controller = new AbortController();
  const over = Promise.withResolvers<never>();
  over.promise.catch(() => {});
  const end = (): void => {
    controller.abort();
    over.reject(new Error('the time is over'));
  };
  const timer = setTimeout(end, timeoutMs);
  signal?.addEventListener('abort', end, { once: true });
  return {
    signal: controller.signal,
    unlessOver: (work) => Promise.race([work, over.promise]),
    stop() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
    },
  };
}

/** What the system calls the failure (`ECONNREFUSED`, `CERT_HAS_EXPIRED`). */
function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[A-Z0-9_]{1,60}$/.test(code) ? ` (${code})` : '';
}
