import { OpenAPIHono } from '@hono/zod-openapi';
import { cors } from 'hono/cors';
import { etag, RETAINED_304_HEADERS } from 'hono/etag';
import { methodNotAllowed } from 'hono/method-not-allowed';
import { secureHeaders } from 'hono/secure-headers';
import type { Logger } from 'pino';
import type { Accounts } from './core/accounts/accounts.ts';
import type { Rate } from './core/accounts/keys.ts';
import type { Embed } from './core/embed.ts';
import type { Geolocate } from './core/geolocate.ts';
import type { Jobs } from './core/jobs/jobs.ts';
import type { Previews } from './core/previews.ts';
import type { ReadImageryTile } from './core/regions/place-imagery.ts';
import type { RegionSource } from './core/retrieval/region.ts';
import type { Synthesize } from './core/synthesize.ts';
import type { Deliveries } from './core/webhooks/deliveries.ts';
import type { Endpoints } from './core/webhooks/endpoints.ts';
import { type AuthenticationDeps, authentication } from './handlers/authentication.ts';
import { batchRoute } from './handlers/batches.ts';
import { createBodyBudget } from './handlers/body.ts';
import type { AppEnv } from './handlers/context.ts';
import { coverageRoute } from './handlers/coverage.ts';
import { deadline } from './handlers/deadline.ts';
import { docsRoutes } from './handlers/docs.ts';
import { embedRoute } from './handlers/embed.ts';
import { geolocateRoute } from './handlers/geolocate.ts';
import { type HealthDeps, healthRoutes } from './handlers/health.ts';
import { repeatable } from './handlers/idempotency.ts';
import { type IdentityOptions, identity } from './handlers/identity.ts';
import type { FetchImage } from './handlers/image.ts';
import { imageryRoute } from './handlers/imagery.ts';
import { jobRoutes } from './handlers/jobs.ts';
import { keyRoutes } from './handlers/keys.ts';
import { limits } from './handlers/limits.ts';
import { type Metrics, metricsRoute, observeRequests } from './handlers/metrics.ts';
import { type PageDeps, pageRoutes } from './handlers/page.ts';
import { previewRoutes } from './handlers/previews.ts';
import { HttpProblem, onError } from './handlers/problems.ts';
import { regionRoutes } from './handlers/regions.ts';
import { synthesizeRoute } from './handlers/synthesize.ts';
import { webhookDeliveryRoutes } from './handlers/webhook-deliveries.ts';
import { webhookRoutes } from './handlers/webhooks.ts';

/** Everything the HTTP edge stands on. */
export interface AppDeps extends HealthDeps, PageDeps {
  /** Of the program, for the OpenAPI document. */
  readonly version: string;
  readonly geolocate: Geolocate;
  readonly embed: Embed;
  readonly synthesize: Synthesize;
  readonly previews: Previews;
  readonly jobs: Jobs;
  readonly regions: RegionSource;
  readonly readImageryTile: ReadImageryTile;
  readonly fetchImage: FetchImage;
  readonly limits: AppLimits;
  readonly access: AccessDeps;
  readonly webhooks: { readonly endpoints: Endpoints; readonly deliveries: Deliveries };
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly newRequestId: IdentityOptions['newRequestId'];
  readonly tracer: IdentityOptions['tracer'];
  readonly nowMs: () => number;
  /** Aborted when the service stops. */
  readonly draining: AbortSignal;
  /** Silence of a stream of events that a comment breaks. */
  readonly keepAliveMs?: number | undefined;
  /** Streams of events that one tenant may have open in this process. */
  readonly maxStreams?: number | undefined;
  readonly now: () => Date;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly swaggerUiDir: string;
}

export interface AppLimits {
  readonly maxImageBytes: number;
  /** Images in one embed request. */
  readonly maxBatch: number;
  /** Bytes of one batch of files. */
  readonly maxBatchBytes: number;
  readonly requestTimeoutMs: number;
  /** For a batch, which may be large. */
  readonly uploadTimeoutMs: number;
  /** Bytes of bodies held at one time, over all requests. */
  readonly maxHeldBytes: number;
}

/** Who may ask, and how much. */
export interface AccessDeps extends Accounts {
  readonly withoutKey: AuthenticationDeps['withoutKey'];
  /** Of a key that has none of its own. */
  readonly rate: Rate;
  readonly maxConcurrent: number;
}

/** Scripts, styles and images of this origin only; MapLibre decodes in workers, and draws images it has fetched as blobs. */
const CONTENT_SECURITY_POLICY = {
  defaultSrc: ["'none'"],
  scriptSrc: ["'self'"],
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:', 'blob:'],
  connectSrc: ["'self'", 'blob:'],
  fontSrc: ["'self'", 'data:'],
  workerSrc: ["'self'", 'blob:'],
  baseUri: ["'none'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
};

/** A phone at the edge of its network is faster; what is slower only holds a connection. */
const UPLOAD_PACE = { windowMs: 10_000, minBytes: 10 * 1024 };

const CORS = {
  origin: '*',
  allowMethods: ['GET', 'HEAD', 'POST', 'DELETE'],
  allowHeaders: [
    'Accept',
    'Authorization',
    'Content-Type',
    'Idempotency-Key',
    'If-None-Match',
    'Last-Event-ID',
    'Prefer',
    'Traceparent',
    'X-API-Key',
    'X-Request-Id',
  ],
  exposeHeaders: [
    'ETag',
    'Idempotency-Replayed',
    'Location',
    'Preference-Applied',
    'RateLimit',
    'RateLimit-Policy',
    'Retry-After',
    'Traceparent',
    'WWW-Authenticate',
    'X-Request-Id',
  ],
  maxAge: 7200,
};

/** The route table and its middleware, nothing else. */
export function createApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  const forms = formLimits(deps.limits);

  app.use(identity(deps));
  app.use(observeRequests(deps));
  app.use(
    secureHeaders({
      contentSecurityPolicy: CONTENT_SECURITY_POLICY,
      crossOriginResourcePolicy: 'cross-origin', // tiles and answers are for other origins' pages too
      strictTransportSecurity: false, // TLS, and with it this promise, belongs to whatever stands in front
      referrerPolicy: 'no-referrer',
    }),
  );
  app.use(cors(CORS));
  app.use(methodNotAllowed({ app, onMethodNotAllowed: (c, methods) => onError(notAllowed(c.req.method, methods), c) }));
  app.use(deadline({ timeoutMs: deps.limits.requestTimeoutMs, nowMs: deps.nowMs }));
  app.use('/v1/batches', deadline({ timeoutMs: deps.limits.uploadTimeoutMs, nowMs: deps.nowMs }));
  for (const path of ['/', '/:file{.+\\.(js|css)}', '/assets/*', '/demo/*', '/openapi.json', '/v1/coverage']) {
    app.use(path, revalidated);
  }
  app.use('/v1/regions', revalidated);
  app.use('/v1/regions/:id', revalidated);

  app.use('/v1/*', authentication(deps.access));
  app.use('/v1/*', limits(deps.access));
  app.use('/v1/*', repeatable({ ...deps.access, randomBytes: deps.randomBytes }));

  geolocateRoute(app, { ...deps, limits: forms, onAnswer: deps.metrics.onAnswer });
  embedRoute(app, { ...deps, limits: forms, maxBatch: deps.limits.maxBatch });
  synthesizeRoute(app, { ...deps, limits: forms });
  batchRoute(app, { ...deps, limits: { ...deps.limits, pace: UPLOAD_PACE, budget: forms.budget } });
  jobRoutes(app, deps);
  regionRoutes(app, deps);
  coverageRoute(app, deps);
  imageryRoute(app, deps);
  previewRoutes(app, deps);
  keyRoutes(app, { keys: deps.access.keys, limits: forms, now: deps.now });
  webhookRoutes(app, { ...deps.webhooks, limits: forms });
  webhookDeliveryRoutes(app, { ...deps.webhooks, limits: forms });
  healthRoutes(app, deps);
  metricsRoute(app, deps);
  docsRoutes(app, { ...deps, needsKeys: deps.access.withoutKey === 'required' });
  pageRoutes(app, deps);

  app.notFound((c) => onError(new HttpProblem('NOT_FOUND', `There is nothing at ${c.req.path}; see /docs.`), c));
  app.onError(onError);
  return app;
}

/** What a process that only runs jobs answers: how it is, and what it counts. */
export function createWorkerApp(deps: AppDeps): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>();
  app.use(identity(deps));
  app.use(observeRequests(deps));
  healthRoutes(app, deps);
  metricsRoute(app, deps);
  app.notFound((c) => onError(new HttpProblem('NOT_FOUND', `A worker has nothing at ${c.req.path}.`), c));
  app.onError(onError);
  return app;
}

/** A caller that has the same bytes already is told so; the headers that others' pages need stay. */
const revalidated = etag({
  retainedHeaders: [...RETAINED_304_HEADERS, 'access-control-allow-origin', 'access-control-expose-headers'],
});

function formLimits({ maxImageBytes, maxHeldBytes }: AppLimits) {
  return {
    maxImageBytes,
    maxBodyBytes: Math.ceil((maxImageBytes * 4) / 3) + 256 * 1024, // the largest image in base64, and the options
    budget: createBodyBudget(maxHeldBytes),
  };
}

function notAllowed(method: string, methods: readonly string[]): HttpProblem {
  const allow = methods.join(', ');
  return new HttpProblem('METHOD_NOT_ALLOWED', `${method} is not for this address; it takes ${allow}.`, {
    headers: { allow },
  });
}
