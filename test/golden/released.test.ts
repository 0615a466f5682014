import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readGolden, readGoldenBlob } from '#core/inference/golden.ts';
import { openOnnxModel } from '#core/inference/model.onnx.ts';
import type { Model } from '#core/inference/model.ts';

const released = join(import.meta.dirname, '../../models/released/geo2-mini');

let dir: string;
let model: Model;
beforeAll(async () => {
  const pointer: unknown = JSON.parse(await readFile(join(released, 'current.json'), 'utf8'));
  dir = join(released, z.object({ version: z.string() }).parse(pointer).version);
  model = await openOnnxModel({ dir, threads: 2 });
  await model.start();
});
afterAll(() => model.stop());

/** The golden case of a graph: its images, their masks, and what torch made of them. */
async function goldenOf(graph: 'ground' | 'satellite') {
  const golden = await readGolden(dir, model.manifest);
  const found = golden.cases.find((one) => one.graph === graph);
  const [image, mask, embedding] = await Promise.all(
    [found?.inputs.image, found?.inputs.mask, found?.outputs.embedding].map((blob) =>
      blob === undefined ? undefined : readGoldenBlob(dir, model.manifest, blob),
    ),
  );
  if (image?.dtype !== 'uint8' || embedding?.dtype !== 'float32') throw new Error(`no golden case of ${graph}`);
  const [count = 0, heightPx = 0, widthPx = 0] = image.dims;
  const part = (data: Uint8Array, item: number) =>
    data.slice((item * data.length) / count, ((item + 1) * data.length) / count);
  const items = Array.from({ length: count }, (_, item) => ({
    rgb: part(image.data, item),
    mask: mask?.dtype === 'uint8' ? part(mask.data, item) : new Uint8Array(),
    widthPx,
    heightPx,
  }));
  return { items, expected: embedding.data, width: embedding.data.length / count };
}

describe('the released model in onnxruntime-node', () => {
  test.each(['ground', 'satellite'] as const)('embeds the golden %s views as torch did, to 1e-4', async (graph) => {
    const { items, expected, width } = await goldenOf(graph);
    const embed = graph === 'ground' ? model.embedGround : model.embedSatellite;
    const embeddings = await embed.call(model, items);
    expect(width).toBe(model.manifest.embedding.width);
    let worst = 0;
    for (const [item, embedding] of embeddings.entries()) {
      for (const [i, value] of embedding.entries()) {
        worst = Math.max(worst, Math.abs(value - (expected[item * width + i] ?? Number.NaN)));
      }
    }
    expect(embeddings).toHaveLength(items.length);
    expect(worst).toBeLessThanOrEqual(1e-4);
  });
});
