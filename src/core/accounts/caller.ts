export const SCOPES = ['geolocate', 'embed', 'synthesize', 'jobs', 'webhooks', 'regions:read', 'admin'] as const;

/** What a key may do. `admin` includes every other scope. */
export type Scope = (typeof SCOPES)[number];

/** Who asks: everything that is stored belongs to a tenant, and no tenant learns of another's. */
export interface Caller {
  readonly tenant: string;
  /** Undefined for the caller of a service on loopback that needs no key. */
  readonly keyId: string | undefined;
  readonly scopes: ReadonlySet<Scope>;
  /** The only regions that may be asked for; undefined is all of them. */
  readonly regions: readonly string[] | undefined;
}

/** The tenant of callers without a key, where none is needed: whoever operates the service. */
export const LOCAL_TENANT = 'local';

/** Whether the caller may do what asks for the scope. */
export function hasScope({ scopes }: Pick<Caller, 'scopes'>, scope: Scope): boolean {
  return scopes.has(scope) || scopes.has('admin');
}

/** Whether the caller may manage the keys of every tenant, and not only those of its own. */
export function isOperator(caller: Pick<Caller, 'scopes' | 'tenant'>): boolean {
  return caller.tenant === LOCAL_TENANT && hasScope(caller, 'admin');
}
