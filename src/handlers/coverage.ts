import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { visibleRegions } from '../core/accounts/visible-regions.ts';
import { coveredRectangles } from '../core/coverage.ts';
import { toBbox, toPolygon } from '../core/geo/bounds.ts';
import type { Region, RegionSource } from '../core/retrieval/region.ts';
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

/** Regions never change: what one covers is worked out once. */
export function coverageRoute(app: OpenAPIHono<AppEnv>, { regions }: { regions: RegionSource }): void {
  const known = new WeakMap<Region, z.infer<typeof FeatureSchema>>();
  app.openAPIRegistry.registerPath(route);
  app.get(route.path, requireScope('regions:read'), (c) => {
    const features = visibleRegions(regions, c.get('caller'))
      .list()
      .map((region) => {
        const feature = known.get(region) ?? featureOf(region);
        known.set(region, feature);
        return feature;
      });
    return c.body(JSON.stringify({ type: 'FeatureCollection', features }), 200, {
      'content-type': 'application/geo+json',
      'cache-control': REGIONS_CACHE,
    });
  });
}

function featureOf({ id, version, bounds, tiles, manifest }: Region): z.infer<typeof FeatureSchema> {
  const rectangles = coveredRectangles(tiles.bounds);
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
      tileCount: tiles.count,
      metresPerTile: manifest.metresPerTile,
      attribution: manifest.attribution,
    },
  };
}
