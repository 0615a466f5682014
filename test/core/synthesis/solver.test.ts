import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SOLVER_NAMES } from '#core/inference/manifest.ts';
import { type Integration, integrate, type Velocity } from '#core/synthesis/solver.ts';

/** x' = a x + b cos(t), whose solution is known. */
const linear =
  (a: number, b: number): Velocity =>
  async (x, t) =>
    x.map((value) => a * value + b * Math.cos(t));

function exactLinear(x0: number, from: number, to: number, a: number, b: number): number {
  const particular = (t: number): number => (b * (Math.sin(t) - a * Math.cos(t))) / (1 + a * a);
  return (x0 - particular(from)) * Math.exp(a * (to - from)) + particular(to);
}

/** x' = x^2: a velocity that is not linear in x. */
const quadratic: Velocity = async (x) => x.map((value) => value * value);

const start = Float32Array.of(0.5, -0.25, 1.25);
const rates = fc.double({ min: -1.5, max: 1.5, noNaN: true });

async function errorOf(way: Pick<Integration, 'solver' | 'steps'>, a: number, b: number): Promise<number> {
  const { end } = await integrate({ velocity: linear(a, b), start, from: 0, to: 1, ...way });
  return Math.max(...[...start].map((x0, i) => Math.abs((end[i] ?? Number.NaN) - exactLinear(x0, 0, 1, a, b))));
}

describe('the order of convergence', () => {
  test.each([
    ['euler', 1, 64],
    ['heun', 2, 16],
    ['rk4', 4, 4],
  ] as const)('of %s is %i: twice the steps, 2^order less error', async (solver, order, steps) => {
    // far above the rounding of float32
    const once = await errorOf({ solver, steps }, 1.3, -2);
    const twice = await errorOf({ solver, steps: 2 * steps }, 1.3, -2);
    expect(Math.log2(once / twice)).toBeGreaterThan(order - 0.3);
    expect(Math.log2(once / twice)).toBeLessThan(order + 0.5);
  });

  test('holds where the velocity is not linear: heun on x’ = x²', async () => {
    const error = async (steps: number): Promise<number> => {
      const way = { velocity: quadratic, start: Float32Array.of(0.5), from: 0, to: 1, solver: 'heun', steps } as const;
      return Math.abs(((await integrate(way)).end[0] ?? Number.NaN) - 1);
    };
    expect(Math.log2((await error(16)) / (await error(32)))).toBeGreaterThan(1.7);
  });
});

describe('any solver', () => {
  test.each(SOLVER_NAMES)('%s comes to the analytic end, within its order', async (solver) => {
    await fc.assert(
      fc.asyncProperty(rates, rates, async (a, b) => {
        expect(await errorOf({ solver, steps: 50 }, a, b)).toBeLessThan(solver === 'euler' ? 0.4 : 5e-3);
      }),
      { numRuns: 30 },
    );
  });

  test.each(SOLVER_NAMES)('%s comes back to where it began when it goes there and back', async (solver) => {
    await fc.assert(
      fc.asyncProperty(rates, rates, async (a, b) => {
        const way = { velocity: linear(a, b), solver, steps: 50 } as const;
        const there = await integrate({ ...way, start, from: 0, to: 1 });
        const { end } = await integrate({ ...way, start: there.end, from: 1, to: 0 });
        const away = Math.max(...[...end].map((value, i) => Math.abs(value - (start[i] ?? Number.NaN))));
        expect(away).toBeLessThan(solver === 'euler' ? 0.5 : 1e-2);
      }),
      { numRuns: 20 },
    );
  });

  test.each(SOLVER_NAMES)('%s asks only for times on the way, and leaves its start as it was', async (solver) => {
    const kept = new Float32Array(start);
    const times: number[] = [];
    const velocity: Velocity = async (x, t) => {
      times.push(t);
      return x.map(() => 1);
    };
    const { end, evaluations } = await integrate({ velocity, start, from: 1, to: 0, solver, steps: 4 });
    expect(start).toEqual(kept);
    expect(evaluations).toBe(times.length);
    for (const t of times) expect(t >= -1e-12 && t <= 1 + 1e-12).toBe(true);
    for (const [i, value] of end.entries()) expect(value).toBeCloseTo((kept[i] ?? Number.NaN) - 1, 5);
  });

  test.each(SOLVER_NAMES)('%s tells of each step how much of the way is done, all of it at last', async (solver) => {
    const shares: number[] = [];
    const way = { velocity: linear(1, 1), start, from: 1, to: 0, solver, steps: 5 } as const;
    const { steps } = await integrate({ ...way, onStep: (share) => shares.push(share) });
    expect(shares).toHaveLength(steps);
    expect(shares).toEqual([...shares].sort((a, b) => a - b));
    expect(shares.at(-1)).toBeCloseTo(1, 12);
  });

  test.each(SOLVER_NAMES)('%s ends between two evaluations when it is canceled', async (solver) => {
    const controller = new AbortController();
    let asked = 0;
    const velocity: Velocity = async (x) => {
      asked += 1;
      controller.abort();
      return x;
    };
    const way = { velocity, start, from: 0, to: 1, solver, steps: 10, signal: controller.signal };
    await expect(integrate(way)).rejects.toMatchObject({ code: 'CANCELED' });
    expect(asked).toBe(1);
  });

  test.each(SOLVER_NAMES)(
    '%s fails where a value is not finite, and where a velocity has another size',
    async (solver) => {
      const way = { start, from: 0, to: 1, solver, steps: 3 } as const;
      const failed = { code: 'INFERENCE_FAILED' };
      const nowhere: Velocity = async (x) => x.map(() => Number.NaN);
      await expect(integrate({ ...way, velocity: nowhere })).rejects.toMatchObject(failed);
      await expect(integrate({ ...way, velocity: async () => new Float32Array(1) })).rejects.toMatchObject(failed);
    },
  );
});

describe('dopri5', () => {
  test('takes more steps where less error is allowed, and comes closer', async () => {
    const run = async (tolerance: number) => {
      const way = {
        velocity: quadratic,
        start: Float32Array.of(0.9),
        from: 0,
        to: 1,
        solver: 'dopri5',
        steps: 1,
      } as const;
      const { end, steps } = await integrate({ ...way, rtol: tolerance, atol: tolerance });
      return { steps, error: Math.abs((end[0] ?? Number.NaN) - 9) };
    };
    const loose = await run(1e-2);
    const tight = await run(1e-5);
    expect(tight.steps).toBeGreaterThan(loose.steps);
    expect(tight.error).toBeLessThan(loose.error);
  });

  test('gives up where no step is small enough', async () => {
    const velocity: Velocity = async (x, t) => x.map((value) => value * value * (1 + t));
    const way = { velocity, start: Float32Array.of(2), from: 0, to: 1, solver: 'dopri5', steps: 10 } as const;
    await expect(integrate(way)).rejects.toMatchObject({ code: 'INFERENCE_FAILED' });
  });
});

test('no step is no integration', async () => {
  const way = { velocity: quadratic, start, from: 0, to: 1, solver: 'euler', steps: 0 } as const;
  await expect(integrate(way)).rejects.toThrow(RangeError);
});
