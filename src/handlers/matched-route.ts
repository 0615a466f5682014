import type { Context } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { AppEnv } from './context.ts';

/** The pattern of the route that answered, such as `/v1/regions/:id`; `unmatched` where none did. */
export function matchedRoute(c: Context<AppEnv>): string {
  return matchedRoutes(c).findLast((matched) => matched.method !== 'ALL')?.path ?? 'unmatched';
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

/** The method, or `_OTHER` for one that HTTP does not know: what strangers make up must not become a label. */
export function knownMethod(c: Context<AppEnv>): string {
  return METHODS.has(c.req.method) ? c.req.method : '_OTHER';
}
