import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { isId } from '../core/ids.ts';
import { MAX_URL_CHARACTERS } from '../core/outbound/outbound-url.ts';
import { DEFAULT_ROTATION_GRACE_S, type Endpoint, type Endpoints } from '../core/webhooks/endpoints.ts';
import { EVENT_TYPES } from '../core/webhooks/events.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import type { FormLimits } from './form.ts';
import { readJson } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { JSON_PROBLEMS, PLAIN_LINE, problemResponses } from './schemas.ts';

const EventTypeSchema = z.enum(EVENT_TYPES, { error: `must be one of ${EVENT_TYPES.join(', ')}` });

const NewWebhookSchema = z
  .strictObject(
    {
      url: z
        .string('must be a URL')
        .min(1, 'is empty')
        .max(MAX_URL_CHARACTERS, `may have ${MAX_URL_CHARACTERS} characters`)
        .openapi({
          format: 'uri',
          description: 'http or https, at a public address, without credentials; redirects are not followed',
        }),
      events: z
        .array(EventTypeSchema, 'must be a list of event types')
        .min(1, 'must name an event type')
        .max(EVENT_TYPES.length, 'names an event type twice'),
      name: z
        .string()
        .min(1, 'is empty')
        .max(100, 'may have 100 characters')
        .regex(PLAIN_LINE, 'must be one line of plain text')
        .refine((text) => text.isWellFormed(), 'must be one line of plain text')
        .optional()
        .openapi({ description: 'By which you tell it from others' }),
    },
    { error: 'must be a JSON object' },
  )
  .openapi('NewWebhook', {
    example: { url: 'https://example.org/hooks/geo2', events: ['job.succeeded', 'job.failed'] },
  });

const time = (description: string) => z.string().openapi({ format: 'date-time', description });

const WebhookSchema = z
  .object({
    id: z.string().openapi({ example: 'ep_abcdefghijklmnopqrstuvwxyz' }),
    url: z.string(),
    name: z.string().optional(),
    events: z.array(EventTypeSchema),
    status: z.enum(['enabled', 'disabled']),
    disabledReason: z
      .enum(['gone', 'failing'])
      .optional()
      .openapi({ description: 'gone: it answered 410; failing: no attempt succeeded for five days' }),
    failingSince: time('The first failed attempt since the last that succeeded').optional(),
    createdAt: time('When it was made'),
  })
  .openapi('Webhook');

const SecretSchema = z.string().openapi({
  description: 'What signatures are checked with: told now, and never again',
  example: 'whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDdPzT3b0Ci9Q=',
});

const CreatedWebhookSchema = WebhookSchema.extend({ secret: SecretSchema }).openapi('CreatedWebhook');
const WebhooksSchema = z.object({ webhooks: z.array(WebhookSchema) }).openapi('Webhooks');

const MAX_GRACE_S = 7 * 24 * 60 * 60;

const RotationSchema = z
  .strictObject(
    {
      graceS: z
        .int('must be a whole number of seconds')
        .min(0, `is from 0 to ${MAX_GRACE_S}`)
        .max(MAX_GRACE_S, `is from 0 to ${MAX_GRACE_S}`)
        .optional()
        .openapi({
          description: `How long the old secret goes on signing, too; ${DEFAULT_ROTATION_GRACE_S} unless stated`,
        }),
    },
    { error: 'must be a JSON object' },
  )
  .openapi('SecretRotation', { example: { graceS: 3600 } });

const RotatedSchema = z
  .object({
    id: z.string(),
    secret: SecretSchema,
    previousSecretValidUntil: time('Until then each attempt has two signatures'),
  })
  .openapi('RotatedSecret');

const EmptySchema = z.strictObject({}, { error: 'must be an empty JSON object, or no body' });

export const WebhookIdParamSchema = z.object({ id: z.string().openapi({ example: 'ep_abcdefghijklmnopqrstuvwxyz' }) });

const createWebhookRoute = createRoute({
  method: 'post',
  path: '/v1/webhooks',
  summary: 'Be told of events',
  description: 'The answer holds the secret that attempts are signed with. It is told once: keep it.',
  tags: ['webhooks'],
  request: { body: { required: true, content: { 'application/json': { schema: NewWebhookSchema } } } },
  responses: {
    201: { description: 'Made', content: { 'application/json': { schema: CreatedWebhookSchema } } },
    ...problemResponses(...JSON_PROBLEMS, 'WEBHOOK_URL_REFUSED', 'WEBHOOK_LIMIT'),
  },
});

const listWebhooksRoute = createRoute({
  method: 'get',
  path: '/v1/webhooks',
  summary: 'Your webhooks',
  tags: ['webhooks'],
  responses: {
    200: { description: 'Oldest first', content: { 'application/json': { schema: WebhooksSchema } } },
    ...problemResponses('DATABASE_FAILED'),
  },
});

const getWebhookRoute = createRoute({
  method: 'get',
  path: '/v1/webhooks/{id}',
  summary: 'One webhook',
  tags: ['webhooks'],
  request: { params: WebhookIdParamSchema },
  responses: {
    200: { description: 'The webhook, without its secret', content: { 'application/json': { schema: WebhookSchema } } },
    ...problemResponses('NOT_FOUND', 'DATABASE_FAILED'),
  },
});

const deleteWebhookRoute = createRoute({
  method: 'delete',
  path: '/v1/webhooks/{id}',
  summary: 'Be told no more',
  description: 'Its deliveries and their log go with it.',
  tags: ['webhooks'],
  request: { params: WebhookIdParamSchema },
  responses: { 204: { description: 'Deleted' }, ...problemResponses('NOT_FOUND', 'DATABASE_FAILED') },
});

const rotateSecretRoute = createRoute({
  method: 'post',
  path: '/v1/webhooks/{id}/rotate-secret',
  summary: 'Get a new secret',
  description:
    'The old one stays valid for a while: until then each attempt has two signatures, and verifies with either.',
  tags: ['webhooks'],
  request: {
    params: WebhookIdParamSchema,
    body: { required: false, content: { 'application/json': { schema: RotationSchema } } },
  },
  responses: {
    200: { description: 'The new secret', content: { 'application/json': { schema: RotatedSchema } } },
    ...problemResponses(...JSON_PROBLEMS, 'NOT_FOUND'),
  },
});

const enableWebhookRoute = createRoute({
  method: 'post',
  path: '/v1/webhooks/{id}/enable',
  summary: 'Send to a disabled webhook again',
  description: 'What failed meanwhile is not sent by itself: see recover.',
  tags: ['webhooks'],
  request: { params: WebhookIdParamSchema },
  responses: {
    200: { description: 'Enabled', content: { 'application/json': { schema: WebhookSchema } } },
    ...problemResponses(...JSON_PROBLEMS, 'NOT_FOUND'),
  },
});

export interface WebhookRoutesDeps {
  readonly endpoints: Endpoints;
  readonly limits: Pick<FormLimits, 'budget'>;
}

const NO_STORE = { 'cache-control': 'no-store' };

/** A tenant's webhooks; another tenant's do not exist. */
export function webhookRoutes(app: OpenAPIHono<AppEnv>, { endpoints, limits }: WebhookRoutesDeps): void {
  const routes = [createWebhookRoute, listWebhooksRoute, getWebhookRoute, deleteWebhookRoute, rotateSecretRoute];
  for (const route of [...routes, enableWebhookRoute]) app.openAPIRegistry.registerPath(route);
  const scope = requireScope('webhooks');

  app.post('/v1/webhooks', scope, async (c) => {
    const { tenant, regions } = c.get('caller');
    const asked = await readJson(c, NewWebhookSchema, limits);
    const { endpoint, secret } = await endpoints.create(tenant, { ...asked, regions });
    return c.json({ ...toWebhookBody(endpoint), secret }, 201, {
      ...NO_STORE,
      location: `/v1/webhooks/${endpoint.id}`,
    });
  });

  app.get('/v1/webhooks', scope, async (c) => {
    const listed = await endpoints.list(c.get('caller').tenant);
    return c.json({ webhooks: listed.map(toWebhookBody) }, 200, NO_STORE);
  });

  app.get('/v1/webhooks/:id', scope, async (c) => {
    const endpoint = await endpoints.find(c.get('caller').tenant, webhookIdOf(c.req.param('id')));
    return c.json(toWebhookBody(endpoint ?? noWebhook()), 200, NO_STORE);
  });

  app.delete('/v1/webhooks/:id', scope, async (c) => {
    const deleted = await endpoints.delete(c.get('caller').tenant, webhookIdOf(c.req.param('id')));
    return deleted ? c.body(null, 204) : noWebhook();
  });

  app.post('/v1/webhooks/:id/rotate-secret', scope, async (c) => {
    const id = webhookIdOf(c.req.param('id'));
    const { graceS = DEFAULT_ROTATION_GRACE_S } = await readJson(c, RotationSchema, limits);
    const { secret, previousValidUntil } =
      (await endpoints.rotateSecret(c.get('caller').tenant, id, { graceS })) ?? noWebhook();
    return c.json({ id, secret, previousSecretValidUntil: previousValidUntil.toISOString() }, 200, NO_STORE);
  });

  app.post('/v1/webhooks/:id/enable', scope, async (c) => {
    const id = webhookIdOf(c.req.param('id'));
    await readJson(c, EmptySchema, limits);
    const endpoint = await endpoints.enable(c.get('caller').tenant, id);
    return c.json(toWebhookBody(endpoint ?? noWebhook()), 200, NO_STORE);
  });
}

/** What cannot be an id names nothing: the database is not asked. Throws NOT_FOUND. */
export function webhookIdOf(text: string): string {
  return isId('ep', text) ? text : noWebhook();
}

export function noWebhook(): never {
  throw new HttpProblem('NOT_FOUND', 'There is no such webhook; GET /v1/webhooks lists yours.');
}

function toWebhookBody({ id, url, name, events, disabledReason, failingSince, createdAt }: Endpoint) {
  return {
    id,
    url,
    ...(name === undefined ? {} : { name }),
    events: [...events],
    status: disabledReason === undefined ? ('enabled' as const) : ('disabled' as const),
    ...(disabledReason === undefined ? {} : { disabledReason }),
    ...(failingSince === undefined ? {} : { failingSince: failingSince.toISOString() }),
    createdAt: createdAt.toISOString(),
  } satisfies z.infer<typeof WebhookSchema>;
}
