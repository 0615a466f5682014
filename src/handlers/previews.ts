import { createHash } from 'node:crypto';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { Geo2Error } from '../core/errors.ts';
import { MAX_LOOK_FOV_DEG, MIN_LOOK_FOV_DEG } from '../core/image/look.ts';
import type { PreviewName, Previews } from '../core/previews.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { holds } from './etag.ts';
import { HttpProblem } from './problems.ts';
import { numberText, queryOf } from './query.ts';
import { HeadingSchema, LatSchema, LonSchema, problemResponses } from './schemas.ts';
import { parseInput } from './validate.ts';

const LookFovSchema = z
  .number({ error: 'must be degrees' })
  .min(MIN_LOOK_FOV_DEG, `is from ${MIN_LOOK_FOV_DEG} to ${MAX_LOOK_FOV_DEG} degrees`)
  .max(MAX_LOOK_FOV_DEG, `is from ${MIN_LOOK_FOV_DEG} to ${MAX_LOOK_FOV_DEG} degrees`);

const QuerySchema = z.strictObject({
  lon: numberText(LonSchema),
  lat: numberText(LatSchema),
  heading: numberText(HeadingSchema).optional(),
  fov: numberText(LookFovSchema).optional(),
});

const DEFAULT_HEADING_DEG = 0;
const DEFAULT_FOV_DEG = 90;

/** Where a preview is depends on what is published. */
const REDIRECT_CACHE = 'public, max-age=60';
/** What its address names never changes. */
const CACHE = 'public, max-age=31536000, immutable';

const binary = { schema: z.string().openapi({ type: 'string', format: 'binary' }) };
const PROBLEMS = problemResponses(
  'INVALID_REQUEST',
  'NOT_FOUND',
  'NO_SYNTHESIS',
  'OVERLOADED',
  'INFERENCE_CRASHED',
  'INFERENCE_FAILED',
  'MODEL_UNAVAILABLE',
  'DEADLINE_EXCEEDED',
);

const find = createRoute({
  method: 'get',
  path: '/v1/previews/ground',
  summary: 'The street as it may look at a covered place',
  description:
    'Redirects to an address that holds everything the picture depends on, and may be kept for ever. Places are rounded to 0.00001 degrees, heading and field of view to whole degrees.',
  tags: ['previews'],
  request: { query: QuerySchema },
  responses: {
    307: {
      description: 'Where the picture is',
      headers: { Location: { description: 'Of the picture', schema: { type: 'string' as const } } },
    },
    ...PROBLEMS,
  },
});

const get = createRoute({
  method: 'get',
  path: '/v1/previews/ground/{model}/{region}/{view}',
  summary: 'A street preview that never changes',
  description: 'Its address comes from `/v1/previews/ground`. The picture is marked as synthetic (XMP).',
  tags: ['previews'],
  request: {
    params: z.object({
      model: z.string().openapi({ example: 'geo2-mini@1.0.0' }),
      region: z.string().openapi({ example: 'null-island-demo@seed-77' }),
      view: z.string().openapi({ example: '0.00100,0.00200,90,90', description: 'lon,lat,heading,fov' }),
    }),
  },
  responses: {
    200: {
      description: 'The picture',
      headers: { ETag: { description: 'Of its bytes', schema: { type: 'string' as const } } },
      content: { 'image/webp': binary },
    },
    304: { description: 'Unchanged' },
    ...PROBLEMS,
  },
});

export function previewRoutes(app: OpenAPIHono<AppEnv>, { previews }: { readonly previews: Previews }): void {
  for (const route of [find, get]) app.openAPIRegistry.registerPath(route);

  app.get('/v1/previews/ground', requireScope('synthesize'), async (c) => {
    const { lon, lat, heading, fov } = parseInput(QuerySchema, queryOf(c.req.url));
    const query = {
      location: [lon, lat],
      headingDeg: heading ?? DEFAULT_HEADING_DEG,
      fovDeg: fov ?? DEFAULT_FOV_DEG,
    } as const;
    const { model, region, view } = await covered(() =>
      previews.nameOf(query, c.get('caller'), { signal: c.get('signal') }),
    );
    c.header('cache-control', REDIRECT_CACHE);
    return c.redirect(`/v1/previews/ground/${model}/${region}/${view}`, 307);
  });

  app.get('/v1/previews/ground/:model/:region/:view', requireScope('synthesize'), async (c) => {
    const name: PreviewName = c.req.param();
    const bytes = await covered(() => previews.get(name, c.get('caller'), { signal: c.get('signal') }));
    if (bytes === undefined) {
      throw new HttpProblem(
        'NOT_FOUND',
        'There is no such preview any more; /v1/previews/ground says where it is now.',
      );
    }
    const etag = `"${createHash('sha256').update(bytes).digest('base64url')}"`;
    c.header('cache-control', CACHE);
    if (holds(c.req.header('if-none-match'), etag)) return c.body(null, 304, { etag });
    return c.body(new Uint8Array(bytes), 200, { etag, 'content-type': 'image/webp' });
  });
}

/** What no region covers is not there. */
async function covered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Geo2Error && error.code === 'OUT_OF_COVERAGE') {
      throw new HttpProblem('NOT_FOUND', error.message, { cause: error });
    }
    throw error;
  }
}
