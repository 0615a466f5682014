import { Geo2Error } from '../errors.ts';
import { type Batcher, createBatcher, type Executed } from './batcher.ts';
import type { ModelGraph, ModelManifest, SynthesisGraph } from './manifest.ts';
import type { EmbedOptions, Square, SynthesisGraphs } from './model.ts';
import type { InferenceObserver } from './observer.ts';
import type { ChildTensor } from './protocol.ts';

type Tensors = Readonly<Record<string, ChildTensor>>;

export interface SynthesisGraphsOptions {
  readonly manifest: ModelManifest;
  /** Runs one of the graphs in the model's process. */
  readonly run: (graph: SynthesisGraph, inputs: Record<string, ChildTensor>) => Promise<Executed<Tensors>>;
  /** Throws MODEL_UNAVAILABLE. */
  readonly checkAccepting: () => void;
  /** Runs that may wait per graph before OVERLOADED. */
  readonly maxQueue: number;
  readonly nowMs: () => number;
  readonly observer: InferenceObserver;
}

/** Calls of the graphs of synthesis, and what ends them. */
export interface SynthesisCalls {
  readonly graphs: SynthesisGraphs;
  idle(): Promise<unknown>;
  rejectAll(error: Geo2Error): void;
}

/** Undefined for a model that makes no views. */
export function createSynthesisGraphs(options: SynthesisGraphsOptions): SynthesisCalls | undefined {
  const { manifest, run, checkAccepting, maxQueue, nowMs, observer } = options;
  const { latent, graphs } = manifest;
  if (latent === null) return undefined;
  const { onBatch, onPending } = observer; // a view is one request, however many runs it takes
  const latentValues = latent.channels * latent.heightCells * latent.widthCells;
  const latentDims = [latent.channels, latent.heightCells, latent.widthCells];

  const batchers: Batcher<Tensors, Tensors>[] = [];
  function calls(graph: SynthesisGraph): (inputs: Tensors, options: EmbedOptions) => Promise<Tensors> {
    const batcher = createBatcher<Tensors, Tensors>({
      graph,
      maxBatch: 1,
      maxWaitMs: 0,
      maxQueue,
      nowMs,
      observer: { ...(onBatch === undefined ? {} : { onBatch }), ...(onPending === undefined ? {} : { onPending }) },
      execute: async ([inputs = {}]) => run(graph, inputs),
    });
    batchers.push(batcher);
    return async (inputs, call) => {
      checkAccepting();
      const [outputs] = await batcher.submit([inputs], call);
      if (outputs === undefined) throw new Geo2Error('INFERENCE_FAILED', `The graph ${graph} gave no output.`);
      return outputs;
    };
  }
  const encode = calls('raeEncoder');
  const decode = calls('raeDecoder');
  const condition = calls('flowCondition');
  const velocity = calls('flowVelocity');

  const latentTensor = (data: Float32Array): ChildTensor => {
    if (data.length === latentValues)
      return { dtype: 'float32', dims: [1, ...latentDims], data: new Float32Array(data) };
    throw new Geo2Error('MODEL_MISMATCH', `The model's latent has ${latentValues} values, this one ${data.length}.`);
  };
  const point = ({ x, t }: { x: Float32Array; t: number }): Record<string, ChildTensor> => ({
    x: latentTensor(x),
    t: { dtype: 'float32', dims: [1], data: Float32Array.of(t) },
  });

  return {
    idle: () => Promise.all(batchers.map((batcher) => batcher.idle())),
    rejectAll(error) {
      for (const batcher of batchers) batcher.rejectAll(error);
    },
    graphs: {
      async encode(view, call = {}) {
        checkSquare(view, latent.sizePx);
        const dims = [1, latent.sizePx, latent.sizePx, 3];
        const image: ChildTensor = { dtype: 'uint8', dims, data: new Uint8Array(view.rgb) };
        return finite(await encode({ image }, call), 'latent', latentValues);
      },
      async decode(x, call = {}) {
        const { image } = await decode({ latent: latentTensor(x) }, call);
        const square = { widthPx: latent.sizePx, heightPx: latent.sizePx };
        if (image?.dtype !== 'uint8' || image.data.length !== latent.sizePx ** 2 * 3) {
          throw new Geo2Error(
            'INFERENCE_FAILED',
            `The model gave no picture of ${latent.sizePx} x ${latent.sizePx} px.`,
          );
        }
        return { rgb: image.data, ...square };
      },
      async condition({ condition: embedding, ...at }, call = {}) {
        const inputs = { ...point(at), condition: floats(embedding, [embedding.length]) };
        return finite(await condition(inputs, call), 'z', valuesOf(graphs.flowCondition, 'z'));
      },
      async velocity({ z, ...at }, call = {}) {
        const inputs = { ...point(at), z: floats(z, dimsOf(graphs.flowVelocity?.inputs, 'z')) };
        return finite(await velocity(inputs, call), 'velocity', latentValues);
      },
    },
  };
}

function floats(data: Float32Array, dims: readonly number[]): ChildTensor {
  return { dtype: 'float32', dims: [1, ...dims], data: new Float32Array(data) };
}

function dimsOf(tensors: ModelGraph['inputs'] | undefined, name: string): number[] {
  const [, ...dims] = tensors?.find((tensor) => tensor.name === name)?.shape ?? [];
  return dims;
}

function valuesOf(graph: ModelGraph | undefined, output: string): number {
  return dimsOf(graph?.outputs, output).reduce((size, length) => size * length, 1);
}

/** One output's values. Throws INFERENCE_FAILED. */
function finite(outputs: Tensors, name: string, values: number): Float32Array {
  const tensor = outputs[name];
  if (tensor?.dtype !== 'float32' || tensor.data.length !== values) {
    throw new Geo2Error('INFERENCE_FAILED', `The model's ${name} is not ${values} floats.`);
  }
  if (tensor.data.every(Number.isFinite)) return tensor.data;
  throw new Geo2Error('INFERENCE_FAILED', `The model gave values that are not finite (${name}).`);
}

function checkSquare({ rgb, widthPx, heightPx }: Square, sizePx: number): void {
  if (widthPx === sizePx && heightPx === sizePx && rgb.length === sizePx ** 2 * 3) return;
  throw new Geo2Error('MODEL_MISMATCH', `The model takes a view of ${sizePx} x ${sizePx} px.`, {
    data: { got: { widthPx, heightPx }, expected: { widthPx: sizePx, heightPx: sizePx } },
  });
}
