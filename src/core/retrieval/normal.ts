/**
 * Share of the standard normal distribution below x; off by at most 1.5e-7. The error function is formula 7.1.26 of
 * Abramowitz and Stegun, Handbook of Mathematical Functions.
 */
export function normalBelow(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const tail = (series * Math.exp(-z * z)) / 2;
  return x < 0 ? tail : 1 - tail;
}

/** Beyond this many standard deviations nothing is left that is worth counting. */
export const NORMAL_REACH = 6;

/**
 * The smallest value in 0..high at which a growing share reaches `share`; `high` where it never does. The same bracket is
 * halved the same number of times, so that a larger share never gives a smaller value, however `shareBelow` was rounded.
 */
export function quantileOf(shareBelow: (value: number) => number, share: number, high: number): number {
  let [low, top] = [0, high];
  for (let halving = 0; halving < HALVINGS; halving++) {
    const middle = (low + top) / 2;
    if (shareBelow(middle) < share) low = middle;
    else top = middle;
  }
  return top;
}

/** A city to a centimetre, the world to ten metres. */
const HALVINGS = 22;
