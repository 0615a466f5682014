import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Model } from '../core/inference/model.ts';
import type { RegionHealth } from '../core/regions/lineup.ts';
import type { AppEnv } from './context.ts';
import { HttpProblem } from './problems.ts';
import { problemResponses } from './schemas.ts';

const StateSchema = z.enum(['LOADING', 'READY', 'UNLOADING', 'UNAVAILABLE']);

const ModelReadySchema = z
  .object({
    name: z.string(),
    version: z.string(),
    ready: z.boolean(),
    state: StateSchema,
    makesViews: z.boolean().openapi({ description: 'Whether /v1/synthesize and previews are answered' }),
    reason: z.string().optional().openapi({ description: 'Why it is not READY' }),
  })
  .openapi('ModelReady');

const ReadySchema = z
  .object({
    ready: z.boolean(),
    reason: z.string().optional(),
    models: z.array(ModelReadySchema),
    regions: z.array(
      z.object({
        id: z.string(),
        status: StateSchema,
        version: z.string().optional(),
        reason: z.string().optional(),
        file: z.string().optional(),
      }),
    ),
    index: z.string().openapi({ description: 'What searches: faiss, or exact where FAISS is not built' }),
  })
  .openapi('Ready');

const json = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});

const liveRoute = createRoute({
  method: 'get',
  path: '/v2/health/live',
  summary: 'The process answers',
  tags: ['operation'],
  responses: { 200: json('Alive', z.object({ live: z.literal(true) })) },
});

const readyRoute = createRoute({
  method: 'get',
  path: '/v2/health/ready',
  summary: 'Requests can be served',
  description:
    'The model is warm and passed its golden check, and a region is loaded. A region that failed to load is listed with its reason, and so is one whose published version cannot be served: the one before is.',
  tags: ['operation'],
  responses: { 200: json('Ready', ReadySchema), 503: json('Not ready', ReadySchema) },
});

const modelRoute = createRoute({
  method: 'get',
  path: '/v2/models/{name}/ready',
  summary: 'The model can be used',
  tags: ['operation'],
  request: { params: z.object({ name: z.string().openapi({ example: 'geo2-mini' }) }) },
  responses: {
    200: json('Ready', ModelReadySchema),
    503: json('Not ready', ModelReadySchema),
    ...problemResponses('NOT_FOUND'),
  },
});

export interface HealthDeps {
  readonly model: Pick<Model, 'manifest' | 'state'>;
  readonly regionHealth: () => readonly RegionHealth[];
  /** Which vector index searches. */
  readonly index: string;
  /** Whether the process is on its way out. */
  readonly isDraining: () => boolean;
}

/** Open Inference Protocol, with the reasons beside the verdicts. */
export function healthRoutes(app: OpenAPIHono<AppEnv>, deps: HealthDeps): void {
  const { model, regionHealth, index, isDraining } = deps;
  const noStore = { 'cache-control': 'no-store' };

  app.openapi(liveRoute, (c) => c.json({ live: true } as const, 200, noStore));

  app.openapi(readyRoute, (c) => {
    const regions = regionHealth();
    const reason = whyNotReady();
    const body = {
      ready: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      models: [modelReady()],
      regions: regions.map((region) => ({ ...region })),
      index,
    };
    return body.ready ? c.json(body, 200, noStore) : c.json(body, 503, { ...noStore, 'retry-after': '1' });
  });

  app.openapi(modelRoute, (c) => {
    const { name } = model.manifest;
    if (c.req.param('name') !== name) throw new HttpProblem('NOT_FOUND', `The model served here is ${name}.`);
    const body = modelReady();
    return body.ready ? c.json(body, 200, noStore) : c.json(body, 503, { ...noStore, 'retry-after': '1' });
  });

  function modelReady(): z.infer<typeof ModelReadySchema> {
    const { status, reason } = model.state;
    const { name, version, latent } = model.manifest;
    const ready = status === 'READY';
    return {
      name,
      version,
      ready,
      state: status,
      makesViews: latent !== null,
      ...(reason === undefined ? {} : { reason }),
    };
  }

  function whyNotReady(): string | undefined {
    if (isDraining()) return 'the service is being stopped';
    const { status, reason } = model.state;
    if (status !== 'READY') return `the model is ${status}${reason === undefined ? '' : `: ${reason}`}`;
    const regions = regionHealth();
    if (regions.some((region) => region.status === 'READY')) return undefined;
    if (regions.some((region) => region.status === 'LOADING')) return 'regions are being loaded';
    return regions.length === 0 ? 'the store has no region' : 'no region could be loaded';
  }
}
