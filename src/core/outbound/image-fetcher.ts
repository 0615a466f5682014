import { Geo2Error } from '../errors.ts';
import type { OutboundResult, PinnedFetcher } from './pinned-fetcher.ts';

/** Fetches images from addresses that strangers name. */
export interface ImageFetcher {
  /** Errors: IMAGE_URL_REFUSED, IMAGE_URL_FAILED, IMAGE_TOO_LARGE, CANCELED. */
  fetch(url: string, options: { maxBytes: number; signal: AbortSignal }): Promise<Uint8Array>;
}

export interface ImageFetcherOptions {
  readonly fetcher: PinnedFetcher;
  /** From resolving the name to the last byte. */
  readonly timeoutMs: number;
}

const HEADERS = { accept: 'image/jpeg, image/png, image/webp', 'accept-encoding': 'identity', 'user-agent': 'geo2' };

/** Only 200 is an image, and it must be whole. */
export function createImageFetcher({ fetcher, timeoutMs }: ImageFetcherOptions): ImageFetcher {
  return {
    async fetch(url, { maxBytes, signal }) {
      const result = await fetcher.fetch({ url, method: 'GET', headers: HEADERS, timeoutMs, maxBytes, signal });
      if (result.type !== 'answer') throw refusedOrFailed(result);
      const { status, body, truncated } = result;
      if (status >= 300 && status < 400) throw failed('it redirects, which is not followed', { statusCode: status });
      if (status !== 200) {
        throw failed(`it was answered with ${status}`, {
          statusCode: status,
          retryable: status === 429 || status >= 500,
        });
      }
      if (truncated) {
        throw new Geo2Error('IMAGE_TOO_LARGE', `The image at this URL has more than ${maxBytes} bytes.`, {
          data: { maxBytes },
        });
      }
      return body;
    },
  };
}

function refusedOrFailed(result: Exclude<OutboundResult, { type: 'answer' }>): Geo2Error {
  if (result.type === 'refused') {
    return new Geo2Error('IMAGE_URL_REFUSED', `The image URL is not fetched: ${result.why}.`);
  }
  return failed(result.why, { retryable: result.type !== 'unresolved', cause: result.cause });
}

function failed(why: string, options: { statusCode?: number; retryable?: boolean; cause?: unknown }): Geo2Error {
  const { statusCode, retryable = false, cause } = options;
  return new Geo2Error('IMAGE_URL_FAILED', `The image could not be fetched: ${why}.`, {
    data: { retryable, ...(statusCode === undefined ? {} : { statusCode }) },
    ...(cause === undefined ? {} : { cause }),
  });
}
