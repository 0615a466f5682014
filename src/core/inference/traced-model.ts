import type { Tracer } from '../tracing/tracer.ts';
import type { EmbedOptions, Model, ModelRun } from './model.ts';

/**
 * The same model, with a span for each call, and in it one for each run in the inference process. The graphs of synthesis run many times
 * for one view, which is whose span they belong to.
 */
export function traceModel(model: Model, tracer: Tracer): Model {
  const { name, version } = model.manifest;

  function traced<T, E>(graph: string, embed: (batch: readonly T[], options?: EmbedOptions) => Promise<E[]>) {
    return (batch: readonly T[], options: EmbedOptions = {}): Promise<E[]> => {
      const attributes = { 'geo2.model': `${name} ${version}`, 'geo2.graph': graph, 'geo2.images': batch.length };
      return tracer.span(
        'inference',
        async () => {
          const runs: ModelRun[] = [];
          const embeddings = await embed(batch, { ...options, onRun: (run) => runs.push(run) });
          // told here, where the call's own span is the active one: a run belongs to whichever call happened to start it
          for (const { startedAtMs, computeMs, images, pid } of runs) {
            tracer.record('inference run', {
              startedAtMs,
              durationMs: computeMs,
              attributes: { 'process.pid': pid, 'geo2.images': images },
            });
          }
          return embeddings;
        },
        { attributes },
      );
    };
  }

  return {
    manifest: model.manifest,
    get state() {
      return model.state;
    },
    start: () => model.start(),
    stop: () => model.stop(),
    embedGround: traced('ground', model.embedGround),
    embedSatellite: traced('satellite', model.embedSatellite),
    synthesis: model.synthesis,
  };
}
