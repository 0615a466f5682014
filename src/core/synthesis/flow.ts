import type { SolverName } from '../inference/manifest.ts';
import type { EmbedTiming, SynthesisGraphs } from '../inference/model.ts';
import { type Integrated, integrate } from './solver.ts';

export const DIRECTIONS = ['ground_to_satellite', 'satellite_to_ground'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** One view's way to the other. */
export interface Translation {
  /** The source view's. */
  readonly latent: Float32Array;
  /** The source view's embedding. */
  readonly condition: Float32Array;
  readonly direction: Direction;
  readonly solver: SolverName;
  readonly steps: number;
  /** 0: the condition graph runs at every evaluation; k: at the first evaluation of every k-th step. */
  readonly conditionEvery: number;
  /** w of v(nothing) + w (v(condition) - v(nothing)), where nothing is a condition of zeros; 1 needs no second evaluation. */
  readonly guidance: number;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that are left for a call that begins now. */
  readonly remainingMs?: (() => number | undefined) | undefined;
  readonly onTiming?: ((timing: EmbedTiming) => void) | undefined;
  readonly onStep?: ((share: number) => void) | undefined;
}

/** Flow time of the views: there is no noise at either end. */
const GROUND = 0;
const SATELLITE = 1;

/** The latent of the other view. Errors: those of `integrate` and of the graphs. */
export async function translate(
  { condition, velocity }: Pick<SynthesisGraphs, 'condition' | 'velocity'>,
  way: Translation,
): Promise<Integrated> {
  const { direction, conditionEvery, guidance, solver, steps, signal, onStep } = way;
  const [from, to] = direction === 'ground_to_satellite' ? [GROUND, SATELLITE] : [SATELLITE, GROUND];
  const call = () => ({ signal, deadlineMs: way.remainingMs?.(), onTiming: way.onTiming });
  const conditions = guidance === 1 ? [way.condition] : [way.condition, new Float32Array(way.condition.length)];
  let z: Float32Array[] | undefined;
  let toldAtStep = -1;

  return integrate({
    start: way.latent,
    from,
    to,
    solver,
    steps,
    signal,
    onStep,
    async velocity(x, t, { step }) {
      const isDue = conditionEvery === 0 || (step !== toldAtStep && step % conditionEvery === 0);
      if (z === undefined || isDue) {
        z = await oneByOne(conditions, (each) => condition({ x, t, condition: each }, call()));
        toldAtStep = step;
      }
      const [given, nothing] = await oneByOne(z, (each) => velocity({ x, t, z: each }, call()));
      if (given === undefined) throw new Error('A way has a condition.');
      return nothing === undefined ? given : nothing.map((v, i) => v + guidance * ((given[i] ?? v) - v));
    },
  });
}

async function oneByOne<In, Out>(inputs: readonly In[], run: (input: In) => Promise<Out>): Promise<Out[]> {
  const outputs: Out[] = [];
  for (const input of inputs) outputs.push(await run(input));
  return outputs;
}
