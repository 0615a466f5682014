/** Of a share of n, in percent. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

const Z95 = 1.959964;

/** 95 % interval of a share, as a share (Wilson score). */
export function wilson(successes: number, n: number): Interval {
  if (n === 0) return { low: 0, high: 1 };
  const p = successes / n;
  const centre = (p + Z95 ** 2 / (2 * n)) / (1 + Z95 ** 2 / n);
  const half = (Z95 * Math.sqrt((p * (1 - p)) / n + Z95 ** 2 / (4 * n * n))) / (1 + Z95 ** 2 / n);
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** Percentile of unsorted values, share in 0..1, interpolated between neighbours. NaN of none. */
export function quantile(values: Iterable<number>, share: number): number {
  return quantileOfSorted(Float64Array.from(values).sort(), share);
}

function quantileOfSorted(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const low = sorted[Math.floor(place)] ?? Number.NaN;
  const high = sorted[Math.ceil(place)] ?? Number.NaN;
  return low + (high - low) * (place - Math.floor(place));
}

const RESAMPLES = 1000;

/** 95 % interval of a statistic by resampling with replacement; the same numbers for the same values. */
export function bootstrap<T>(values: readonly T[], statistic: (sample: readonly T[]) => number): Interval {
  const random = createRandom(values.length);
  const results = Array.from({ length: RESAMPLES }, () =>
    statistic(values.map((value) => values[Math.floor(random() * values.length)] ?? value)),
  );
  return { low: quantile(results, 0.025), high: quantile(results, 0.975) };
}

/** Uniform numbers in [0, 1) from a seed, the same ones on every machine: a linear congruential generator modulo 2^32. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const BINS = 10;

/** Expected calibration error in 0..1: how far stated probabilities are from the shares that were right, ten equal bins. */
export function calibrationError(
  answers: readonly { readonly probability: number; readonly right: boolean }[],
): number {
  const bins = Array.from({ length: BINS }, () => ({ stated: 0, right: 0 }));
  for (const { probability, right } of answers) {
    const bin = bins[Math.min(BINS - 1, Math.floor(probability * BINS))];
    if (bin === undefined) continue;
    bin.stated += probability;
    bin.right += right ? 1 : 0;
  }
  return bins.reduce((sum, bin) => sum + Math.abs(bin.stated - bin.right), 0) / answers.length;
}
