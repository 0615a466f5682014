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
/** In standard deviations. */
const FAR = 10;

/**
 * The share of a Gaussian in the plane, `distanceM` off, that lies within `radiusM` of the origin (a Rice distribution):
 * strips across the line that joins the two, summed by Simpson's rule. Off by less than 1e-3.
 */
export function shareWithin(radiusM: number, distanceM: number, sigmaM: number): number {
  if (radiusM <= distanceM - NORMAL_REACH * sigmaM) return 0;
  if (radiusM >= distanceM + NORMAL_REACH * sigmaM) return 1;
  // seen from afar the circle's edge is straight; half of sigma^2 / distance is what it bends on average
  if (distanceM > FAR * sigmaM) return normalBelow((radiusM - distanceM - sigmaM ** 2 / (2 * distanceM)) / sigmaM);
  const near = Math.max(-radiusM, distanceM - NORMAL_REACH * sigmaM);
  const far = Math.min(radiusM, distanceM + NORMAL_REACH * sigmaM);
  const [middle, half] = [(near + far) / 2, (far - near) / 2];
  // x = middle + half sin(t) takes the circle's steep ends out of the sum
  const strip = (t: number): number => {
    const x = middle + half * Math.sin(t);
    const halfWidth = Math.sqrt(Math.max(0, radiusM * radiusM - x * x)) / sigmaM;
    const density = Math.exp(-(((x - distanceM) / sigmaM) ** 2) / 2) / (sigmaM * Math.sqrt(2 * Math.PI));
    return density * (2 * normalBelow(halfWidth) - 1) * half * Math.cos(t);
  };
  const step = Math.PI / INTERVALS;
  let sum = strip(-Math.PI / 2) + strip(Math.PI / 2);
  for (let i = 1; i < INTERVALS; i++) sum += strip(-Math.PI / 2 + i * step) * (i % 2 === 0 ? 2 : 4);
  return Math.min(1, (sum * step) / 3);
}
