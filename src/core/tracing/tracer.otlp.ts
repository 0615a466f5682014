import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Context,
  type Span as OtelSpan,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace-node';
import { Geo2Error } from '../errors.ts';
import type { TraceContext } from './trace-context.ts';
import type { Span, SpanOptions, Tracer } from './tracer.ts';

export interface OtlpTracerOptions {
  /** Of the receiver, such as `http://127.0.0.1:4318`; traces go to `/v1/traces` below it. */
  readonly endpoint: string;
  readonly serviceName: string;
  readonly version: string;
  /** Told when traces cannot be delivered; they are dropped, and requests do not wait. */
  readonly onFailure: (error: Error | undefined) => void;
}

export interface OtlpTracer extends Tracer {
  /** Delivers what is left, for a short time. */
  stop(): Promise<void>;
}

const EXPORT_TIMEOUT_MS = 5_000;
/** How long a stop waits for a receiver that does not answer. */
const STOP_TIMEOUT_MS = 2_000;

const KINDS = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
} as const satisfies Record<NonNullable<SpanOptions['kind']>, SpanKind>;

/**
 * Sends spans by OTLP over HTTP, in batches. A caller's decision not to keep a trace is respected. Nothing is registered with
 * OpenTelemetry's globals: two of these in one process know nothing of each other.
 */
export function createOtlpTracer({ endpoint, serviceName, version, onFailure }: OtlpTracerOptions): OtlpTracer {
  const exporter = new OTLPTraceExporter({
    url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new BasicTracerProvider({
    resource: resourceFromAttributes({ 'service.name': serviceName, 'service.version': version }),
    sampler: new ParentBasedSampler({ root: new AlwaysOnSampler() }),
    spanProcessors: [new BatchSpanProcessor(telling(exporter, onFailure))],
  });
  const tracer = provider.getTracer('geo2', version);
  const active = new AsyncLocalStorage<Context>();
  const here = (): Context => active.getStore() ?? ROOT_CONTEXT;

  return {
    async span(name, work, { kind = 'internal', parent, attributes = {} } = {}) {
      const within = parent === undefined ? here() : remote(parent);
      const span = tracer.startSpan(name, { kind: KINDS[kind], attributes }, within);
      try {
        return await active.run(trace.setSpan(within, span), () => work(outside(span)));
      } catch (error) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        span.setAttribute('error.type', typeOf(error));
        throw error;
      } finally {
        span.end();
      }
    },
    record(name, { startedAtMs, durationMs, attributes = {} }) {
      tracer.startSpan(name, { startTime: startedAtMs, attributes }, here()).end(startedAtMs + durationMs);
    },
    current() {
      const span = trace.getSpan(here());
      return span === undefined ? undefined : contextOf(span);
    },
    async stop() {
      const { promise: late, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, STOP_TIMEOUT_MS);
      await Promise.race([provider.shutdown().catch(() => {}), late]); // its failures were told by the exporter
      clearTimeout(timer);
    },
  };
}

function remote({ traceId, spanId, sampled }: TraceContext): Context {
  const traceFlags = sampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function outside(span: OtelSpan): Span {
  return {
    context: contextOf(span),
    rename: (name) => void span.updateName(name),
    set: (attributes) => void span.setAttributes(attributes),
  };
}

function contextOf(span: OtelSpan): TraceContext {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 };
}

/** The error's code, never its message, which may hold what a caller sent. */
function typeOf(error: unknown): string {
  if (error instanceof Geo2Error) return error.code;
  return error instanceof Error ? error.name : typeof error;
}

function telling(exporter: SpanExporter, onFailure: OtlpTracerOptions['onFailure']): SpanExporter {
  return {
    export(spans, done) {
      exporter.export(spans, (result) => {
        if (result.error !== undefined || result.code !== 0) onFailure(result.error);
        done(result);
      });
    },
    shutdown: () => exporter.shutdown(),
    forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve(),
  };
}
