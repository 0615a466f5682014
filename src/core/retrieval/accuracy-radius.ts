import { createLocalFrame } from '../geo/local-frame.ts';
import type { LonLat } from '../geo/units.ts';
import { NORMAL_REACH, normalBelow, quantileOf } from './normal.ts';

/** Where the truth may be: around a centre, with a weight of any unit. */
export interface SpreadPoint {
  readonly centre: LonLat;
  readonly weight: number;
}

/**
 * Metres around `location` that hold the truth with probability `confidence`: the quantile of its distance under a mixture of
 * isotropic Gaussians, `sigmaM` wide on each axis, one around every centre.
 */
export function accuracyRadiusM(
  points: readonly SpreadPoint[],
  location: LonLat,
  { sigmaM, confidence }: { readonly sigmaM: number; readonly confidence: number },
): number {
  const frame = createLocalFrame(location);
  const total = points.reduce((sum, { weight }) => sum + weight, 0);
  const spread = points.map(({ centre, weight }) => {
    const { eastM, northM } = frame.toLocal(centre);
    return { distanceM: Math.hypot(eastM, northM), share: weight / total };
  });
  const farthestM = spread.reduce((far, { distanceM }) => Math.max(far, distanceM), 0);
  const within = (radiusM: number): number =>
    spread.reduce((sum, { distanceM, share }) => sum + share * shareWithin(radiusM, distanceM, sigmaM), 0);
  return quantileOf(within, confidence, farthestM + NORMAL_REACH * sigmaM);
}

const INTERVALS = 24;

/**
 * The share of a Gaussian in the plane, `distanceM` off, that lies within `radiusM` of the origin (a Rice distribution):
 * strips across the line that joins the two, summed by Simpson's rule. Off by less than 1e-3.
 */
export function shareWithin(radiusM: number, distanceM: number, sigmaM: number): number {
  if (radiusM <= distanceM - NORMAL_REACH * sigmaM) return 0;
  if (radiusM >= distanceM + NORMAL_REACH * sigmaM) return 1;
  const near = Math.max(-radiusM, distanceM - NORMAL_REACH * sigmaM);
  const far = Math.min(radiusM, distanceM + NORMAL_REACH * sigmaM);
  // x = far - (far - near) v^2 takes the square root's steep end out of the sum
  const strip = (v: number): number => {
    const x = far - (far - near) * v * v;
    const halfWidth = Math.sqrt(Math.max(0, radiusM * radiusM - x * x)) / sigmaM;
    const density = Math.exp(-(((x - distanceM) / sigmaM) ** 2) / 2) / (sigmaM * Math.sqrt(2 * Math.PI));
    return density * (2 * normalBelow(halfWidth) - 1) * 2 * (far - near) * v;
  };
  let sum = strip(0) + strip(1);
  for (let i = 1; i < INTERVALS; i++) sum += strip(i / INTERVALS) * (i % 2 === 0 ? 2 : 4);
  return Math.min(1, sum / (3 * INTERVALS));
}
