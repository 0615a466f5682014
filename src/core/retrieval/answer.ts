import { wrap180, wrap360 } from '../geo/units.ts';
import type { Calibration, CalibrationProfile, PosteriorCalibration } from '../inference/manifest.ts';
import { accuracyRadiusM, type Place, type PlaceStatus, type Posterior, posteriorOf, statusOf } from './posterior.ts';
import type { Hit } from './search.ts';

/** What the hits say, before it is put into the words of an answer. */
export interface Verdict {
  readonly status: PlaceStatus;
  readonly posterior: Posterior;
  /** The best place; undefined when there are no hits. */
  readonly place: Place | undefined;
  readonly radiusM: number;
  readonly heading: { readonly deg: number; readonly accuracyDeg: number } | undefined;
}

/** The numbers that hold for a kind of query: the profile's where it has them, else the calibration's own. */
export function calibrationFor(calibration: Calibration, profile: CalibrationProfile): PosteriorCalibration {
  const own = calibration.profiles[profile] ?? {};
  return {
    temperature: own.temperature ?? calibration.temperature,
    notHereSimilarity: own.notHereSimilarity ?? calibration.notHereSimilarity,
    matchedMinProbability: own.matchedMinProbability ?? calibration.matchedMinProbability,
    ambiguousMinProbability: own.ambiguousMinProbability ?? calibration.ambiguousMinProbability,
    tileSigmaM: own.tileSigmaM ?? calibration.tileSigmaM,
    radiusScale: own.radiusScale ?? calibration.radiusScale,
  };
}

/** Judges hits; a pure function, which calibration fits and every answer uses. */
export function judge(
  hits: readonly Hit[],
  options: {
    readonly calibration: PosteriorCalibration;
    readonly metresPerTile: number;
    readonly confidence: number;
    readonly headings: number;
    readonly headingSigmaDeg: number;
  },
): Verdict {
  const { calibration, metresPerTile, confidence } = options;
  const posterior = posteriorOf(hits, calibration, metresPerTile);
  const place = posterior.places[0];
  if (hits.length === 0 || place === undefined) {
    return { status: 'no_match', posterior, place: undefined, radiusM: 0, heading: undefined };
  }
  return {
    status: statusOf(posterior, calibration),
    posterior,
    place,
    radiusM: accuracyRadiusM(hits, posterior, place.location, { ...calibration, confidence }),
    heading: headingOf(hits, posterior, place, options),
  };
}

/**
 * The heading that the place's tiles found, weighted by their probabilities: the direction of the summed unit vectors, each
 * refined between the rows of the bank. Its accuracy grows with their disagreement.
 */
function headingOf(
  hits: readonly Hit[],
  posterior: Posterior,
  place: Place,
  { headings, headingSigmaDeg }: { headings: number; headingSigmaDeg: number },
): { deg: number; accuracyDeg: number } {
  let [east, north, mass] = [0, 0, 0];
  for (const member of place.members) {
    const hit = hits[member];
    if (hit === undefined) continue;
    const weight = Math.max(posterior.probabilities[member] ?? 0, Number.MIN_VALUE);
    const angle = (refinedHeadingDeg(hit, headings) * Math.PI) / 180;
    east += weight * Math.sin(angle);
    north += weight * Math.cos(angle);
    mass += weight;
  }
  const agreement = Math.min(1, Math.hypot(east, north) / mass);
  const spreadDeg = agreement > 0 ? (Math.sqrt(-2 * Math.log(agreement)) * 180) / Math.PI : 180;
  return {
    deg: wrap360((Math.atan2(east, north) * 180) / Math.PI),
    accuracyDeg: Math.min(180, Math.hypot(headingSigmaDeg, spreadDeg)),
  };
}

/** The top of the parabola through the best row of the bank and its two neighbours; the row itself where one is missing. */
function refinedHeadingDeg(hit: Hit, headings: number): number {
  const step = 360 / headings;
  const row = Math.round(hit.headingDeg / step);
  const before = hit.bank.get((row + headings - 1) % headings);
  const after = hit.bank.get((row + 1) % headings);
  if (headings < 4 || before === undefined || after === undefined) return hit.headingDeg;
  const curvature = before - 2 * hit.similarity + after;
  if (curvature >= 0) return hit.headingDeg;
  return wrap360(wrap180(hit.headingDeg) + (step * (before - after)) / (2 * curvature));
}
