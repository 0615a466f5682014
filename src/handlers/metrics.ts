import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { MiddlewareHandler } from 'hono';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { Geo2Error } from '../core/errors.ts';
import type { InferenceObserver } from '../core/inference/observer.ts';
import type { JobsObserver } from '../core/jobs/observer.ts';
import type { AppEnv } from './context.ts';
import { createJobMetrics } from './job-metrics.ts';
import { knownMethod, matchedRoute } from './matched-route.ts';

/** What is counted; the names are fixed (SERVING.md), dashboards depend on them. */
export interface Metrics {
  /** Prometheus text. */
  render(): Promise<{ text: string; contentType: string }>;
  /** For the model whose requests, batches and state are counted. */
  inferenceObserver(modelName: () => string): InferenceObserver;
  onHttpRequest(event: { method: string; route: string; status: number; durationMs: number }): void;
  onAnswer(answer: { status: string; timingMs: { search: number } }): void;
  setRegionTiles(tiles: Readonly<Record<string, number>>): void;
  onReload(reload: { type: 'region' | 'model'; name: string; outcome: string; error?: unknown }): void;
  onWebhookAttempt(attempt: { outcome: string }): void;
  readonly jobs: JobsObserver;
  /** Ends the sampling of the event loop. */
  stop(): void;
}

/** From a cache hit to the request timeout. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2, 5, 10];
const LOOP_RESOLUTION_MS = 10;
const STATES = ['LOADING', 'READY', 'UNLOADING', 'UNAVAILABLE'] as const;

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const http = new Histogram({
    name: 'http_server_request_duration_seconds',
    help: 'From the request to its answer',
    labelNames: ['http_request_method', 'http_route', 'http_response_status_code'],
    buckets: SECONDS,
    registers,
  });
  const requests = new Counter({
    name: 'inference_requests_total',
    help: 'Calls to the model by their outcome; reason is the error’s code',
    labelNames: ['model', 'outcome', 'reason'],
    registers,
  });
  const items = new Counter({
    name: 'inference_count',
    help: 'Images that went through the model',
    labelNames: ['model', 'graph'],
    registers,
  });
  const runs = new Counter({
    name: 'inference_exec_count',
    help: 'Runs of the model; inference_count / inference_exec_count is the mean batch',
    labelNames: ['model', 'graph'],
    registers,
  });
  const queued = new Histogram({
    name: 'inference_queue_duration_seconds',
    help: 'How long an image waited for its run',
    labelNames: ['model', 'graph'],
    buckets: SECONDS,
    registers,
  });
  const computed = new Histogram({
    name: 'inference_compute_duration_seconds',
    help: 'How long a run took inside the graph',
    labelNames: ['model', 'graph'],
    buckets: SECONDS,
    registers,
  });
  const pending = new Gauge({
    name: 'inference_pending',
    help: 'Images that wait or run',
    labelNames: ['model', 'graph'],
    registers,
  });
  const restarts = new Counter({
    name: 'inference_restarts_total',
    help: 'Inference processes that ended although nobody asked',
    labelNames: ['model'],
    registers,
  });
  const state = new Gauge({
    name: 'model_state',
    help: '1 for the state that the model is in',
    labelNames: ['model', 'state'],
    registers,
  });
  const searched = new Histogram({
    name: 'search_duration_seconds',
    help: 'Vector search of one geolocate request',
    buckets: SECONDS,
    registers,
  });
  const answers = new Counter({
    name: 'geolocate_answers_total',
    help: 'Answers by their status',
    labelNames: ['status'],
    registers,
  });
  const regionTiles = new Gauge({
    name: 'region_tiles',
    help: 'Reference tiles of a loaded region',
    labelNames: ['region'],
    registers,
  });

  const regionReloads = new Counter({
    name: 'region_reloads_total',
    help: 'Versions of regions that were put to use, or could not be; reason is the error’s code',
    labelNames: ['region', 'outcome', 'reason'],
    registers,
  });
  const modelReloads = new Counter({
    name: 'model_reloads_total',
    help: 'Versions of the model that were put to use while the service ran, or could not be; reason is the error’s code',
    labelNames: ['model', 'outcome', 'reason'],
    registers,
  });

  const webhookAttempts = new Counter({
    name: 'webhook_attempts_total',
    help: 'Attempts to deliver an event to a webhook, by how they ended',
    labelNames: ['outcome'],
    registers,
  });

  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  loop.enable();
  new Gauge({
    name: 'event_loop_delay_seconds',
    help: 'How late timers of the HTTP process fire, since the last scrape',
    labelNames: ['quantile'],
    registers,
    collect() {
      // the monitor measures the time between its timers: what exceeds their interval is the delay
      const late = (ns: number): number => Math.max(0, (Number.isFinite(ns) ? ns : 0) / 1e9 - LOOP_RESOLUTION_MS / 1e3);
      this.set({ quantile: '0.5' }, late(loop.percentile(50)));
      this.set({ quantile: '0.99' }, late(loop.percentile(99)));
      this.set({ quantile: '1' }, late(loop.max));
      loop.reset();
    },
  });

  return {
    async render() {
      return { text: await registry.metrics(), contentType: registry.contentType };
    },
    inferenceObserver: (modelName) => ({
      onState: ({ status }) => {
        for (const known of STATES) state.set({ model: modelName(), state: known }, known === status ? 1 : 0);
      },
      onRequest: ({ outcome, reason = '' }) => requests.inc({ model: modelName(), outcome, reason }),
      onBatch: ({ graph, size, queueMs, computeMs }) => {
        const labels = { model: modelName(), graph };
        items.inc(labels, size);
        runs.inc(labels);
        for (const waitedMs of queueMs) queued.observe(labels, waitedMs / 1000);
        computed.observe(labels, computeMs / 1000);
      },
      onPending: ({ graph, pending: count }) => pending.set({ model: modelName(), graph }, count),
      onRestart: () => restarts.inc({ model: modelName() }),
    }),
    onHttpRequest({ method, route, status, durationMs }) {
      const labels = { http_request_method: method, http_route: route, http_response_status_code: String(status) };
      http.observe(labels, durationMs / 1000);
    },
    onAnswer({ status, timingMs }) {
      answers.inc({ status });
      searched.observe(timingMs.search / 1000);
    },
    setRegionTiles(tiles) {
      regionTiles.reset();
      for (const [region, count] of Object.entries(tiles)) regionTiles.set({ region }, count);
    },
    onReload({ type, name, outcome, error }) {
      const reason = outcome === 'success' ? '' : error instanceof Geo2Error ? error.code : 'UNKNOWN';
      if (type === 'region') regionReloads.inc({ region: name, outcome, reason });
      else modelReloads.inc({ model: name, outcome, reason });
    },
    onWebhookAttempt: ({ outcome }) => webhookAttempts.inc({ outcome }),
    jobs: createJobMetrics(registry),
    stop: () => loop.disable(),
  };
}

/**
 * One log line and one observation for each request, when its answer's head is ready. Neither holds a query string, a
 * coordinate or anything of an image.
 */
export function observeRequests(options: { metrics: Metrics; nowMs: () => number }): MiddlewareHandler<AppEnv> {
  const { metrics, nowMs } = options;
  return async function observe(c, next) {
    const startedAtMs = nowMs();
    await next();
    const route = matchedRoute(c);
    const method = knownMethod(c);
    const durationMs = nowMs() - startedAtMs;
    const { status } = c.res;
    metrics.onHttpRequest({ method, route, status, durationMs });
    const code = c.get('problemCode');
    const level = /^\/(metrics|v2)/.test(route) ? 'debug' : 'info';
    c.get('log')[level](
      { method, route, status, durationMs: Math.round(durationMs * 10) / 10, ...(code === undefined ? {} : { code }) },
      'request',
    );
  };
}

const route = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'Prometheus metrics',
  tags: ['operation'],
  responses: { 200: { description: 'Prometheus text', content: { 'text/plain': { schema: z.string() } } } },
});

export function metricsRoute(app: OpenAPIHono<AppEnv>, { metrics }: { metrics: Metrics }): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.path, async (c) => {
    const { text, contentType } = await metrics.render();
    return c.body(text, 200, { 'content-type': contentType, 'cache-control': 'no-store' });
  });
}
