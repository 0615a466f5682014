import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GroundCanvas } from '#core/image/panorama.ts';
import { floats, graph, longs, model, node, tensor, value } from '../../onnx-graph.ts';

export const TINY_WIDTH = 8;

/**
 * A released model whose behaviour a test controls by the pixels: the embedding is a fixed projection of the mean colour,
 * scaled to unit length. A black image gives 0 / 0 = NaN. The red value of the batch's first pixel makes the ground graph
 * slow unless `slow` is false: about `red` x 0.1 s.
 */
export async function writeTinyModel(
  dir: string,
  { width = TINY_WIDTH, slow = true }: { width?: number; slow?: boolean } = {},
): Promise<void> {
  await mkdir(join(dir, 'golden'), { recursive: true });
  await writeFile(join(dir, 'ground.onnx'), embedder({ dims: [96, 384, 3], mask: true, width, slow }));
  await writeFile(join(dir, 'satellite.onnx'), embedder({ dims: [128, 128, 3], mask: false, width, slow: false }));
  const canvas = canvasOf([0, 200, 50]);
  const tile = new Uint8Array(128 * 128 * 3).fill(90);
  await writeFile(join(dir, 'golden/ground.image.bin'), canvas.rgb);
  await writeFile(join(dir, 'golden/ground.mask.bin'), canvas.mask);
  await writeFile(join(dir, 'golden/ground.embedding.bin'), embeddingOf([0, 200, 50], width));
  await writeFile(join(dir, 'golden/satellite.image.bin'), tile);
  await writeFile(join(dir, 'golden/satellite.embedding.bin'), embeddingOf([90, 90, 90], width));
  const blob = (file: string, dtype: string, shape: number[]) => ({ file, dtype, shape });
  const golden = {
    cases: [
      {
        graph: 'ground',
        inputs: {
          image: blob('ground.image.bin', 'uint8', [1, 96, 384, 3]),
          mask: blob('ground.mask.bin', 'uint8', [1, 96, 384]),
        },
        outputs: { embedding: blob('ground.embedding.bin', 'float32', [1, width]) },
      },
      {
        graph: 'satellite',
        inputs: { image: blob('satellite.image.bin', 'uint8', [1, 128, 128, 3]) },
        outputs: { embedding: blob('satellite.embedding.bin', 'float32', [1, width]) },
      },
    ],
  };
  await writeFile(join(dir, 'golden/golden.json'), JSON.stringify(golden));
  await writeManifest(dir, tinyManifest(width));
}

/** Writes manifest.json with the sizes and hashes of the files as they are now. */
export async function writeManifest(dir: string, overrides: Record<string, unknown> = {}): Promise<void> {
  const paths = (await readdir(dir, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + 1));
  const files = await Promise.all(
    paths.map(async (path) => {
      const bytes = await readFile(join(dir, path));
      return { path, sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length };
    }),
  );
  await writeFile(join(dir, 'manifest.json'), JSON.stringify({ ...tinyManifest(), files, ...overrides }));
}

/** The colour fills the canvas; `slow` becomes the red value of its first pixel. */
export function canvasOf(colour: readonly [number, number, number], slow = 0): GroundCanvas {
  const rgb = new Uint8Array(96 * 384 * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = colour[i % 3] ?? 0;
  rgb[0] = slow;
  return { rgb, mask: new Uint8Array(96 * 384).fill(1), widthPx: 384, heightPx: 96 };
}

export function embeddingOf(colour: readonly number[], width = TINY_WIDTH): Float32Array<ArrayBuffer> {
  const raw = Array.from({ length: width }, (_, w) => colour.reduce((sum, level, c) => sum + level * weight(c, w), 0));
  return Float32Array.from(raw, (entry) => entry / Math.hypot(...raw));
}

function weight(channel: number, column: number): number {
  return Math.sin(1 + channel * TINY_WIDTH + column);
}

function embedder({
  dims,
  mask,
  width,
  slow,
}: {
  dims: number[];
  mask: boolean;
  width: number;
  slow: boolean;
}): Uint8Array {
  const side = 256;
  const weights = Array.from({ length: 3 * width }, (_, i) => weight(Math.floor(i / width), i % width));
  const zeros = new Uint8Array(side * side * 4);
  const body = graph({
    name: 'spin',
    nodes: [node('Identity', ['cond_in'], ['cond_out']), node('MatMul', ['x_in', 'zero_square'], ['x_out'])],
    initializers: [],
    inputs: [value('i', 'int64', []), value('cond_in', 'bool', []), value('x_in', 'float32', [side, side])],
    outputs: [value('cond_out', 'bool', []), value('x_out', 'float32', [side, side])],
  });
  return model({
    name: 'tiny',
    nodes: [
      node('Cast', ['image'], ['pixels'], { to: { int: 1 } }),
      node('ReduceMean', ['pixels'], ['colour'], { axes: { ints: [1, 2] }, keepdims: { int: 0 } }),
      node('MatMul', ['colour', 'weights'], ['projected']),
      node('Slice', ['pixels', 'origin', 'origin_end'], ['first']),
      node('Reshape', ['first', 'scalar_shape'], ['red']),
      node('Mul', ['red', 'turns_per_level'], ['turns']),
      node('Cast', ['turns'], ['trips'], { to: { int: 7 } }),
      node('Loop', ['trips', '', 'zero_square'], ['spun'], { body: { graph: body } }),
      node('ReduceMean', ['spun'], ['nothing'], { keepdims: { int: 0 } }),
      node('Add', ['projected', 'nothing'], ['embedded']),
      node('ReduceL2', ['embedded'], ['norm'], { axes: { ints: [1] }, keepdims: { int: 1 } }),
      node('Div', ['embedded', 'norm'], ['embedding']),
    ],
    initializers: [
      floats('weights', [3, width], weights),
      longs('origin', [0, 0, 0, 0]),
      longs('origin_end', [1, 1, 1, 1]),
      longs('scalar_shape', [], [0]),
      floats('turns_per_level', [], [slow ? 200 : 0]),
      tensor('zero_square', 'float32', [side, side], zeros),
    ],
    inputs: [
      value('image', 'uint8', ['batch', ...dims]),
      ...(mask ? [value('mask', 'uint8', ['batch', ...dims.slice(0, 2)])] : []),
    ],
    outputs: [value('embedding', 'float32', ['batch', width])],
  });
}

export function tinyManifest(width = TINY_WIDTH) {
  const embedding = { name: 'embedding', dtype: 'float32', shape: ['batch', width] };
  return {
    schemaVersion: 1,
    name: 'tiny',
    version: '0.0.1',
    createdAt: '2026-01-01T00:00:00Z',
    licence: 'Apache-2.0',
    embedding: { width, metric: 'cosine' },
    geometry: {
      ground: {
        projection: 'equirectangular',
        widthPx: 384,
        heightPx: 96,
        elevationTopDeg: 45,
        elevationBottomDeg: -45,
        fovDeg: { min: 60, max: 360 },
      },
      satellite: { widthPx: 128, heightPx: 128, metresPerTile: 70 },
    },
    orientationBank: { recommended: 8 },
    graphs: {
      ground: {
        file: 'ground.onnx',
        inputs: [
          { name: 'image', dtype: 'uint8', shape: ['batch', 96, 384, 3] },
          { name: 'mask', dtype: 'uint8', shape: ['batch', 96, 384] },
        ],
        outputs: [embedding],
      },
      satellite: {
        file: 'satellite.onnx',
        inputs: [{ name: 'image', dtype: 'uint8', shape: ['batch', 128, 128, 3] }],
        outputs: [embedding],
      },
    },
    latent: null,
    calibration: {
      source: 'none',
      temperature: 0.03,
      notHereSimilarity: 0.4,
      matchedMinProbability: 0.6,
      ambiguousMinProbability: 0.3,
      tileSigmaM: 14,
      radiusScale: 1,
      profiles: {},
      headingSigmaDeg: 12,
    },
    golden: { file: 'golden/golden.json', tolerance: 1e-4 },
    training: { config: 'none' },
  };
}
