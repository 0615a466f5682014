import type { Calibration, CalibrationProfile, PosteriorCalibration } from '../inference/manifest.ts';
import { accuracyRadiusM } from './accuracy-radius.ts';
import { estimateHeading, type HeadingEstimate } from './heading.ts';
import { type Place, type PlaceStatus, type Posterior, posteriorOf, statusOf } from './posterior.ts';
import type { Finding, TileMatch } from './search.ts';

/** What a search's finding means, before it is put into the words of an answer. */
export interface Verdict {
  readonly status: PlaceStatus;
  readonly posterior: Posterior;
  /** The best place; undefined when nothing was found. */
  readonly place: Place | undefined;
  /** Metres around the place's location that hold the truth with the confidence asked for, if it is in the region at all. */
  readonly radiusM: number;
  /** Undefined for an aligned query, and where tiles are known in one orientation only. */
  readonly heading: HeadingEstimate | undefined;
}

export interface JudgeOptions {
  readonly calibration: PosteriorCalibration;
  readonly metresPerTile: number;
  readonly confidence: number;
  readonly headingSigmaDeg: number;
  /** Places to name however improbable they are. */
  readonly minPlaces?: number | undefined;
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

/** Judges a finding; a pure function, which calibration fits and every answer uses. */
export function judge({ hits, searchedTiles }: Finding, options: JudgeOptions): Verdict {
  const { calibration, metresPerTile, confidence, headingSigmaDeg, minPlaces } = options;
  const posterior = posteriorOf(hits, { calibration, metresPerTile, searchedTiles, minPlaces });
  const [place] = posterior.places;
  if (place === undefined) {
    return { status: 'no_match', posterior, place, radiusM: 0, heading: undefined };
  }
  return {
    status: statusOf(posterior, calibration),
    posterior,
    place,
    // worked out when it is asked for: an answer without a location needs none
    get radiusM() {
      return radiusOf(hits, posterior, { calibration, confidence }) ?? 0;
    },
    heading: headingOf(hits, posterior, place, { temperature: calibration.temperature, sigmaDeg: headingSigmaDeg }),
  };
}

/** Metres around the best place's location, over all that the tiles leave possible; undefined when nothing was found. */
export function radiusOf(
  hits: readonly Pick<TileMatch, 'centre'>[],
  { probabilities, places }: Posterior,
  {
    calibration: { tileSigmaM, radiusScale },
    confidence,
  }: { calibration: Pick<PosteriorCalibration, 'tileSigmaM' | 'radiusScale'>; confidence: number },
): number | undefined {
  const [place] = places;
  if (place === undefined) return undefined;
  const here = probabilities.reduce((sum, probability) => sum + probability, 0);
  const points = hits.flatMap(({ centre }, tile) => {
    const weight = probabilities[tile] ?? 0;
    return weight > here * NO_SHARE ? [{ centre, weight }] : [];
  });
  const spread = points.length === 0 ? [{ centre: place.location, weight: 1 }] : points;
  return accuracyRadiusM(spread, place.location, { sigmaM: tileSigmaM * radiusScale, confidence });
}

/** Tiles with less than this share cannot move a quantile that anybody asks for. */
const NO_SHARE = 1e-5;

function headingOf(
  hits: readonly TileMatch[],
  { probabilities }: Posterior,
  { members }: Place,
  options: { temperature: number; sigmaDeg: number },
): HeadingEstimate | undefined {
  const banks = members.flatMap((member) => {
    const profile = hits[member]?.headings;
    // where everything speaks for "not here" a probability may be 0; the first member still tells a direction
    const weight = Math.max(probabilities[member] ?? 0, member === members[0] ? Number.MIN_VALUE : 0);
    return profile === undefined || weight === 0 ? [] : [{ weight, ...profile }];
  });
  return estimateHeading(banks, options);
}
