/**
 * The program of the inference child: the only one that loads onnxruntime, because a run blocks its event loop and may take
 * the process down. One message at a time, in order. It lives exactly as long as its channel to the supervisor.
 */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type ChildReply, type ChildRequest, type ChildTensor, parseRequest } from './protocol.ts';

const sessions = new Map<string, InferenceSession>();
let last: Promise<void> = Promise.resolve();

process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole group: the supervisor drains first and then closes the channel
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
process.on('message', (message) => {
  const request = parseRequest(message);
  last = last.then(() => answer(request)).then(reply);
});

function reply(message: ChildReply): void {
  process.send?.(message, undefined, {}, () => {});
}

async function answer(request: ChildRequest): Promise<ChildReply> {
  try {
    return request.type === 'load' ? await load(request) : await run(request);
  } catch (error) {
    return { type: 'error', id: request.id, message: error instanceof Error ? error.message : String(error) };
  }
}

async function load(request: Extract<ChildRequest, { type: 'load' }>): Promise<ChildReply> {
  for (const [name, path] of Object.entries(request.graphs)) {
    const session = await InferenceSession.create(path, {
      executionProviders: [request.provider],
      intraOpNumThreads: request.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // memory goes back after a large batch, and idle threads sleep instead of burning a core
      enableCpuMemArena: false,
      enableMemPattern: false,
      extra: { session: { intra_op: { allow_spinning: '0' } } },
      logSeverityLevel: 3,
    });
    sessions.set(name, session);
  }
  return { type: 'loaded', id: request.id };
}

async function run(request: Extract<ChildRequest, { type: 'run' }>): Promise<ChildReply> {
  const session = sessions.get(request.graph);
  if (session === undefined) throw new Error(`graph ${request.graph} is not loaded`);
  const feeds: Record<string, Tensor> = {};
  for (const [name, tensor] of Object.entries(request.inputs)) feeds[name] = toOrt(tensor);
  const startedAt = performance.now();
  const results = await session.run(feeds);
  const computeMs = performance.now() - startedAt;
  const outputs: Record<string, ChildTensor> = {};
  for (const [name, tensor] of Object.entries(results)) {
    outputs[name] = fromOrt(name, tensor);
  }
  const startedAtMs = performance.timeOrigin + startedAt;
  return { type: 'result', id: request.id, outputs, computeMs, startedAtMs, pid: process.pid };
}

function toOrt(tensor: ChildTensor): Tensor {
  return tensor.dtype === 'uint8'
    ? new Tensor('uint8', tensor.data, tensor.dims)
    : new Tensor('float32', tensor.data, tensor.dims);
}

/** A copy: the tensor's own memory is onnxruntime's. */
function fromOrt(name: string, { data, dims, type }: Tensor): ChildTensor {
  if (data instanceof Float32Array) return { dtype: 'float32', dims: [...dims], data: new Float32Array(data) };
  if (data instanceof Uint8Array) return { dtype: 'uint8', dims: [...dims], data: new Uint8Array(data) };
  throw new Error(`output ${name} is ${type}, neither float32 nor uint8`);
}
