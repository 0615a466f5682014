import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
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
const released = join(import.meta.dirname, '../../models/released/geo2-mini');

let dir: string;
let model: Model;
let golden: Golden;
let made: string | undefined;

/** The released model where it makes views, else the tiny one: both were written by Python. */
beforeAll(async () => {
  const pointer = z
    .object({ version: z.string() })
    .parse(JSON.parse(await readFile(join(released, 'current.json'), 'utf8')));
  dir = join(released, pointer.version);
  const makesViews = await access(join(dir, 'flow-velocity.onnx')).then(
    () => true,
    () => false,
  );
  if (!makesViews) {
    made = await mkdtemp(join(tmpdir(), 'geo2-'));
    dir = made;
    await writeTinySynthesisModel(dir);
  }
  model = await loadOnnxModel({ dir, threads: 1 });
  golden = await readGolden(dir, model.manifest);
});
afterAll(async () => {
  await model.stop();
  if (made !== undefined) await rm(made, { recursive: true, force: true });
});

describe('the solvers in TypeScript on the exported graphs', () => {
  test('have a golden way of every solver in both directions, and one that keeps its condition for two steps', () => {
    for (const direction of DIRECTIONS) {
      for (const solver of SOLVER_NAMES) {
        expect(golden.synthesis.filter((way) => way.direction === direction && way.solver === solver)).not.toEqual([]);
      }
    }
    expect(golden.synthesis.filter(({ conditionEvery }) => conditionEvery === 2)).not.toEqual([]);
  });

  test('come to the ends that Python came to, to 1e-4', async () => {
    const graphs = model.synthesis;
    if (graphs === undefined) throw new Error('the model makes no views');
    for (const { direction, solver, steps, conditionEvery, ...blobs } of golden.synthesis) {
      const [condition, start, end] = await Promise.all(
        [blobs.condition, blobs.start, blobs.end].map(async (blob) => {
          const tensor = await readGoldenBlob(dir, model.manifest, blob);
          return new Float32Array(tensor.data);
        }),
      );
      if (condition === undefined || start === undefined || end === undefined) throw new Error('a blob is missing');
      const got = await translate(graphs, { latent: start, condition, direction, solver, steps, conditionEvery });
      expect(maxAbsError(start, end), 'the way leads somewhere').toBeGreaterThan(10 * TOLERANCE);
      expect(maxAbsError(got.end, end), `${direction} ${solver} ${conditionEvery}`).toBeLessThanOrEqual(TOLERANCE);
    }
  });
});
