import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { isId } from '../core/ids.ts';
import { ATTEMPT_OUTCOMES } from '../core/webhooks/attempt.ts';
import { DELIVERY_STATUSES, type Deliveries, type Delivery, type Owner } from '../core/webhooks/deliveries.ts';
import type { Endpoints } from '../core/webhooks/endpoints.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import type { FormLimits } from './form.ts';
import { readJson } from './json-body.ts';
import { HttpProblem } from './problems.ts';
import { numberText, queryOf } from './query.ts';
import { JSON_PROBLEMS, problemResponses } from './schemas.ts';
import { parseInput } from './validate.ts';
import { noWebhook, WebhookIdParamSchema, webhookIdOf } from './webhooks.ts';

const DEFAULT_PAGE = 20;

const time = (description: string) => z.string().openapi({ format: 'date-time', description });

const DeliverySchema = z
  .object({
    id: z.string().openapi({ example: 'dlv_abcdefghijklmnopqrstuvwxyz' }),
    eventId: z
      .string()
      .openapi({ example: 'msg_abcdefghijklmnopqrstuvwxyz', description: 'webhook-id of its attempts' }),
    type: z.string().openapi({ example: 'job.succeeded' }),
    status: z.enum(DELIVERY_STATUSES).openapi({
      description: 'pending: attempts go on; failed: they do not, until it is resent or recovered',
    }),
    nextAttemptAt: time('While it is pending').optional(),
    createdAt: time('When it happened'),
    attempts: z
      .array(
        z.object({
          at: time('When it began'),
          durationMs: z.int(),
          outcome: z.enum(ATTEMPT_OUTCOMES),
          status: z.int().optional().openapi({ description: 'Of the answer, where there was one' }),
          error: z.string().optional().openapi({ description: 'Why it did not succeed' }),
        }),
      )
      .openapi({ description: 'The latest 20, in order' }),
  })
  .openapi('WebhookDelivery');

const DeliveriesSchema = z
  .object({
    deliveries: z.array(DeliverySchema),
    next: z.string().optional().openapi({ description: '`after` of the next page; missing on the last' }),
  })
  .openapi('WebhookDeliveries');

const PageQuerySchema = z.strictObject({
  limit: numberText(z.int('must be a whole number').min(1, 'is from 1 to 100').max(100, 'is from 1 to 100')).optional(),
  after: z.string().min(1, 'is empty').max(200, 'may have 200 characters').optional(),
  status: z.enum(DELIVERY_STATUSES, { error: `must be one of ${DELIVERY_STATUSES.join(', ')}` }).optional(),
});

const RecoverySchema = z
  .strictObject(
    {
      since: z.iso
        .datetime({ offset: true, error: 'must be a time such as 2027-01-31T00:00:00Z' })
        .openapi({ description: 'All that failed and happened since then is sent again' }),
    },
    { error: 'must be a JSON object' },
  )
  .openapi('WebhookRecovery', { example: { since: '2027-01-31T00:00:00Z' } });

const RecoveredSchema = z.object({ recovered: z.int() }).openapi('WebhookRecovered');
const EmptySchema = z.strictObject({}, { error: 'must be an empty JSON object, or no body' });

const DeliveryParamsSchema = WebhookIdParamSchema.extend({
  deliveryId: z.string().openapi({ example: 'dlv_abcdefghijklmnopqrstuvwxyz' }),
});

const delivery = { 'application/json': { schema: DeliverySchema } };

const testRoute = createRoute({
  method: 'post',
  path: '/v1/webhooks/{id}/test',
  summary: 'Send a test event',
  description: 'An event of the type webhook.test, to this webhook only, whatever it subscribed to.',
  tags: ['webhooks'],
  request: { params: WebhookIdParamSchema },
  responses: {
    202: { description: 'Its delivery', content: delivery },
    ...problemResponses(...JSON_PROBLEMS, 'NOT_FOUND', 'WEBHOOK_DISABLED'),
  },
});

const listRoute = createRoute({
  method: 'get',
  path: '/v1/webhooks/{id}/deliveries',
  summary: 'What was sent, and what became of it',
  tags: ['webhooks'],
  request: { params: WebhookIdParamSchema, query: PageQuerySchema },
  responses: {
    200: { description: 'Newest first', content: { 'application/json': { schema: DeliveriesSchema } } },
    ...problemResponses('INVALID_REQUEST', 'NOT_FOUND', 'DATABASE_FAILED'),
  },
});

const getRoute = createRoute({
  method: 'get',
  path: '/v1/webhooks/{id}/deliveries/{deliveryId}',
  summary: 'One delivery',
  tags: ['webhooks'],
  request: { params: DeliveryParamsSchema },
  responses: {
    200: { description: 'The delivery', content: delivery },
    ...problemResponses('NOT_FOUND', 'DATABASE_FAILED'),
  },
});

const resendRoute = createRoute({
  method: 'post',
  path: '/v1/webhooks/{id}/deliveries/{deliveryId}/resend',
  summary: 'Send a delivery again',
  description: 'Now, with the same webhook-id, whether it failed or succeeded; if it fails, the schedule begins anew.',
  tags: ['webhooks'],
  request: { params: DeliveryParamsSchema },
  responses: {
    202: { description: 'The delivery', content: delivery },
    ...problemResponses(...JSON_PROBLEMS, 'NOT_FOUND', 'WEBHOOK_DISABLED'),
  },
});

const recoverRoute = createRoute({
  method: 'post',
  path: '/v1/webhooks/{id}/recover',
  summary: 'Send all that failed since a time again',
  tags: ['webhooks'],
  request: {
    params: WebhookIdParamSchema,
    body: { required: true, content: { 'application/json': { schema: RecoverySchema } } },
  },
  responses: {
    202: { description: 'How many they are', content: { 'application/json': { schema: RecoveredSchema } } },
    ...problemResponses(...JSON_PROBLEMS, 'NOT_FOUND', 'WEBHOOK_DISABLED'),
  },
});

export interface WebhookDeliveryRoutesDeps {
  readonly endpoints: Pick<Endpoints, 'find'>;
  readonly deliveries: Deliveries;
  readonly limits: Pick<FormLimits, 'budget'>;
}

const NO_STORE = { 'cache-control': 'no-store' };

/** The log of a tenant's webhooks, and ways to send again. */
export function webhookDeliveryRoutes(app: OpenAPIHono<AppEnv>, deps: WebhookDeliveryRoutesDeps): void {
  const { endpoints, deliveries, limits } = deps;
  for (const route of [testRoute, listRoute, getRoute, resendRoute, recoverRoute])
    app.openAPIRegistry.registerPath(route);
  const scope = requireScope('webhooks');

  app.post('/v1/webhooks/:id/test', scope, async (c) => {
    const owner = ownerOf(c.get('caller').tenant, c.req.param('id'));
    await readJson(c, EmptySchema, limits);
    const sent = await deliveries.sendTest(owner);
    return c.json(toDeliveryBody(sent ?? noWebhook()), 202, NO_STORE);
  });

  app.get('/v1/webhooks/:id/deliveries', scope, async (c) => {
    const owner = ownerOf(c.get('caller').tenant, c.req.param('id'));
    const { limit = DEFAULT_PAGE, after, status } = parseInput(PageQuerySchema, queryOf(c.req.url));
    if ((await endpoints.find(owner.tenant, owner.endpointId)) === undefined) noWebhook();
    const page = await deliveries.list(owner, { limit, after, status });
    const body: z.infer<typeof DeliveriesSchema> = {
      deliveries: page.deliveries.map(toDeliveryBody),
      ...(page.next === undefined ? {} : { next: page.next }),
    };
    return c.json(body, 200, NO_STORE);
  });

  app.get('/v1/webhooks/:id/deliveries/:deliveryId', scope, async (c) => {
    const owner = ownerOf(c.get('caller').tenant, c.req.param('id'));
    const found = await deliveries.find(owner, deliveryIdOf(c.req.param('deliveryId')));
    return c.json(toDeliveryBody(found ?? noDelivery()), 200, NO_STORE);
  });

  app.post('/v1/webhooks/:id/deliveries/:deliveryId/resend', scope, async (c) => {
    const owner = ownerOf(c.get('caller').tenant, c.req.param('id'));
    const id = deliveryIdOf(c.req.param('deliveryId'));
    await readJson(c, EmptySchema, limits);
    const resent = await deliveries.resend(owner, id);
    return c.json(toDeliveryBody(resent ?? noDelivery()), 202, NO_STORE);
  });

  app.post('/v1/webhooks/:id/recover', scope, async (c) => {
    const owner = ownerOf(c.get('caller').tenant, c.req.param('id'));
    const { since } = await readJson(c, RecoverySchema, limits);
    const recovered = await deliveries.recover(owner, new Date(since));
    return c.json(recovered ?? noWebhook(), 202, NO_STORE);
  });
}

function ownerOf(tenant: string, id: string): Owner {
  return { tenant, endpointId: webhookIdOf(id) };
}

/** Throws NOT_FOUND for what cannot be an id. */
function deliveryIdOf(text: string): string {
  return isId('dlv', text) ? text : noDelivery();
}

function noDelivery(): never {
  throw new HttpProblem(
    'NOT_FOUND',
    'There is no such delivery of this webhook; GET …/deliveries lists those that there are.',
  );
}

function toDeliveryBody({ id, eventId, type, status, nextAttemptAt, createdAt, attempts }: Delivery) {
  return {
    id,
    eventId,
    type,
    status,
    ...(nextAttemptAt === undefined ? {} : { nextAttemptAt: nextAttemptAt.toISOString() }),
    createdAt: createdAt.toISOString(),
    attempts: attempts.map((attempt) => ({
      at: attempt.at.toISOString(),
      durationMs: attempt.durationMs,
      outcome: attempt.outcome,
      ...(attempt.status === undefined ? {} : { status: attempt.status }),
      ...(attempt.error === undefined ? {} : { error: attempt.error }),
    })),
  } satisfies z.infer<typeof DeliverySchema>;
}
