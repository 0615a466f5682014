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
  const { direction, conditionEvery, solver, steps, signal, onStep } = way;
  const [from, to] = direction === 'ground_to_satellite' ? [GROUND, SATELLITE] : [SATELLITE, GROUND];
  const call = () => ({ signal, deadlineMs: way.remainingMs?.(), onTiming: way.onTiming });
  let z: Float32Array | undefined;
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
        z = await condition({ x, t, condition: way.condition }, call());
        toldAtStep = step;
      }
      return velocity({ x, t, z }, call());
    },
  });
}
