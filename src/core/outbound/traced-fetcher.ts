import type { Tracer } from '../tracing/tracer.ts';
import type { PinnedFetcher } from './pinned-fetcher.ts';

/**
 * The same fetcher, with a span for each call that tells how it went and not where: the address is the caller's. The trace is not
 * handed on, because the other side is a stranger.
 */
export function traceFetcher(fetcher: PinnedFetcher, tracer: Tracer): PinnedFetcher {
  return {
    fetch: (request) =>
      tracer.span(
        `outbound ${request.method}`,
        async (span) => {
          const result = await fetcher.fetch(request);
          span.set({ 'geo2.outcome': result.type });
          if (result.type === 'answer') span.set({ 'http.response.status_code': result.status });
          return result;
        },
        { kind: 'client', attributes: { 'http.request.method': request.method } },
      ),
    refusalOf: (url, options) => fetcher.refusalOf(url, options),
  };
}
