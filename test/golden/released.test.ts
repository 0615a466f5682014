import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { readGolden, readGoldenBlob } from '#core/inference/golden.ts';
import { openOnnxModel } from '#core/inference/model.onnx.ts';
import type { Model } from '#core/inference/model.ts';
import type { ChildTensor } from '#core/inference/protocol.ts';

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

/** The golden case of a graph: its images, their masks, and what torch made of them, an array of floats for each image. */
async function goldenOf(graph: 'ground' | 'satellite') {
  const golden = await readGolden(dir, model.manifest);
  const found = golden.cases.find((one) => one.graph === graph);
  const [image, mask, embedding, hypotheses] = await Promise.all(
    [found?.inputs.image, found?.inputs.mask, found?.outputs.embedding, found?.outputs.hypotheses].map((blob) =>
      blob === undefined ? undefined : readGoldenBlob(dir, model.manifest, blob),
    ),
  );
  if (image?.dtype !== 'uint8' || embedding?.dtype !== 'float32') throw new Error(`no golden case of ${graph}`);
  const [count = 0, heightPx = 0, widthPx = 0] = image.dims;
  const part = (data: Uint8Array, item: number) =>
    data.slice((item * data.length) / count, ((item + 1) * data.length) / count);
  const rowsOf = (tensor: ChildTensor, item: number) =>
    Array.from(tensor.data.slice((item * tensor.data.length) / count, ((item + 1) * tensor.data.length) / count));
  return Array.from({ length: count }, (_, item) => ({
    image: {
      rgb: part(image.data, item),
      mask: mask?.dtype === 'uint8' ? part(mask.data, item) : new Uint8Array(),
      widthPx,
      heightPx,
    },
    embedding: rowsOf(embedding, item),
    hypotheses: hypotheses === undefined ? undefined : rowsOf(hypotheses, item),
  }));
}

function worstDifference(got: Iterable<number>, expected: readonly number[]): number {
  const values = [...got];
  if (values.length !== expected.length) return Number.POSITIVE_INFINITY;
  return Math.max(...values.map((value, i) => Math.abs(value - (expected[i] ?? Number.NaN))));
}

describe('the released model in onnxruntime-node', () => {
  test('embeds the golden ground views as torch did, to 1e-4', async () => {
    const cases = await goldenOf('ground');
    const answers = await model.embedGround(cases.map(({ image }) => image));
    expect(answers).toHaveLength(cases.length);
    for (const [i, { embedding, hypotheses }] of answers.entries()) {
      expect(embedding).toHaveLength(model.manifest.embedding.width);
      expect(worstDifference(embedding, cases[i]?.embedding ?? [])).toBeLessThanOrEqual(1e-4);
      expect(hypotheses).toHaveLength(model.manifest.hypotheses.length);
      const all = hypotheses.flatMap((vector) => [...vector]);
      expect(worstDifference(all, cases[i]?.hypotheses ?? [...embedding])).toBeLessThanOrEqual(1e-4);
    }
  });

  test('embeds the golden satellite views as torch did, to 1e-4', async () => {
    const cases = await goldenOf('satellite');
    const answers = await model.embedSatellite(cases.map(({ image }) => image));
    expect(answers).toHaveLength(cases.length);
    for (const [i, embedding] of answers.entries()) {
      expect(embedding).toHaveLength(model.manifest.embedding.width);
      expect(worstDifference(embedding, cases[i]?.embedding ?? [])).toBeLessThanOrEqual(1e-4);
    }
  });
});
