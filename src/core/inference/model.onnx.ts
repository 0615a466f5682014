import { join } from 'node:path';
import { Geo2Error } from '../errors.ts';
import type { GroundCanvas } from '../image/panorama.ts';
import type { SatelliteTile } from '../image/tile.ts';
import { type VerifyFiles, verifyFiles } from '../storage/checksums.ts';
import { type Batcher, createBatcher } from './batcher.ts';
import { type InferenceChild, spawnInferenceChild } from './child-process.ts';
import { checkGolden } from './golden.ts';
import {
  type ModelGraph,
  type ModelManifest,
  readModelManifest,
  SYNTHESIS_GRAPHS,
  type SynthesisGraph,
} from './manifest.ts';
import type { GroundEmbedding, Model } from './model.ts';
import type { InferenceObserver } from './observer.ts';
import type { ChildTensor } from './protocol.ts';
import { type BackoffOptions, createSupervisor, type Supervisor } from './supervisor.ts';
import { createSynthesisGraphs } from './synthesis-graphs.ts';

export interface OnnxModelOptions {
  /** Folder of one released version, holding manifest.json. */
  readonly dir: string;
  /** Threads inside a run. */
  readonly threads: number;
  /** onnxruntime's execution provider; no fallback is tried. */
  readonly provider?: string;
  /** Items that share a run. */
  readonly maxBatch?: number;
  /** How long an idle model waits for company before it runs. */
  readonly maxWaitMs?: number;
  /** Items that may wait per graph before OVERLOADED. */
  readonly maxQueue?: number;
  /** A run longer than this has its process killed. */
  readonly runTimeoutMs?: number;
  readonly loadTimeoutMs?: number;
  /** How long `stop` waits for work that is queued or running. */
  readonly drainMs?: number;
  readonly backoff?: Partial<BackoffOptions>;
  /** The child's whole environment, such as LD_LIBRARY_PATH for CUDA. */
  readonly childEnv?: Readonly<Record<string, string>>;
  readonly observer?: InferenceObserver;
  /** Compares the files with the manifest, here unless another way is given. */
  readonly verify?: VerifyFiles;
  readonly nowMs?: () => number;
}

const DEFAULTS = {
  provider: 'cpu',
  maxBatch: 8,
  maxWaitMs: 0,
  maxQueue: 64,
  runTimeoutMs: 20_000,
  loadTimeoutMs: 120_000,
  drainMs: 10_000,
  childEnv: {},
  verify: verifyFiles,
  observer: {},
} as const;

const DEFAULT_BACKOFF: BackoffOptions = { firstMs: 250, maxMs: 30_000, stableMs: 10_000 };
const CLOSE_GRACE_MS = 2_000;

type Item = Readonly<Record<string, Uint8Array>>;
type Outputs = Readonly<Record<string, ChildTensor>>;

/** A model of ONNX files that run in a supervised child process. Reads the manifest only; `start` loads. */
export async function openOnnxModel(asked: OnnxModelOptions): Promise<Model & { readonly pid: number | undefined }> {
  const options = { ...DEFAULTS, nowMs: () => performance.now(), ...asked };
  checkOptions(options);
  const manifest = await readModelManifest(options.dir);
  const { nowMs, observer, runTimeoutMs } = options;
  let pid: number | undefined;

  const supervisor: Supervisor<InferenceChild> = createSupervisor<InferenceChild>({
    bringUp: async () => {
      const child = await bringUp(manifest, options);
      pid = child.pid;
      return child;
    },
    backoff: { ...DEFAULT_BACKOFF, ...options.backoff },
    closeGraceMs: CLOSE_GRACE_MS,
    nowMs,
    observer,
    onUnavailable: rejectAll,
  });
  const { width } = manifest.embedding;
  const ground = batcherOf('ground', manifest.graphs.ground, groundEmbeddings);
  const satellite = batcherOf('satellite', manifest.graphs.satellite, (outputs, items) =>
    rowsOf(outputs.embedding, items, width),
  );
  const loadSynthesis = synthesisLoader(manifest, options);
  const synthesis = createSynthesisGraphs({
    manifest,
    maxQueue: options.maxQueue,
    nowMs,
    observer,
    checkAccepting,
    run: async (graph, inputs) => {
      const child = await supervisor.ready();
      await loadSynthesis(child);
      const { outputs, computeMs, ...run } = await child.run(graph, inputs, { timeoutMs: runTimeoutMs });
      return { outputs: [outputs], computeMs, run: { pid: run.pid, startedAtMs: run.startedAtMs } };
    },
  });

  function rejectAll(error: Geo2Error): void {
    ground.rejectAll(error);
    satellite.rejectAll(error);
    synthesis?.rejectAll(error);
  }

  function groundEmbeddings(outputs: Outputs, items: number): (GroundEmbedding | Geo2Error)[] {
    const perItem = manifest.hypotheses.length;
    const single = rowsOf(outputs.embedding, items, width);
    const all = outputs.hypotheses === undefined ? single : rowsOf(outputs.hypotheses, items * perItem, width);
    return single.map((embedding, item) => {
      if (embedding instanceof Geo2Error) return embedding;
      const rows = all.slice(item * perItem, (item + 1) * perItem);
      const hypotheses = rows.filter((row) => row instanceof Float32Array);
      return hypotheses.length === perItem ? { embedding, hypotheses } : notFinite();
    });
  }

  function batcherOf<Out extends object>(
    name: string,
    graph: ModelGraph,
    read: (outputs: Outputs, items: number) => (Out | Geo2Error)[],
  ): Batcher<Item, Out> {
    return createBatcher<Item, Out>({
      graph: name,
      maxBatch: options.maxBatch,
      maxWaitMs: options.maxWaitMs,
      maxQueue: options.maxQueue,
      nowMs,
      observer,
      execute: async (items) => {
        const child = await supervisor.ready();
        const { outputs, computeMs, ...run } = await child.run(name, stack(graph, items), { timeoutMs: runTimeoutMs });
        return {
          outputs: read(outputs, items.length),
          computeMs,
          run: { pid: run.pid, startedAtMs: run.startedAtMs },
        };
      },
    });
  }

  function checkAccepting(): void {
    const { status, reason } = supervisor.state;
    if (status === 'READY' || status === 'LOADING') return;
    throw new Geo2Error('MODEL_UNAVAILABLE', `The model is not available: ${reason ?? status}`, {
      data: { retryable: true, retryAfterS: 5, reason: reason ?? status },
    });
  }

  return {
    manifest,
    get state() {
      return supervisor.state;
    },
    get pid() {
      return pid;
    },
    start: () => supervisor.start(),
    stop: () =>
      supervisor.stop(async () => {
        await within(options.drainMs, Promise.all([ground.idle(), satellite.idle(), synthesis?.idle()]));
        rejectAll(new Geo2Error('MODEL_UNAVAILABLE', 'The model was stopped.', { data: { retryable: true } }));
      }),
    synthesis: synthesis?.graphs,
    async embedGround(batch, call = {}) {
      checkAccepting();
      for (const canvas of batch) checkSize('canvas', canvas, manifest.geometry.ground);
      return ground.submit(
        batch.map((canvas: GroundCanvas) => ({ image: canvas.rgb, mask: canvas.mask })),
        call,
      );
    },
    async embedSatellite(batch, call = {}) {
      checkAccepting();
      for (const tile of batch) checkSize('tile', tile, manifest.geometry.satellite);
      return satellite.submit(
        batch.map((tile: SatelliteTile) => ({ image: tile.rgb })),
        call,
      );
    },
  };
}

/** `openOnnxModel` and `start`: resolves with a model that is verified, warm and has passed its golden check. */
export async function loadOnnxModel(options: OnnxModelOptions): ReturnType<typeof openOnnxModel> {
  const model = await openOnnxModel(options);
  await model.start();
  return model;
}

/** Verified files, a new process, its graphs, and a first run of each that also proves the numbers. */
async function bringUp(
  manifest: ModelManifest,
  options: Required<
    Pick<OnnxModelOptions, 'dir' | 'threads' | 'provider' | 'loadTimeoutMs' | 'runTimeoutMs' | 'childEnv' | 'verify'>
  >,
): Promise<InferenceChild> {
  const { dir, threads, provider, loadTimeoutMs, runTimeoutMs, childEnv, verify } = options;
  await verify(dir, manifest.files);
  const child = spawnInferenceChild({ env: childEnv });
  try {
    const graphs = {
      ground: join(dir, manifest.graphs.ground.file),
      satellite: join(dir, manifest.graphs.satellite.file),
    };
    await child.load({ graphs, provider, threads, timeoutMs: loadTimeoutMs });
    await checkGolden(dir, manifest, {
      graphs: Object.keys(graphs),
      run: (graph, inputs) => child.run(graph, inputs, { timeoutMs: loadTimeoutMs }),
    });
    for (const [name, graph] of [
      ['ground', manifest.graphs.ground],
      ['satellite', manifest.graphs.satellite],
    ] as const) {
      await child.run(name, stack(graph, [zeros(graph)]), { timeoutMs: runTimeoutMs });
    }
    return child;
  } catch (error) {
    child.kill('it did not come up');
    await child.ended;
    throw error;
  }
}

/**
 * Loads the graphs of synthesis into a process and proves their numbers, once for each process. A failure is told to whoever waits, and
 * the next who asks tries again.
 */
function synthesisLoader(
  manifest: ModelManifest,
  {
    dir,
    threads,
    provider,
    loadTimeoutMs,
  }: Required<Pick<OnnxModelOptions, 'dir' | 'threads' | 'provider' | 'loadTimeoutMs'>>,
): (child: InferenceChild) => Promise<void> {
  const loaded = new WeakMap<InferenceChild, Promise<void>>();

  async function load(child: InferenceChild): Promise<void> {
    const named: readonly SynthesisGraph[] = SYNTHESIS_GRAPHS;
    const graphs = Object.fromEntries(named.map((name) => [name, join(dir, manifest.graphs[name]?.file ?? '')]));
    await child.load({ graphs, provider, threads, timeoutMs: loadTimeoutMs });
    await checkGolden(dir, manifest, {
      graphs: named,
      run: (graph, inputs) => child.run(graph, inputs, { timeoutMs: loadTimeoutMs }),
    });
  }

  return (child) => {
    const running = loaded.get(child);
    if (running !== undefined) return running;
    const loading = load(child);
    loaded.set(child, loading);
    loading.catch(() => loaded.delete(child));
    return loading;
  };
}

/** One tensor per input, the items' pixels one after the other. */
function stack(graph: ModelGraph, items: readonly Item[]): Record<string, ChildTensor> {
  const tensors: Record<string, ChildTensor> = {};
  for (const { name, shape } of graph.inputs) {
    const [, ...dims] = shape;
    const itemSize = product(dims);
    const data = new Uint8Array(items.length * itemSize);
    items.forEach((item, index) => {
      data.set(item[name] ?? new Uint8Array(0), index * itemSize);
    });
    tensors[name] = { dtype: 'uint8', dims: [items.length, ...dims], data };
  }
  return tensors;
}

function zeros(graph: ModelGraph): Item {
  return Object.fromEntries(graph.inputs.map(({ name, shape: [, ...dims] }) => [name, new Uint8Array(product(dims))]));
}

function product(dims: readonly number[]): number {
  return dims.reduce((size, length) => size * length, 1);
}

/** An item whose embedding is not finite fails alone: its neighbours in the batch are innocent. */
function rowsOf(tensor: ChildTensor | undefined, rows: number, width: number): (Float32Array | Geo2Error)[] {
  if (tensor?.dtype !== 'float32' || tensor.data.length !== rows * width) {
    throw new Geo2Error('INFERENCE_FAILED', `The model's embedding is not ${rows} x ${width} floats.`);
  }
  return Array.from({ length: rows }, (_, row) => {
    const embedding = tensor.data.slice(row * width, (row + 1) * width);
    return areFinite(embedding) ? embedding : notFinite();
  });
}

function areFinite(numbers: Float32Array): boolean {
  let sum = 0; // of doubles: floats that are finite cannot make it overflow
  for (const number of numbers) sum += number;
  return Number.isFinite(sum);
}

function notFinite(): Geo2Error {
  return new Geo2Error('INFERENCE_FAILED', 'The model gave values that are not finite for this image.');
}

function checkSize(
  what: string,
  got: { widthPx: number; heightPx: number; rgb: Uint8Array },
  expected: { widthPx: number; heightPx: number },
): void {
  const { widthPx, heightPx } = expected;
  if (got.widthPx === widthPx && got.heightPx === heightPx && got.rgb.length === widthPx * heightPx * 3) return;
  throw new Geo2Error('MODEL_MISMATCH', `The model takes a ${what} of ${widthPx} x ${heightPx} px.`, {
    data: { got: { widthPx: got.widthPx, heightPx: got.heightPx }, expected: { widthPx, heightPx } },
  });
}

function checkOptions(options: { threads: number; maxBatch: number; maxQueue: number; maxWaitMs: number }): void {
  for (const name of ['threads', 'maxBatch', 'maxQueue'] as const) {
    const value = options[name];
    if (!Number.isInteger(value) || value < 1) throw new RangeError(`${name} must be a positive integer, got ${value}`);
  }
  if (!(options.maxWaitMs >= 0)) throw new RangeError(`maxWaitMs must be 0 or more, got ${options.maxWaitMs}`);
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
