import { angleBetweenDeg, toDeg, toRad, wrap180, wrap360 } from '../geo/units.ts';
import { NORMAL_REACH, normalBelow, quantileOf } from './normal.ts';

/** How well a tile fits a query whose canvas' middle looks towards each of several azimuths. */
export interface HeadingProfile {
  /** Degrees, ascending from 0 or more to less than 360. */
  readonly headingsDeg: readonly number[];
  /** Of each heading. */
  readonly similarities: readonly number[];
}

/** What a tile says about the direction of a query. */
export interface TileBank extends HeadingProfile {
  /** Probability of the tile, of any unit. */
  readonly weight: number;
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
 * The heading that the tiles of a place agree on. Every local maximum of a tile's profile is a candidate, refined between the
 * headings by a parabola and weighted by tile and by exp(similarity / T); the heaviest one with those beside it is the
 * answer. The others, such as the opposite end of a street, widen its accuracy. Undefined where one heading was tried.
 */
export function estimateHeading(
  banks: readonly TileBank[],
  { temperature, sigmaDeg }: { readonly temperature: number; readonly sigmaDeg: number },
): HeadingEstimate | undefined {
  const peaks = banks
    .flatMap((bank) => peaksOf(bank, temperature))
    .sort((a, b) => b.weight - a.weight || a.deg - b.deg);
  const [strongest] = peaks;
  const headings = banks[0]?.headingsDeg.length ?? 0;
  if (strongest === undefined || headings < 2) return undefined;

  const beside = peaks.filter(({ deg }) => angleBetweenDeg(deg, strongest.deg) <= 360 / headings);
  const deg = meanDeg(beside);
  return { deg, accuracyDeg: accuracyOf(peaks, deg, sigmaDeg) };
}

function peaksOf({ weight, headingsDeg, similarities }: TileBank, temperature: number): Peak[] {
  const count = similarities.length;
  const at = (i: number): number => similarities[(i + count) % count] ?? Number.NEGATIVE_INFINITY;
  const gapAfter = (i: number): number => {
    const [from = 0, to = 0] = [headingsDeg[(i + count) % count], headingsDeg[(i + 1) % count]];
    return to > from ? to - from : to + 360 - from;
  };
  const best = Math.max(...similarities);
  const peaks: Peak[] = [];
  for (const [i, headingDeg] of headingsDeg.entries()) {
    if (at(i) < at(i - 1) || at(i) < at(i + 1)) continue;
    const before = { awayDeg: gapAfter(i - 1), rise: at(i - 1) - at(i) };
    const after = { awayDeg: gapAfter(i), rise: at(i + 1) - at(i) };
    const deg = headingDeg + topOfParabola(before, after);
    peaks.push({ deg: wrap360(deg), weight: weight * Math.exp((at(i) - best) / temperature) });
  }
  return peaks;
}

interface Beside {
  readonly awayDeg: number;
  /** How much more similar than the middle; 0 or less. */
  readonly rise: number;
}

/** Where a parabola through the middle and what lies on both sides of it has its top: at most half way to either, in degrees. */
function topOfParabola(before: Beside, after: Beside): number {
  const slopes = [before.rise / before.awayDeg, after.rise / after.awayDeg] as const;
  const curvature = (slopes[0] + slopes[1]) / (before.awayDeg + after.awayDeg);
  if (!(curvature < 0)) return 0;
  return -(slopes[1] - curvature * after.awayDeg) / (2 * curvature);
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
