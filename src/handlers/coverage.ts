import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { visibleRegions } from '../core/accounts/visible-regions.ts';
import { toBbox, toPolygon } from '../core/geo/bounds.ts';
import type { RegionFacts, RegionSource } from '../core/retrieval/region.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { REGIONS_CACHE } from './regions.ts';
import { BboxSchema } from './schemas.ts';

const FeatureSchema = z.object({
  type: z.literal('Feature'),
  id: z.string(),
  bbox: BboxSchema,
  geometry: z.object({ type: z.literal('MultiPolygon'), coordinates: z.array(z.unknown()) }),
  properties: z.object({
    id: z.string(),
    version: z.string(),
    tileCount: z.int(),
    metresPerTile: z.number(),
    attribution: z.string(),
  }),
});

const CoverageSchema = z
  .object({ type: z.literal('FeatureCollection'), features: z.array(FeatureSchema) })
  .openapi('Coverage', { description: 'GeoJSON: one feature a region, the ground that its tiles cover' });

const route = createRoute({
  method: 'get',
  path: '/v1/coverage',
  summary: 'Where photos can be located',
  tags: ['regions'],
  responses: { 200: { description: 'GeoJSON', content: { 'application/geo+json': { schema: CoverageSchema } } } },
});

/** A version never changes: what it covers is put into words once. */
export function coverageRoute(app: OpenAPIHono<AppEnv>, { regions }: { regions: RegionSource }): void {
  const known = new WeakMap<RegionFacts, z.infer<typeof FeatureSchema>>();
  app.openAPIRegistry.registerPath(route);
  app.get(route.path, requireScope('regions:read'), (c) => {
    const features = visibleRegions(regions, c.get('caller'))
      .list()
      .map((region) => {
        const feature = known.get(region) ?? featureOf(region, regions.coverage(region));
        known.set(region, feature);
        return feature;
      });
    return c.body(JSON.stringify({ type: 'FeatureCollection', features }), 200, {
      'content-type': 'application/geo+json',
      'cache-control': REGIONS_CACHE,
    });
  });
}

function featureOf(
  { id, version, bounds, manifest }: RegionFacts,
  rectangles: ReturnType<RegionSource['coverage']>,
): z.infer<typeof FeatureSchema> {
  return {
    type: 'Feature',
    id,
    bbox: toBbox(bounds),
    geometry: {
      type: 'MultiPolygon',
      coordinates: rectangles.map(([west, south, east, north]) => toPolygon({ west, south, east, north }).coordinates),
    },
    properties: {
      id,
      version,
      tileCount: manifest.tileCount,
      metresPerTile: manifest.metresPerTile,
      attribution: manifest.attribution,
    },
  };
}
