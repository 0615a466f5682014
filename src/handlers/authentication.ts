import { createHash } from 'node:crypto';
import type { Context, MiddlewareHandler } from 'hono';
import { type Caller, hasScope, LOCAL_TENANT, SCOPES, type Scope } from '../core/accounts/caller.ts';
import type { Keys } from '../core/accounts/keys.ts';
import { isLoopbackHost } from '../core/accounts/loopback.ts';
import { Geo2Error } from '../core/errors.ts';
import type { AppEnv } from './context.ts';
import { HttpProblem } from './problems.ts';

export interface AuthenticationDeps {
  readonly keys: Pick<Keys, 'identify'>;
  /**
   * What a request without a key may do: nothing (`required`), everything when it comes from this machine (`local`), or only what
   * stores nothing (`open`, for a service that others can reach and whose operator does without keys).
   */
  readonly withoutKey: 'required' | 'local' | 'open';
}

/** What touches nothing that is stored: all that a stranger is ever given. */
const OPEN_SCOPES: readonly Scope[] = ['geolocate', 'embed', 'synthesize', 'regions:read'];

/**
 * Says who asks (`c.get('caller')`), from `Authorization: Bearer KEY` or `X-API-Key: KEY`. A key that is given and cannot be used
 * is refused even where none is needed.
 *
 * @example app.use('/v1/*', authentication({ keys, withoutKey: 'required' }))
 */
export function authentication({ keys, withoutKey }: AuthenticationDeps): MiddlewareHandler<AppEnv> {
  return async function authenticate(c, next) {
    const text = keyOf(c);
    if (text === undefined) {
      if (withoutKey === 'required') throw keyRequired();
      c.set('caller', callerWithoutKey(withoutKey === 'local' && comesFromHere(c)));
      c.set('keyLimits', {});
      c.set('callerSecret', new Uint8Array(0));
    } else {
      const { caller, ...limits } = await keys.identify(text);
      c.set('caller', caller);
      c.set('keyLimits', limits);
      c.set('callerSecret', createHash('sha256').update(`geo2 caller ${text}`).digest());
      c.set('log', c.get('log').child({ tenant: caller.tenant, keyId: caller.keyId }));
    }
    await next();
    // what one key may see is not for a cache that others ask, too
    c.header('vary', 'authorization, x-api-key', { append: true });
    const cache = c.res.headers.get('cache-control');
    if (text !== undefined && cache !== null) c.header('cache-control', cache.replace(/\bpublic\b/, 'private'));
  };
}

/**
 * Lets a request through only when its key has the scope. Every route of /v1 has one.
 *
 * @example app.post('/v1/geolocate', requireScope('geolocate'), handler)
 */
export function requireScope(scope: Scope): MiddlewareHandler<AppEnv> {
  return async function checkScope(c, next) {
    assertScope(c.get('caller'), scope);
    await next();
  };
}

/** Throws SCOPE_REQUIRED, and KEY_REQUIRED for a caller without a key. */
export function assertScope(caller: Caller, scope: Scope): void {
  if (hasScope(caller, scope)) return;
  throw caller.keyId === undefined ? keyRequired() : scopeRequired(scope);
}

/** The one key that a request gives. Throws KEY_INVALID. */
function keyOf(c: Context<AppEnv>): string | undefined {
  const bearer = bearerOf(c.req.header('authorization'));
  const plain = c.req.header('x-api-key')?.trim();
  if (bearer !== undefined && plain !== undefined && bearer !== plain) {
    throw invalid('Authorization and X-API-Key hold different keys: send one of them.');
  }
  const text = bearer ?? plain;
  if (text === '') throw invalid('The key is empty: leave the header out, or send Authorization: Bearer KEY.');
  return text;
}

function bearerOf(header: string | undefined): string | undefined {
  if (header === undefined) return undefined;
  const [scheme = '', ...rest] = header.slice(0, MAX_HEADER).trim().split(/\s+/);
  if (scheme.toLowerCase() === 'bearer' && rest.length <= 1 && header.length <= MAX_HEADER) return rest[0] ?? '';
  throw invalid('The Authorization header cannot be read: write Authorization: Bearer KEY.');
}

/** Far more than a key has. */
const MAX_HEADER = 512;

function invalid(message: string): Geo2Error {
  return new Geo2Error('KEY_INVALID', message);
}

function keyRequired(): HttpProblem {
  return new HttpProblem(
    'KEY_REQUIRED',
    'This needs a key: send Authorization: Bearer KEY, or X-API-Key: KEY. Who runs the service makes one with geo2 keys create.',
  );
}

function scopeRequired(scope: Scope): HttpProblem {
  return new HttpProblem('SCOPE_REQUIRED', `The key lacks the scope ${scope}: use one that has it.`, {
    headers: { 'www-authenticate': `Bearer realm="geo2", error="insufficient_scope", scope="${scope}"` },
    data: { scope },
  });
}

function callerWithoutKey(isLocal: boolean): Caller {
  return {
    tenant: LOCAL_TENANT,
    keyId: undefined,
    scopes: new Set(isLocal ? SCOPES : OPEN_SCOPES),
    regions: undefined,
  };
}

/**
 * Whether a request to a service on loopback comes from this machine's own programs and pages. A page of another origin that a
 * browser shows here (also one whose name was bound to 127.0.0.1), and whatever a proxy sends on, are strangers.
 */
function comesFromHere(c: Context<AppEnv>): boolean {
  if (c.req.header('forwarded') !== undefined || c.req.header('x-forwarded-for') !== undefined) return false;
  const origin = c.req.header('origin');
  return isLoopbackHost(hostOf(c.req.url)) && (origin === undefined || isLoopbackHost(hostOf(origin)));
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname : '';
}
