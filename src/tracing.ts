import { randomBytes } from 'node:crypto';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { createPassingTracer } from './core/tracing/passing-tracer.ts';
import type { Tracer } from './core/tracing/tracer.ts';

/** How often a receiver that is not there is told of. */
const COMPLAINT_MS = 60_000;

export interface OpenTracer {
  readonly tracer: Tracer;
  /** Delivers what is left, for a short time. */
  stop(): Promise<void>;
}

/** Exports where a receiver is configured; only then is OpenTelemetry loaded at all. */
export async function openTracer(
  otlp: Config['otlp'],
  { version, logger }: { version: string; logger: Pick<Logger, 'warn'> },
): Promise<OpenTracer> {
  if (otlp === undefined) {
    const tracer = createPassingTracer({ newSpanId: () => randomBytes(8).toString('hex') });
    return { tracer, stop: async () => {} };
  }
  const { createOtlpTracer } = await import('./core/tracing/tracer.otlp.ts');
  let complainedAtMs = Number.NEGATIVE_INFINITY;
  const tracer = createOtlpTracer({
    ...otlp,
    version,
    onFailure(err) {
      if (performance.now() - complainedAtMs < COMPLAINT_MS) return;
      complainedAtMs = performance.now();
      logger.warn({ err }, 'traces cannot be delivered and are dropped: check OTEL_EXPORTER_OTLP_ENDPOINT');
    },
  });
  return { tracer, stop: () => tracer.stop() };
}
