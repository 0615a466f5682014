import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { type Golden, maxAbsError, readGolden, readGoldenBlob } from '#core/inference/golden.ts';
import { SOLVER_NAMES } from '#core/inference/manifest.ts';
import { loadOnnxModel } from '#core/inference/model.onnx.ts';
import type { Model } from '#core/inference/model.ts';
import { DIRECTIONS, translate } from '#core/synthesis/flow.ts';
import { writeTinySynthesisModel } from '../core/inference/tiny-synthesis.ts';

const TOLERANCE = 1e-4;
const RELEASED = join(import.meta.dirname, '../../models/released/geo2-mini');

async function releasedDir(): Promise<string> {
  const pointer = JSON.parse(await readFile(join(RELEASED, 'current.json'), 'utf8'));
  return join(RELEASED, z.object({ version: z.string() }).parse(pointer).version);
}

/** Both were written by Python; a release may be of a time that knew no guidance. */
describe.each(['released', 'tiny'])('the solvers in TypeScript on the exported graphs of the %s model', (which) => {
  let dir: string;
  let made: string | undefined;
  let model: Model;
  let golden: Golden;

  beforeAll(async () => {
    if (which === 'tiny') {
      made = await mkdtemp(join(tmpdir(), 'geo2-'));
      await writeTinySynthesisModel(made);
    }
    dir = made ?? (await releasedDir());
    model = await loadOnnxModel({ dir, threads: 1 });
    golden = await readGolden(dir, model.manifest);
  });
  afterAll(async () => {
    await model.stop();
    if (made !== undefined) await rm(made, { recursive: true, force: true });
  });

  test('have a golden way of every solver in both directions, and one that keeps its condition for two steps', () => {
    for (const direction of DIRECTIONS) {
      for (const solver of SOLVER_NAMES) {
        expect(golden.synthesis.filter((way) => way.direction === direction && way.solver === solver)).not.toEqual([]);
      }
    }
    expect(golden.synthesis.filter(({ conditionEvery }) => conditionEvery === 2)).not.toEqual([]);
  });

  test.runIf(which === 'tiny')('have a golden way that is guided, which ends elsewhere', async () => {
    for (const direction of DIRECTIONS) {
      const [guided, plain] = [1.5, 1].map((w) =>
        golden.synthesis.find((way) => way.direction === direction && way.conditionEvery === 2 && way.guidance === w),
      );
      if (guided === undefined || plain === undefined) throw new Error('a way is missing');
      const [a, b] = await Promise.all(
        [guided.end, plain.end].map((blob) => readGoldenBlob(dir, model.manifest, blob)),
      );
      expect(maxAbsError(a?.data, b?.data ?? [])).toBeGreaterThan(10 * TOLERANCE);
    }
  });

  test('come to the ends that Python came to, to 1e-4', { timeout: 120_000 }, async () => {
    const graphs = model.synthesis;
    if (graphs === undefined) throw new Error('the model makes no views');
    for (const { condition: c, start: s, end: e, ...way } of golden.synthesis) {
      const tensors = await Promise.all([c, s, e].map((blob) => readGoldenBlob(dir, model.manifest, blob)));
      const [condition, latent, end] = tensors.map(({ data }) => new Float32Array(data));
      if (condition === undefined || latent === undefined || end === undefined) throw new Error('a blob is missing');
      const got = await translate(graphs, { ...way, latent, condition });
      expect(maxAbsError(latent, end), 'the way leads somewhere').toBeGreaterThan(10 * TOLERANCE);
      expect(maxAbsError(got.end, end), JSON.stringify(way)).toBeLessThanOrEqual(TOLERANCE);
    }
  });
});
