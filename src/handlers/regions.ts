import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { visibleRegions } from '../core/accounts/visible-regions.ts';
import { toBbox } from '../core/geo/bounds.ts';
import type { RegionFacts, RegionSource } from '../core/retrieval/region.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { HttpProblem } from './problems.ts';
import { BboxSchema, ModelNameSchema, problemResponses, REGION_ID } from './schemas.ts';

const SummarySchema = z
  .object({
    id: z.string(),
    version: z.string(),
    bbox: BboxSchema,
    tileCount: z.int(),
    metresPerTile: z.number(),
    headings: z.int().openapi({ description: 'Directions in which each tile is embedded; 1 means aligned only' }),
    licence: z.string(),
    attribution: z.string(),
    capturedAt: z.object({ start: z.string(), end: z.string() }).nullable(),
    createdAt: z.string(),
    model: ModelNameSchema,
    imagery: z.object({
      url: z.string().openapi({ description: 'A template with {z}, {x} and {y}' }),
      minZoom: z.int(),
      maxZoom: z.int(),
      type: z.string().openapi({ example: 'image/webp' }),
    }),
  })
  .openapi('Region');

const DetailSchema = SummarySchema.extend({
  collection: z.record(z.string(), z.unknown()).openapi({ description: 'The region’s STAC 1.1 Collection' }),
}).openapi('RegionDetail');

const RegionsSchema = z.object({ regions: z.array(SummarySchema) }).openapi('Regions');

const listRoute = createRoute({
  method: 'get',
  path: '/v1/regions',
  summary: 'The regions in use',
  tags: ['regions'],
  middleware: requireScope('regions:read'),
  responses: { 200: { description: 'By id', content: { 'application/json': { schema: RegionsSchema } } } },
});

const detailRoute = createRoute({
  method: 'get',
  path: '/v1/regions/{id}',
  summary: 'One region',
  tags: ['regions'],
  middleware: requireScope('regions:read'),
  request: { params: z.object({ id: z.string().openapi({ example: 'null-island-demo' }) }) },
  responses: {
    200: { description: 'The region', content: { 'application/json': { schema: DetailSchema } } },
    ...problemResponses('NOT_FOUND'),
  },
});

export const REGIONS_CACHE = 'public, max-age=60';

export function regionRoutes(app: OpenAPIHono<AppEnv>, { regions }: { regions: RegionSource }): void {
  app.openapi(listRoute, (c) => {
    c.header('cache-control', REGIONS_CACHE);
    const listed = [...visibleRegions(regions, c.get('caller')).list()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return c.json({ regions: listed.map(summaryOf) }, 200);
  });
  app.openapi(detailRoute, (c) => {
    const region = findRegion(visibleRegions(regions, c.get('caller')), c.req.param('id'));
    c.header('cache-control', REGIONS_CACHE);
    return c.json({ ...summaryOf(region), collection: { ...region.collection } }, 200);
  });
}

/** Throws NOT_FOUND, naming the regions that there are. */
export function findRegion(regions: RegionSource, id: string): RegionFacts {
  const listed = regions.list();
  const found = listed.find((region) => region.id === id);
  if (found !== undefined) return found;
  const known = listed.map((region) => region.id).sort();
  const asked = REGION_ID.test(id) ? `There is no region ${id}` : 'This is no region id';
  const hint = known.length === 0 ? 'no region is loaded' : `there are ${known.join(', ')}`;
  throw new HttpProblem('NOT_FOUND', `${asked}; ${hint}.`);
}

function summaryOf({ id, version, manifest, bounds }: RegionFacts): z.infer<typeof SummarySchema> {
  const { imagery } = manifest;
  return {
    id,
    version,
    bbox: toBbox(bounds),
    tileCount: manifest.tileCount,
    metresPerTile: manifest.metresPerTile,
    headings: manifest.headings,
    licence: manifest.licence,
    attribution: manifest.attribution,
    capturedAt: manifest.capturedAt,
    createdAt: manifest.createdAt,
    model: manifest.model,
    imagery: {
      url: `/v1/regions/${id}/imagery/{z}/{x}/{y}`,
      minZoom: imagery.minZoom,
      maxZoom: imagery.maxZoom,
      type: `image/${imagery.tileType}`,
    },
  };
}
