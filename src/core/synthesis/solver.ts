import { Geo2Error, throwIfCanceled } from '../errors.ts';
import type { SolverName } from '../inference/manifest.ts';

/** dx/dt at x and t. The array it gives is not kept, and what it is given must not be changed. */
export type Velocity = (x: Float32Array, t: number, at: Evaluation) => Promise<Float32Array>;

/** Which evaluation of the velocity it is. */
export interface Evaluation {
  /** Of the steps tried, from 0; one that was refused counts. */
  readonly step: number;
  /** Within its step, from 0. */
  readonly stage: number;
}

export interface Integration {
  readonly velocity: Velocity;
  readonly start: Float32Array;
  /** `to` may lie before `from`: the same way back. */
  readonly from: number;
  readonly to: number;
  readonly solver: SolverName;
  /** Equal steps; of dopri5 only the first is of that length. */
  readonly steps: number;
  /** Error that a step of dopri5 may make: `atol + rtol * |x|`, as the root mean square over x. */
  readonly rtol?: number | undefined;
  readonly atol?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Told after each step how much of the way is done, 0..1. */
  readonly onStep?: ((share: number) => void) | undefined;
}

export interface Integrated {
  readonly end: Float32Array;
  /** Steps that were taken, and evaluations of the velocity for them and for those that were refused. */
  readonly steps: number;
  readonly evaluations: number;
}

const DEFAULT_TOLERANCE = 1e-3;
/** Steps tried after which an adaptive solver gives up. */
const MAX_ADAPTIVE_STEPS = 1_000;

/** An explicit Runge-Kutta method: row i of `a` makes stage i of the stages before it, `b` the step of all. */
interface Tableau {
  readonly c: readonly number[];
  readonly a: readonly (readonly number[])[];
  readonly b: readonly number[];
}

const EULER: Tableau = { c: [0], a: [[]], b: [1] };
const HEUN: Tableau = { c: [0, 1], a: [[], [1]], b: [1 / 2, 1 / 2] };
const RK4: Tableau = {
  c: [0, 1 / 2, 1 / 2, 1],
  a: [[], [1 / 2], [0, 1 / 2], [0, 0, 1]],
  b: [1 / 6, 1 / 3, 1 / 3, 1 / 6],
};
/** Dormand and Prince 1980, the pair 5(4). That a step's last velocity is the next one's first is not used: the latter may have a new condition. */
const DOPRI5: Tableau = {
  c: [0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1, 1],
  a: [
    [],
    [1 / 5],
    [3 / 40, 9 / 40],
    [44 / 45, -56 / 15, 32 / 9],
    [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729],
    [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
  ],
  b: [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0],
};
/** What the fifth order's weights differ by from the fourth's: the error of a step. */
const DOPRI5_ERROR = [71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40];

const FIXED: Readonly<Record<Exclude<SolverName, 'dopri5'>, Tableau>> = { euler: EULER, heun: HEUN, rk4: RK4 };

/**
 * Carries x from one time to the other along a velocity. Errors: INFERENCE_FAILED (a value that is not finite, or an adaptive solver
 * that comes to no end), CANCELED between two evaluations, those of the velocity.
 */
export async function integrate(way: Integration): Promise<Integrated> {
  if (!(Number.isInteger(way.steps) && way.steps >= 1))
    throw new RangeError(`steps must be 1 or more, got ${way.steps}`);
  return way.solver === 'dopri5' ? integrateAdaptively(way) : integrateEvenly(way, FIXED[way.solver]);
}

async function integrateEvenly(way: Integration, tableau: Tableau): Promise<Integrated> {
  const { from, to, steps, onStep } = way;
  const length = (to - from) / steps;
  let x = way.start;
  for (let step = 0; step < steps; step++) {
    const stages = await stagesOf(way, tableau, { x, t: from + step * length, length, step });
    x = combined(x, length, tableau.b, stages);
    onStep?.((step + 1) / steps);
  }
  return { end: checked(x), steps, evaluations: steps * tableau.b.length };
}

async function integrateAdaptively(way: Integration): Promise<Integrated> {
  const { from, to, onStep, rtol = DEFAULT_TOLERANCE, atol = DEFAULT_TOLERANCE } = way;
  const direction = Math.sign(to - from);
  let lengthAbs = Math.abs(to - from) / way.steps;
  let x = way.start;
  let t = from;
  let taken = 0;
  let evaluations = 0;
  for (let step = 0; t !== to; step++) {
    if (step === MAX_ADAPTIVE_STEPS) {
      throw new Geo2Error('INFERENCE_FAILED', `The solver dopri5 came to no end within ${MAX_ADAPTIVE_STEPS} steps.`);
    }
    const isLast = lengthAbs >= Math.abs(to - t);
    const length = isLast ? to - t : direction * lengthAbs;
    const stages = await stagesOf(way, DOPRI5, { x, t, length, step });
    evaluations += stages.length;
    const next = checked(combined(x, length, DOPRI5.b, stages));
    const norm = errorNorm(stages, length, { x, next, rtol, atol });
    if (norm <= 1) {
      x = next;
      t = isLast ? to : t + length;
      taken++;
      onStep?.((t - from) / (to - from));
    }
    lengthAbs = Math.abs(length) * Math.min(5, Math.max(0.2, 0.9 * norm ** (-1 / 5)));
  }
  return { end: x, steps: taken, evaluations };
}

/** The velocities of one step. */
async function stagesOf(
  { velocity, signal }: Integration,
  { a, c }: Tableau,
  at: { x: Float32Array; t: number; length: number; step: number },
): Promise<Float32Array[]> {
  const stages: Float32Array[] = [];
  for (const [stage, weights] of a.entries()) {
    throwIfCanceled(signal);
    const x = combined(at.x, at.length, weights, stages);
    const got = await velocity(x, at.t + (c[stage] ?? 0) * at.length, { step: at.step, stage });
    if (got.length !== x.length) {
      throw new Geo2Error('INFERENCE_FAILED', `The velocity has ${got.length} values, the latent ${x.length}.`);
    }
    stages.push(got);
  }
  return stages;
}

/** x + length * (weights . stages). */
function combined(
  x: Float32Array,
  length: number,
  weights: readonly number[],
  stages: readonly Float32Array[],
): Float32Array {
  return x.map((value, i) => {
    let sum = 0;
    for (const [stage, weight] of weights.entries()) sum += weight * (stages[stage]?.[i] ?? 0);
    return value + length * sum;
  });
}

function errorNorm(
  stages: readonly Float32Array[],
  length: number,
  { x, next, rtol, atol }: { x: Float32Array; next: Float32Array; rtol: number; atol: number },
): number {
  let squares = 0;
  for (let i = 0; i < x.length; i++) {
    let error = 0;
    for (const [stage, weight] of DOPRI5_ERROR.entries()) error += weight * (stages[stage]?.[i] ?? 0);
    const allowed = atol + rtol * Math.max(Math.abs(x[i] ?? 0), Math.abs(next[i] ?? 0));
    squares += ((length * error) / allowed) ** 2;
  }
  return Math.sqrt(squares / x.length);
}

/** Throws INFERENCE_FAILED. */
function checked(x: Float32Array): Float32Array {
  if (x.every(Number.isFinite)) return x;
  throw new Geo2Error('INFERENCE_FAILED', 'The way to the other view came to values that are not finite.');
}
