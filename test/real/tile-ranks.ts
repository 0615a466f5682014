import type { ReportRow } from '../../src/cli/evaluation/rows.ts';
import { bootstrap, type Interval, quantile, wilson } from '../../src/cli/evaluation/statistics.ts';
import { centreOf, containsPoint } from '../../src/core/geo/bounds.ts';
import { distanceM } from '../../src/core/geo/great-circle.ts';
import type { LonLat } from '../../src/core/geo/units.ts';
import { boundsOfTile, type Region } from '../../src/core/retrieval/region.ts';
import type { VectorIndex } from '../../src/core/retrieval/vector-index.ts';

/** Cosine of a query's best vector with every tile, by ordinal: north up, or at the orientation that fits best. */
export async function similaritiesOf(
  query: readonly Float32Array[],
  { index, headings, aligned }: { index: VectorIndex; headings: number; aligned: boolean },
): Promise<Float64Array> {
  const rows = { rowsPerTile: headings, orientation: aligned ? 0 : undefined };
  const similarities = new Float64Array(index.rowCount / headings).fill(Number.NEGATIVE_INFINITY);
  const options = { k: similarities.length, rowsPerGroup: headings, rows };
  for (const { row, similarity } of await index.searchGroups(query, options)) {
    similarities[Math.floor(row / headings)] = similarity;
  }
  return similarities;
}

/** Ordinals of the tiles that show a place. */
export function tilesCovering({ tiles }: Pick<Region, 'tiles'>, place: LonLat): readonly number[] {
  const ordinals = Array.from({ length: tiles.count }, (_, ordinal) => ordinal);
  return ordinals.filter((ordinal) => containsPoint(boundsOfTile(tiles, ordinal), place));
}

/** Ordinals of the tiles whose middle is nearest to a place; several where it lies between them. */
export function tilesNearest({ tiles }: Pick<Region, 'tiles'>, place: LonLat): readonly number[] {
  const distancesM = Array.from({ length: tiles.count }, (_, ordinal) =>
    distanceM(centreOf(boundsOfTile(tiles, ordinal)), place),
  );
  const leastM = Math.min(...distancesM);
  return distancesM.flatMap((one, ordinal) => (one <= leastM + AS_NEAR_M ? [ordinal] : []));
}

/** Half a pixel of a tile makes none the nearer one. */
const AS_NEAR_M = 0.25;

/**
 * Place in the list, from 1, of the first tile that is right, among all. Every wrong tile that is as similar stands before
 * it, so that a model which tells nothing apart gets the last ranks and not the first.
 */
export function rankOf(right: readonly number[], similarities: Float64Array): number {
  const best = Math.max(...right.map((tile) => similarities[tile] ?? Number.NEGATIVE_INFINITY));
  return 1 + similarities.filter((similarity, tile) => similarity >= best && !right.includes(tile)).length;
}

/** Probability that one of the right tiles is among the first `k` when the order says nothing. */
export function chanceWithin(k: number, { right, all }: { right: number; all: number }): number {
  let missed = 1;
  for (let place = 0; place < k; place++) missed *= Math.max(0, all - right - place) / (all - place);
  return 1 - missed;
}

/** The lines of a report over the ranks of one condition. */
export function rankRows(
  ranks: readonly number[],
  { system, condition }: { readonly system: string; readonly condition: string },
): ReportRow[] {
  const n = ranks.length;
  const row = (metric: string, value: number, { low, high }: Interval): ReportRow => {
    const ci95 = [rounded(low), rounded(high)] as const;
    return { system, task: 'retrieval', split: 'helsinki', condition, metric, value: rounded(value), n, ci95 };
  };
  const recall = (k: number): ReportRow => {
    const found = ranks.filter((rank) => rank <= k).length;
    const { low, high } = wilson(found, n);
    return row(`r${k}`, (100 * found) / n, { low: 100 * low, high: 100 * high });
  };
  const median = (values: readonly number[]) => quantile(values, 0.5);
  return [recall(1), recall(10), row('median_rank', median(ranks), bootstrap(ranks, median))];
}

function rounded(value: number): number {
  return Number(value.toFixed(3));
}
