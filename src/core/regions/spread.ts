/** So many ordinals of `count` things, from the first to the last, evenly spread. */
export function spread(count: number, samples: number): number[] {
  const taken = Math.min(samples, count);
  return Array.from({ length: taken }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, taken - 1)));
}
