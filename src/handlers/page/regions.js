/** @typedef {import('./api.js').Region} Region */

/** Shown where there is no region.
 * @type {[number, number, number, number]} */
export const WORLD_BBOX = [-180, -60, 180, 75];

/**
 * The smallest [west, south, east, north] that holds all regions; undefined without any.
 * @param {readonly Region[]} regions
 * @returns {[number, number, number, number] | undefined}
 */
export function regionsBbox(regions) {
  if (regions.length === 0) return undefined;
  const at = (/** @type {number} */ i) => regions.map(({ bbox }) => bbox[i] ?? 0);
  return [Math.min(...at(0)), Math.min(...at(1)), Math.max(...at(2)), Math.max(...at(3))];
}

/**
 * Whom to thank for the imagery, each once.
 * @param {readonly Region[]} regions
 */
export function attributionsOf(regions) {
  const lines = regions.map(({ attribution, licence }) => [attribution, licence].filter(Boolean).join(' · '));
  return [...new Set(lines.filter(Boolean))];
}
