import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import { visibleRegions } from '../core/accounts/visible-regions.ts';
import { isMapTile } from '../core/geo/web-mercator.ts';
import type { ReadImageryTile } from '../core/regions/place-imagery.ts';
import type { RegionSource } from '../core/retrieval/region.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { holds } from './etag.ts';
import { HttpProblem } from './problems.ts';
import { findRegion } from './regions.ts';
import { problemResponses } from './schemas.ts';

const binary = { schema: z.string().openapi({ type: 'string', format: 'binary' }) };

const route = createRoute({
  method: 'get',
  path: '/v1/regions/{id}/imagery/{z}/{x}/{y}',
  summary: 'A tile of a region’s imagery for web maps',
  tags: ['regions'],
  request: {
    params: z.object({
      id: z.string().openapi({ example: 'null-island-demo' }),
      z: z.string().openapi({ type: 'integer', example: 17 }),
      x: z.string().openapi({ type: 'integer', example: 65536 }),
      y: z.string().openapi({ type: 'integer', example: 65536 }),
    }),
  },
  responses: {
    200: { description: 'Web Mercator tile', content: { 'image/webp': binary, 'image/jpeg': binary } },
    204: { description: 'No imagery at this tile' },
    304: { description: 'Unchanged' },
    ...problemResponses('NOT_FOUND'),
  },
});

/** A tile's address does not name the version, so that it may change when another version is published. */
const CACHE = 'public, max-age=3600, stale-while-revalidate=86400';

export function imageryRoute(
  app: OpenAPIHono<AppEnv>,
  deps: { regions: RegionSource; readImageryTile: ReadImageryTile },
): void {
  app.openAPIRegistry.registerPath(route);
  app.get('/v1/regions/:id/imagery/:z/:x/:y', requireScope('regions:read'), async (c) => {
    const regions = visibleRegions(deps.regions, c.get('caller'));
    const facts = findRegion(regions, c.req.param('id'));
    const tile = { z: whole(c.req.param('z')), x: whole(c.req.param('x')), y: whole(c.req.param('y')) };
    if (!isMapTile(tile)) {
      throw new HttpProblem('NOT_FOUND', 'There is no such tile: z is 0 to 24, x and y are from 0 to 2^z - 1.');
    }
    const etag = `"${facts.id}-${facts.version}-${tile.z}-${tile.x}-${tile.y}"`;
    c.header('cache-control', CACHE);
    if (holds(c.req.header('if-none-match'), etag)) return c.body(null, 304, { etag });
    const signal = c.get('signal');
    const { regions: [region] = [], release } = await regions.hold([facts.id], { signal });
    try {
      const found = region === undefined ? undefined : await deps.readImageryTile(region, tile, { signal });
      // another version may have come into use meanwhile: its tiles get their tag from the next request
      if (region === undefined || region.version !== facts.version) c.header('cache-control', 'no-store');
      if (found === undefined) return c.body(null, 204);
      return c.body(new Uint8Array(found.bytes), 200, { etag, 'content-type': found.contentType });
    } finally {
      release();
    }
  });
}

/** NaN for anything but plain digits. */
function whole(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}
