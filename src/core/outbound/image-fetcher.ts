import type { LookupFunction } from 'node:net';
import { Agent, type Dispatcher } from 'undici';
import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import type { AddressPolicy } from './public-address.ts';

/** All addresses of a name, as the system resolves it. */
export type ResolveHost = (host: string) => Promise<readonly { address: string; family: number }[]>;

export interface ImageFetcherOptions {
  readonly isAllowed: AddressPolicy;
  readonly resolveHost: ResolveHost;
  /** From the first packet to the last byte. */
  readonly timeoutMs: number;
}

/** Fetches images from addresses that strangers name. */
export interface ImageFetcher {
  /** Errors: IMAGE_URL_REFUSED, IMAGE_URL_FAILED, IMAGE_TOO_LARGE, CANCELED. */
  fetch(url: string, options: { maxBytes: number; signal: AbortSignal }): Promise<Uint8Array>;
  close(): Promise<void>;
}

const CONNECT_TIMEOUT_MS = 3_000;

/**
 * The host's addresses are resolved once, every one of them must be allowed, and the connection goes to one of those:
 * a name that answers differently a moment later changes nothing. Redirects are not followed, and nothing of what the other
 * side said (beyond its status) is told to the caller.
 */
export function createImageFetcher({ isAllowed, resolveHost, timeoutMs }: ImageFetcherOptions): ImageFetcher {
  const lookup: LookupFunction = (host, options, done) => {
    addressesOf(host).then(
      (found) => {
        const [first] = found;
        if (options.all === true) done(null, [...found]);
        else done(null, first?.address ?? '', first?.family ?? 4);
      },
      (error: unknown) => done(error instanceof Error ? error : new Error(String(error)), ''),
    );
  };
  const agent = new Agent({
    connect: { lookup, timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: 1,
    keepAliveMaxTimeout: 1,
    maxHeaderSize: 16_384,
  });

  async function addressesOf(host: string): Promise<readonly { address: string; family: number }[]> {
    const found = await resolveHost(host).catch((cause: unknown) => {
      throw failed(`${host} cannot be resolved`, { cause });
    });
    if (found.length === 0) throw failed(`${host} has no address`, {});
    if (!found.every(({ address }) => isAllowed(address))) throw refused(`${host} is not at a public address`);
    return found;
  }

  return {
    async fetch(text, { maxBytes, signal }) {
      throwIfCanceled(signal);
      const url = parseImageUrl(text);
      // an address in place of a name is connected to without any lookup
      const literal = literalAddress(url.hostname);
      if (literal !== undefined && !isAllowed(literal)) throw refused(`${url.hostname} is not a public address`);
      const limited = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      try {
        const response = await agent.request({
          origin: url.origin,
          path: `${url.pathname}${url.search}`,
          method: 'GET',
          headers: { accept: 'image/jpeg, image/png, image/webp', 'accept-encoding': 'identity', 'user-agent': 'geo2' },
          signal: limited,
        });
        return await readImage(response, url.hostname, maxBytes);
      } catch (error) {
        throw explain(error, { host: url.hostname, signal, timedOut: limited.aborted, timeoutMs });
      }
    },
    close: () => agent.close(),
  };
}

function parseImageUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) throw refused('it is no absolute URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refused('only http and https are fetched');
  if (url.username !== '' || url.password !== '') throw refused('it must not hold credentials');
  return url;
}

/** The address itself when the host is one: `URL` has turned every way to write it into the usual one. */
function literalAddress(hostname: string): string | undefined {
  if (hostname.startsWith('[')) return hostname.slice(1, -1);
  return /^\d+\.\d+\.\d+\.\d+$/.test(hostname) ? hostname : undefined;
}

async function readImage({ statusCode, headers, body }: Dispatcher.ResponseData, host: string, maxBytes: number) {
  try {
    if (statusCode >= 300 && statusCode < 400) throw failed(`${host} redirects, which is not followed`, { statusCode });
    if (statusCode !== 200) {
      throw failed(`${host} answered ${statusCode}`, {
        statusCode,
        retryable: statusCode === 429 || statusCode >= 500,
      });
    }
    if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    for await (const chunk of body) {
      if (!(chunk instanceof Uint8Array)) throw failed(`${host} sent no bytes`, {});
      sizeBytes += chunk.length;
      if (sizeBytes > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk);
    }
    return new Uint8Array(Buffer.concat(chunks));
  } finally {
    body.on('error', () => {}); // leaving early ends the stream with an error that nobody waits for
    body.destroy();
  }
}

function explain(
  error: unknown,
  context: { host: string; signal: AbortSignal; timedOut: boolean; timeoutMs: number },
): Geo2Error {
  const { host, signal, timedOut, timeoutMs } = context;
  if (signal.aborted) return canceled(signal);
  if (error instanceof Geo2Error) return error;
  if (timedOut) return failed(`${host} did not answer within ${timeoutMs} ms`, { retryable: true, cause: error });
  return failed(`${host} could not be reached`, { retryable: true, cause: error });
}

function refused(why: string): Geo2Error {
  return new Geo2Error('IMAGE_URL_REFUSED', `The image URL is not fetched: ${why}.`);
}

function failed(why: string, options: { statusCode?: number; retryable?: boolean; cause?: unknown }): Geo2Error {
  const { statusCode, retryable = false, cause } = options;
  return new Geo2Error('IMAGE_URL_FAILED', `The image could not be fetched: ${why}.`, {
    data: { retryable, ...(statusCode === undefined ? {} : { statusCode }) },
    ...(cause === undefined ? {} : { cause }),
  });
}

function tooLarge(maxBytes: number): Geo2Error {
  return new Geo2Error('IMAGE_TOO_LARGE', `The image at this URL has more than ${maxBytes} bytes.`, {
    data: { maxBytes },
  });
}
