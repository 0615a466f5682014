import type { MiddlewareHandler } from 'hono';
import type { Logger } from 'pino';
import type { AppEnv } from './context.ts';

const REQUEST_ID = /^[A-Za-z0-9_-]{1,128}$/;
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

export interface IdentityOptions {
  readonly logger: Logger;
  readonly newRequestId: () => string;
  /** 16 hexadecimal digits, not all zero. */
  readonly newSpanId: () => string;
}

/**
 * Gives the request its id (the caller's, where it is proper) and its place in a W3C trace, both of which go back in the
 * answer's headers and into every log line.
 *
 * @example app.use(identity({ logger, newRequestId: randomUUID, newSpanId: () => randomBytes(8).toString('hex') }))
 */
export function identity({ logger, newRequestId, newSpanId }: IdentityOptions): MiddlewareHandler<AppEnv> {
  return async function identify(c, next) {
    const asked = c.req.header('x-request-id');
    const requestId = asked !== undefined && REQUEST_ID.test(asked) ? asked : newRequestId();
    const parent = parseTraceparent(c.req.header('traceparent'));
    c.set('requestId', requestId);
    c.set('log', logger.child({ requestId, ...(parent === undefined ? {} : { traceId: parent.traceId }) }));
    await next();
    c.res.headers.set('x-request-id', requestId);
    if (parent !== undefined) {
      c.res.headers.set('traceparent', `00-${parent.traceId}-${newSpanId()}-${parent.flags}`);
    }
  };
}

function parseTraceparent(header: string | undefined): { traceId: string; flags: string } | undefined {
  const match = header === undefined ? null : TRACEPARENT.exec(header);
  if (match === null) return undefined;
  const [, version, traceId = '', parentId = '', flags = '', rest] = match;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return undefined;
  return { traceId, flags };
}
