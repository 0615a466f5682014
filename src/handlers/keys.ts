import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { type Caller, isOperator, LOCAL_TENANT, SCOPES, type Scope } from '../core/accounts/caller.ts';
import type { ApiKey, Keys } from '../core/accounts/keys.ts';
import { requireScope } from './authentication.ts';
import type { BodyBudget } from './body.ts';
import type { AppEnv } from './context.ts';
import { readJson } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { queryOf } from './query.ts';
import { PLAIN_LINE, problemResponses, RegionIdSchema } from './schemas.ts';
import { invalidInput, parseInput } from './validate.ts';

export const TenantSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be 1 to 63 lower-case letters, digits and -, the first of them no -')
  .openapi({ example: 'acme', description: 'Whose key it is; what is stored belongs to a tenant' });

export const KeyNameSchema = z
  .string()
  .min(1, 'is empty')
  .max(100, 'may have 100 characters')
  .regex(PLAIN_LINE, 'must be one line of plain text')
  .refine((text) => text.isWellFormed(), 'must be one line of plain text')
  .openapi({ example: 'mobile backend', description: 'By which you tell it from others' });

export const ScopesSchema = z
  .array(z.enum(SCOPES, { error: `must be one of ${SCOPES.join(', ')}` }))
  .min(1, 'must name a scope')
  .max(SCOPES.length, 'names a scope twice')
  .openapi({ description: 'What the key may do; admin includes all others' });

export const AllowedRegionsSchema = z
  .array(RegionIdSchema)
  .min(1, 'must name a region; leave it out to allow all')
  .max(100, 'may name 100 regions')
  .openapi({ description: 'The only regions that the key may ask for' });

export const RateSchema = z
  .strictObject({
    requests: z.int('must be a whole number').min(1, 'is from 1 to 1000000').max(1_000_000, 'is from 1 to 1000000'),
    windowS: z.int('must be a whole number').min(1, 'is from 1 to 86400').max(86_400, 'is from 1 to 86400'),
  })
  .openapi('Rate', { description: 'Requests in a window of so many seconds' });

export const MaxConcurrentSchema = z
  .int('must be a whole number')
  .min(1, 'is from 1 to 10000')
  .max(10_000, 'is from 1 to 10000')
  .openapi({ description: 'Requests in flight at one time' });

/** What a key may do unless it is said: everything but managing keys. */
export const DEFAULT_SCOPES: readonly Scope[] = SCOPES.filter((scope) => scope !== 'admin');

const NewKeySchema = z
  .strictObject(
    {
      name: KeyNameSchema,
      tenant: TenantSchema.optional(),
      scopes: ScopesSchema.optional(),
      regions: AllowedRegionsSchema.optional(),
      expiresAt: z.iso
        .datetime({ offset: true, error: 'must be a time such as 2027-01-31T00:00:00Z' })
        .optional()
        .openapi({ description: 'From then on the key is refused; never unless stated' }),
      rate: RateSchema.optional(),
      maxConcurrent: MaxConcurrentSchema.optional(),
    },
    { error: 'must be a JSON object' },
  )
  .openapi('NewKey', {
    description:
      'Unless stated: the caller’s tenant, every scope but admin, the caller’s regions, the service’s own limits. Limits of its own, and another tenant, only the operator may give.',
    example: { name: 'mobile backend', scopes: ['geolocate', 'jobs'] },
  });

const time = (description: string) => z.string().openapi({ format: 'date-time', description });

export const KeySchema = z
  .object({
    id: z.string().openapi({ example: 'key_abcdefghijklmnopqrstuvwxyz' }),
    tenant: z.string(),
    name: z.string(),
    hint: z.string().openapi({ description: 'How the key begins', example: 'geo2_ab12…' }),
    scopes: z.array(z.enum(SCOPES)),
    regions: z.array(z.string()).optional(),
    rate: RateSchema.optional(),
    maxConcurrent: z.int().optional(),
    createdAt: time('When it was made'),
    expiresAt: time('From when it is refused').optional(),
    revokedAt: time('When it was revoked').optional(),
    lastUsedAt: time('When it was used last, to about ten minutes').optional(),
  })
  .openapi('Key');

export const CreatedKeySchema = KeySchema.extend({
  key: z.string().openapi({ description: 'The key’s text: told now, and never again' }),
}).openapi('CreatedKey');

export const KeysSchema = z.object({ keys: z.array(KeySchema) }).openapi('Keys');

export type KeyBody = z.infer<typeof KeySchema>;
export type CreatedKeyBody = z.infer<typeof CreatedKeySchema>;
export type NewKeyBody = z.infer<typeof NewKeySchema>;

const IdParamSchema = z.object({ id: z.string().openapi({ example: 'key_abcdefghijklmnopqrstuvwxyz' }) });
const ListQuerySchema = z.strictObject({ tenant: TenantSchema.optional() });

const createKeyRoute = createRoute({
  method: 'post',
  path: '/v1/keys',
  summary: 'Make a key',
  description: 'The answer holds the key’s text, which is not stored: keep it.',
  tags: ['keys'],
  request: { body: { required: true, content: { 'application/json': { schema: NewKeySchema } } } },
  responses: {
    201: { description: 'Made', content: { 'application/json': { schema: CreatedKeySchema } } },
    ...problemResponses('INVALID_REQUEST', 'MALFORMED_BODY', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'OVERLOADED'),
  },
});

const listKeysRoute = createRoute({
  method: 'get',
  path: '/v1/keys',
  summary: 'The keys of your tenant',
  description:
    'Newest first, at most 1,000. The operator is shown those of every tenant, or of the one that is asked for.',
  tags: ['keys'],
  request: { query: ListQuerySchema },
  responses: {
    200: { description: 'Keys, without their texts', content: { 'application/json': { schema: KeysSchema } } },
    ...problemResponses('INVALID_REQUEST'),
  },
});

const getKeyRoute = createRoute({
  method: 'get',
  path: '/v1/keys/{id}',
  summary: 'One key',
  tags: ['keys'],
  request: { params: IdParamSchema },
  responses: {
    200: { description: 'The key, without its text', content: { 'application/json': { schema: KeySchema } } },
    ...problemResponses('NOT_FOUND'),
  },
});

const revokeKeyRoute = createRoute({
  method: 'delete',
  path: '/v1/keys/{id}',
  summary: 'Revoke a key',
  description: 'It is refused from now on, and stays in the list. To revoke a key again changes nothing.',
  tags: ['keys'],
  request: { params: IdParamSchema },
  responses: {
    200: { description: 'Revoked', content: { 'application/json': { schema: KeySchema } } },
    ...problemResponses('NOT_FOUND'),
  },
});

export interface KeyRoutesDeps {
  readonly keys: Keys;
  readonly limits: { readonly budget: BodyBudget };
  readonly now: () => Date;
}

const NO_STORE = { 'cache-control': 'no-store' };

/** An admin manages the keys of its tenant; the operator, those of all. */
export function keyRoutes(app: OpenAPIHono<AppEnv>, { keys, limits, now }: KeyRoutesDeps): void {
  for (const route of [createKeyRoute, listKeysRoute, getKeyRoute, revokeKeyRoute]) {
    app.openAPIRegistry.registerPath(route);
  }
  const admin = requireScope('admin');

  app.post('/v1/keys', admin, async (c) => {
    const caller = c.get('caller');
    const asked = await readJson(c, NewKeySchema, limits);
    const expiresAt = asked.expiresAt === undefined ? undefined : new Date(asked.expiresAt);
    if (expiresAt !== undefined && expiresAt <= now()) {
      throw invalidInput([{ detail: 'has passed already', pointer: '#/expiresAt' }]);
    }
    refuseMore(caller, asked);
    const { key, text } = await keys.create({
      ...asked,
      tenant: asked.tenant ?? caller.tenant,
      scopes: asked.scopes ?? DEFAULT_SCOPES,
      regions: asked.regions ?? caller.regions,
      expiresAt,
    });
    return c.json({ ...toKeyBody(key), key: text }, 201, { ...NO_STORE, location: `/v1/keys/${key.id}` });
  });

  app.get('/v1/keys', admin, async (c) => {
    const caller = c.get('caller');
    const { tenant } = parseInput(ListQuerySchema, queryOf(c.req.url));
    const listed = isOperator(caller) ? await keys.list(tenant) : await keys.list(caller.tenant);
    const shown = tenant === undefined ? listed : listed.filter((key) => key.tenant === tenant);
    return c.json({ keys: shown.map(toKeyBody) }, 200, NO_STORE);
  });

  app.get('/v1/keys/:id', admin, async (c) => {
    return c.json(toKeyBody(found(await keys.find(c.req.param('id'), reachOf(c.get('caller'))))), 200, NO_STORE);
  });

  app.delete('/v1/keys/:id', admin, async (c) => {
    return c.json(toKeyBody(found(await keys.revoke(c.req.param('id'), reachOf(c.get('caller'))))), 200, NO_STORE);
  });
}

/** The tenant whose keys the caller manages; undefined is all. */
function reachOf(caller: Caller): string | undefined {
  return isOperator(caller) ? undefined : caller.tenant;
}

function found(key: ApiKey | undefined): ApiKey {
  if (key !== undefined) return key;
  throw new HttpProblem('NOT_FOUND', 'There is no such key; GET /v1/keys lists those that there are.');
}

/** Nobody makes a key that may do more than their own. Throws INVALID_REQUEST. */
function refuseMore(caller: Caller, asked: NewKeyBody): void {
  if (isOperator(caller) && caller.regions === undefined) return;
  const errors: { detail: string; pointer: string }[] = [];
  const own = new Set(caller.regions ?? asked.regions);
  if (asked.regions?.some((id) => !own.has(id))) {
    errors.push({ detail: `may name only ${[...own].join(', ')}: your key has no others`, pointer: '#/regions' });
  }
  if (!isOperator(caller)) {
    if (asked.tenant !== undefined && asked.tenant !== caller.tenant) {
      errors.push({ detail: `must be ${caller.tenant}: yours`, pointer: '#/tenant' });
    }
    for (const name of ['rate', 'maxConcurrent'] as const) {
      if (asked[name] !== undefined) {
        errors.push({
          detail: `is for the operator to give (an admin of the tenant ${LOCAL_TENANT})`,
          pointer: `#/${name}`,
        });
      }
    }
  }
  if (errors.length > 0) throw invalidInput(errors);
}

/** A key as the API and the command line show it. */
export function toKeyBody(key: ApiKey): KeyBody {
  const { id, tenant, name, hint, scopes, regions, rate, maxConcurrent } = key;
  const { createdAt, expiresAt, revokedAt, lastUsedAt } = key;
  return {
    id,
    tenant,
    name,
    hint,
    scopes: [...scopes],
    ...(regions === undefined ? {} : { regions: [...regions] }),
    ...(rate === undefined ? {} : { rate }),
    ...(maxConcurrent === undefined ? {} : { maxConcurrent }),
    createdAt: createdAt.toISOString(),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
    ...(revokedAt === undefined ? {} : { revokedAt: revokedAt.toISOString() }),
    ...(lastUsedAt === undefined ? {} : { lastUsedAt: lastUsedAt.toISOString() }),
  };
}
