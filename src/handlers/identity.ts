import type { MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import { formatTraceparent, parseTraceparent } from '../core/tracing/trace-context.ts';
import { NO_TRACER, type Tracer } from '../core/tracing/tracer.ts';
import type { AppEnv } from './context.ts';
import { knownMethod, matchedRoute } from './matched-route.ts';

/** Probes and scrapes would be most of what is traced; one that is part of a trace is told all the same. */
const PROBE = /^\/(v2\/|metrics$)/;
const REQUEST_ID = /^[A-Za-z0-9_-]{1,128}$/;

export interface IdentityOptions {
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly newRequestId: () => string;
}

/**
 * Gives the request its id (the caller's, where it is proper) and its place in a W3C trace, both of which go back in the
 * answer's headers, into problems and into every log line. The whole request is one span.
 *
 * @example app.use(identity({ logger, tracer, newRequestId: randomUUID }))
 */
export function identity({ logger, tracer, newRequestId }: IdentityOptions): MiddlewareHandler<AppEnv> {
  return async function identify(c, next) {
    const asked = c.req.header('x-request-id');
    const requestId = asked !== undefined && REQUEST_ID.test(asked) ? asked : newRequestId();
    const method = knownMethod(c);
    const parent = parseTraceparent(c.req.header('traceparent'));
    const { span: inSpan } = parent === undefined && PROBE.test(c.req.path) ? NO_TRACER : tracer;
    await inSpan(
      method,
      async (span) => {
        const { context } = span;
        c.set('requestId', requestId);
        c.set('traceId', context?.traceId);
        c.set('log', logger.child({ requestId, ...(context === undefined ? {} : { traceId: context.traceId }) }));
        await next();
        const route = matchedRoute(c);
        const code = c.get('problemCode');
        span.rename(`${method} ${route}`);
        span.set({
          'http.route': route,
          'http.response.status_code': c.res.status,
          ...(code === undefined ? {} : { 'error.type': code }),
        });
        c.res.headers.set('x-request-id', requestId);
        if (context !== undefined) c.res.headers.set('traceparent', formatTraceparent(context));
      },
      {
        kind: 'server',
        parent,
        attributes: { 'http.request.method': method, 'geo2.request_id': requestId },
      },
    );
  };
}
