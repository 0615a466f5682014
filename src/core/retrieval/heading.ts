import { angleBetweenDeg, toDeg, toRad, wrap180, wrap360 } from '../geo/units.ts';
import { NORMAL_REACH, normalBelow, quantileOf } from './normal.ts';

/** What a tile says about the direction of a query, whose canvas' middle looks towards azimuth 360 r / R when row r fits. */
export interface TileBank {
  /** Probability of the tile, of any unit. */
  readonly weight: number;
  /** Similarity of every row of the bank, R of them. */
  readonly similarities: Float32Array;
}

export interface HeadingEstimate {
  /** Azimuth of the image's middle, degrees clockwise from north. */
  readonly deg: number;
  /** The truth is at most this far off with a probability of 68 %, given that the place is right. */
  readonly accuracyDeg: number;
}

interface Peak {
  readonly deg: number;
  readonly weight: number;
}

const CONFIDENCE = 0.68;

/**
 * The heading that the tiles of a place agree on. Every local maximum of a tile's bank is a hypothesis, refined between the
 * rows by a parabola and weighted by tile and by exp(similarity / T); the heaviest one with those beside it is the answer.
 * The others, such as the opposite end of a street, widen its accuracy. Undefined where a bank has one row.
 */
export function estimateHeading(
  banks: readonly TileBank[],
  { temperature, sigmaDeg }: { readonly temperature: number; readonly sigmaDeg: number },
): HeadingEstimate | undefined {
  const peaks = banks
    .flatMap((bank) => peaksOf(bank, temperature))
    .sort((a, b) => b.weight - a.weight || a.deg - b.deg);
  const [strongest] = peaks;
  const rows = banks[0]?.similarities.length ?? 0;
  if (strongest === undefined || rows < 2) return undefined;

  const beside = peaks.filter(({ deg }) => angleBetweenDeg(deg, strongest.deg) <= 360 / rows);
  const deg = meanDeg(beside);
  return { deg, accuracyDeg: accuracyOf(peaks, deg, sigmaDeg) };
}

function peaksOf({ weight, similarities }: TileBank, temperature: number): Peak[] {
  const rows = similarities.length;
  const at = (row: number): number => similarities[(row + rows) % rows] ?? Number.NEGATIVE_INFINITY;
  const best = Math.max(...similarities);
  const peaks: Peak[] = [];
  for (let row = 0; row < rows; row++) {
    if (at(row) < at(row - 1) || at(row) < at(row + 1)) continue;
    const deg = (360 / rows) * (row + topOfParabola(at(row - 1), at(row), at(row + 1)));
    peaks.push({ deg: wrap360(deg), weight: weight * Math.exp((at(row) - best) / temperature) });
  }
  return peaks;
}

/** Where a parabola through three values at -1, 0 and 1 has its top, the middle value being the largest: -0.5..0.5. */
function topOfParabola(before: number, middle: number, after: number): number {
  const curvature = before - 2 * middle + after;
  return curvature < 0 ? (before - after) / (2 * curvature) : 0;
}

function meanDeg(peaks: readonly Peak[]): number {
  const east = peaks.reduce((sum, { deg, weight }) => sum + weight * Math.sin(toRad(deg)), 0);
  const north = peaks.reduce((sum, { deg, weight }) => sum + weight * Math.cos(toRad(deg)), 0);
  return wrap360(toDeg(Math.atan2(east, north)));
}

/** The quantile of the angle to `deg` under a mixture of Gaussians around the peaks; at most half a turn. */
function accuracyOf(peaks: readonly Peak[], deg: number, sigmaDeg: number): number {
  const total = peaks.reduce((sum, { weight }) => sum + weight, 0);
  const within = (angleDeg: number): number =>
    peaks.reduce((sum, peak) => {
      const offDeg = wrap180(peak.deg - deg);
      const share = normalBelow((angleDeg - offDeg) / sigmaDeg) - normalBelow((-angleDeg - offDeg) / sigmaDeg);
      return sum + (peak.weight / total) * share;
    }, 0);
  return Math.min(180, quantileOf(within, CONFIDENCE, 180 + NORMAL_REACH * sigmaDeg));
}
