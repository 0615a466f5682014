import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { type ModelManifest, SOLVER_NAMES } from './manifest.ts';
import type { ChildTensor } from './protocol.ts';

/** Raw little-endian C-order values beside golden.json. */
const BlobSchema = z.object({
  file: z.string().regex(/^[\w.-]+$/),
  dtype: z.enum(['uint8', 'float32']),
  shape: z.array(z.int().positive()).min(1),
});

/** A way through the latent space as the model's writer went it. */
const SynthesisCaseSchema = z.object({
  direction: z.enum(['ground_to_satellite', 'satellite_to_ground']),
  solver: z.enum(SOLVER_NAMES),
  steps: z.int().positive(),
  conditionEvery: z.int().min(0),
  guidance: z.number().default(1),
  condition: BlobSchema,
  start: BlobSchema,
  end: BlobSchema,
});

const GoldenSchema = z.object({
  cases: z
    .array(
      z.object({
        graph: z.string(),
        inputs: z.record(z.string(), BlobSchema),
        outputs: z.record(z.string(), BlobSchema),
      }),
    )
    .min(1),
  /** Photos and the canvases that both languages make of them. */
  canvas: z
    .array(
      z.object({
        photo: z.string().regex(/^[\w.-]+$/),
        headingDeg: z.number().nullish(),
        fovDeg: z.number(),
        image: BlobSchema,
        mask: BlobSchema,
      }),
    )
    .default([]),
  /** Both languages' solvers on the graphs of synthesis. */
  synthesis: z.array(SynthesisCaseSchema).default([]),
});

export type Golden = z.infer<typeof GoldenSchema>;
export type GoldenBlob = z.infer<typeof BlobSchema>;

/** Reads golden.json of a released model. Throws FILE_MISSING or MANIFEST_INVALID. */
export async function readGolden(dir: string, manifest: ModelManifest): Promise<Golden> {
  const file = manifest.golden.file;
  const parsed = GoldenSchema.safeParse(parseJson(await readNamed(dir, file), file));
  if (parsed.success) return parsed.data;
  throw new Geo2Error('MANIFEST_INVALID', `${file} is not valid:\n${z.prettifyError(parsed.error)}`, {
    data: { file },
  });
}

/** One tensor of a golden sample. */
export async function readGoldenBlob(dir: string, manifest: ModelManifest, blob: GoldenBlob): Promise<ChildTensor> {
  const file = join(dirname(manifest.golden.file), blob.file);
  const raw = await readNamed(dir, file);
  const values = blob.shape.reduce((product, length) => product * length, 1);
  const bytes = new Uint8Array(raw); // its own buffer, aligned for floats
  if (bytes.length !== values * (blob.dtype === 'uint8' ? 1 : 4)) {
    throw new Geo2Error('FILE_CORRUPT', `${file} does not hold ${blob.shape.join(' x ')} ${blob.dtype}.`, {
      data: { file },
    });
  }
  return blob.dtype === 'uint8'
    ? { dtype: 'uint8', dims: blob.shape, data: bytes }
    : { dtype: 'float32', dims: blob.shape, data: new Float32Array(bytes.buffer) };
}

/** Runs one graph on named tensors. */
export type RunGraph = (
  graph: string,
  inputs: Record<string, ChildTensor>,
) => Promise<{ outputs: Record<string, ChildTensor> }>;

/**
 * Runs every golden case of the loaded graphs and compares with what the model's writer got. Throws MODEL_UNAVAILABLE,
 * naming the first output that differs by more than the manifest's tolerance, or a graph that has no case.
 */
export async function checkGolden(
  dir: string,
  manifest: ModelManifest,
  { graphs, run }: { graphs: readonly string[]; run: RunGraph },
): Promise<void> {
  const golden = await readGolden(dir, manifest);
  const untested = graphs.find((graph) => !golden.cases.some((sample) => sample.graph === graph));
  if (untested !== undefined) {
    throw new Geo2Error('MODEL_UNAVAILABLE', `Golden check failed: there is no case for the graph ${untested}.`);
  }
  for (const { graph, inputs, outputs } of golden.cases) {
    if (!graphs.includes(graph)) continue;
    const tensors: Record<string, ChildTensor> = {};
    for (const [name, blob] of Object.entries(inputs)) tensors[name] = await readGoldenBlob(dir, manifest, blob);
    const got = await run(graph, tensors);
    for (const [name, blob] of Object.entries(outputs)) {
      const expected = await readGoldenBlob(dir, manifest, blob);
      const error = maxAbsError(got.outputs[name]?.data, expected.data);
      // a level is as close as rounded pixels come on another processor
      if (error <= (expected.dtype === 'uint8' ? 1 : manifest.golden.tolerance)) continue;
      throw new Geo2Error('MODEL_UNAVAILABLE', `Golden check failed: ${graph}.${name} is off by ${error}.`, {
        data: { graph, output: name, error, tolerance: manifest.golden.tolerance },
      });
    }
  }
}

/** NaN anywhere, or another length, counts as infinitely far. */
export function maxAbsError(got: ArrayLike<number> | undefined, expected: ArrayLike<number>): number {
  if (got === undefined || got.length !== expected.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs((got[i] ?? Number.NaN) - (expected[i] ?? Number.NaN));
    if (Number.isNaN(error)) return Number.POSITIVE_INFINITY;
    if (error > worst) worst = error;
  }
  return worst;
}

async function readNamed(dir: string, file: string): Promise<Buffer> {
  return readFile(join(dir, file)).catch((cause: unknown) => {
    throw new Geo2Error('FILE_MISSING', `${file} is missing.`, { data: { file }, cause });
  });
}

function parseJson(text: Buffer, file: string): unknown {
  try {
    return JSON.parse(text.toString('utf8'));
  } catch (cause) {
    throw new Geo2Error('MANIFEST_INVALID', `${file} is not JSON.`, { data: { file }, cause });
  }
}
