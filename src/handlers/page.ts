import { serveStatic } from '@hono/node-server/serve-static';
import type { OpenAPIHono } from '@hono/zod-openapi';
import type { AppEnv } from './context.ts';

/** One photo or panorama that a person can try. */
export interface Sample {
  readonly id: string;
  /** Where the image is served; see `sampleUrl`. */
  readonly image: string;
  readonly kind: 'panorama' | 'photo';
  /** Where it was taken, degrees; null when unknown. */
  readonly lon: number | null;
  readonly lat: number | null;
  readonly headingDeg: number | null;
  readonly fovDeg: number | null;
}

export interface PageDeps {
  readonly pageDir: string;
  readonly maplibreDir: string;
  /** The demo's images, where this service has any. */
  readonly samples?: { readonly dir: string; readonly list: () => Promise<readonly Sample[]> } | undefined;
}

const SAMPLES = '/demo/samples';

/** The page at `/` with its scripts, MapLibre and the demo's samples, all from files of this machine. */
export function pageRoutes(app: OpenAPIHono<AppEnv>, { pageDir, maplibreDir, samples }: PageDeps): void {
  app.get('/', serveStatic({ root: pageDir, path: 'index.html' }));
  app.get('/:file{[a-z0-9-]+\\.(js|css)}', serveStatic({ root: pageDir }));
  app.get(
    '/assets/maplibre/:file{maplibre-gl[a-z-]*\\.(mjs|css)}',
    serveStatic({ root: maplibreDir, rewriteRequestPath: (path) => path.replace('/assets/maplibre', '') }),
  );
  app.get(`${SAMPLES}.json`, async (c) => c.json({ samples: await (samples?.list() ?? []) }));
  if (samples === undefined) return;
  app.get(
    `${SAMPLES}/:path{[\\w./-]+\\.(jpg|jpeg|png|webp)}`,
    serveStatic({ root: samples.dir, rewriteRequestPath: (path) => path.slice(SAMPLES.length) }),
  );
}

/** The address at which a sample's image (a path inside the folder of samples) is served. */
export function sampleUrl(path: string): string {
  return `${SAMPLES}/${path.split('/').map(encodeURIComponent).join('/')}`;
}
