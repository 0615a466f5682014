import { containsPoint } from '../geo/bounds.ts';
import { distanceM } from '../geo/great-circle.ts';
import type { LonLat } from '../geo/units.ts';
import type { Calibration, CalibrationProfile, PosteriorCalibration } from '../inference/manifest.ts';
import { accuracyRadiusM, type Posterior, posteriorOf } from './posterior.ts';
import type { Hit } from './search.ts';

/** A labelled query after its search: what it found, and where it was taken. */
export interface CalibrationSample {
  readonly profile: CalibrationProfile;
  readonly hits: readonly Hit[];
  /** `outside`: taken where no tile of the region is. */
  readonly truth: LonLat | 'outside';
}

export interface CalibrationTargets {
  /** Of matched answers, the share whose strongest tile covers the truth. */
  readonly minRight: number;
  /** Of queries from outside, the share that may match. */
  readonly maxFalse: number;
  /** Median metres of matched answers. */
  readonly maxMedianM: number;
  /** What the accuracy radius promises. */
  readonly confidence: number;
}

/** Stricter than what is promised (80 %, 10 %, 25 m): another city's figures scatter around these. */
export const DEFAULT_TARGETS: CalibrationTargets = { minRight: 0.87, maxFalse: 0.05, maxMedianM: 22, confidence: 0.68 };

/** What the fit reached on its own samples. */
export interface ProfileReport {
  readonly profile: CalibrationProfile;
  readonly inside: number;
  readonly outside: number;
  readonly matched: number;
  readonly right: number;
  readonly falseMatched: number;
  readonly medianErrorM: number;
  readonly coverage: number;
}

export interface FittedCalibration {
  readonly calibration: Calibration;
  readonly reports: readonly ProfileReport[];
}

/** Hits beyond these carry no mass that a fit could notice. */
const HITS = 128;
/** Fewer samples of a profile than this leave it with the defaults. */
const MIN_SAMPLES = 50;
/** Fewer matched answers than this say nothing about a radius. */
const MIN_MATCHED = 15;
/** Queries from outside weigh half as much as those from inside: a caller mostly asks where the region is. */
const OUTSIDE_WEIGHT = 0.5;
const NEVER = 0.999;

/**
 * Fits every profile that has enough samples: temperature and not-here similarity by likelihood; the spread of a tile from
 * the errors of right answers; the threshold of `matched` as the lowest that keeps the targets; the radius' scale so that it
 * covers what it promises.
 */
export function fitCalibration(
  samples: readonly CalibrationSample[],
  options: {
    readonly base: Calibration;
    readonly metresPerTile: number;
    readonly source: string;
    readonly targets?: CalibrationTargets;
  },
): FittedCalibration {
  const { base, metresPerTile, source, targets = DEFAULT_TARGETS } = options;
  const profiles: Partial<Record<CalibrationProfile, PosteriorCalibration>> = {};
  const reports: ProfileReport[] = [];
  for (const profile of ['panorama', 'panorama_unknown_heading', 'photo', 'photo_unknown_heading'] as const) {
    const own = samples.filter((sample) => sample.profile === profile);
    if (own.length < MIN_SAMPLES) continue;
    const trimmed = own.map((sample) => ({ ...sample, hits: sample.hits.slice(0, HITS) }));
    const fitted = fitProfile(trimmed, { base, metresPerTile, targets });
    profiles[profile] = fitted;
    reports.push(reportOf(profile, trimmed, fitted, { metresPerTile, targets }));
  }
  // what is at the top holds for profiles without samples: the most careful of those that were fitted
  const careful = Object.values(profiles).sort(
    (a, b) => (b.matchedMinProbability ?? 0) - (a.matchedMinProbability ?? 0),
  )[0];
  return { calibration: { ...base, ...careful, profiles, source }, reports };
}

interface FitOptions {
  readonly base: Calibration;
  readonly metresPerTile: number;
  readonly targets: CalibrationTargets;
}

function fitProfile(
  samples: readonly CalibrationSample[],
  { base, metresPerTile, targets }: FitOptions,
): PosteriorCalibration {
  const { temperature, notHereSimilarity } = fitSoftmax(samples);
  const judged = samples.map((sample) => judgeSample(sample, { temperature, notHereSimilarity }, metresPerTile));
  const matchedMinProbability = fitMatched(judged, targets);
  const ambiguousMinProbability = Math.min(matchedMinProbability, fitAmbiguous(judged));
  const matched = judged.filter((one) => one.probability >= matchedMinProbability);
  const tileSigmaM = fitSigma(matched) ?? base.tileSigmaM;
  const radiusScale = fitScale(matched, tileSigmaM, targets.confidence) ?? base.radiusScale;
  return { temperature, notHereSimilarity, matchedMinProbability, ambiguousMinProbability, tileSigmaM, radiusScale };
}

/** Maximum likelihood on a grid that is refined around its best point. */
function fitSoftmax(samples: readonly CalibrationSample[]): { temperature: number; notHereSimilarity: number } {
  const prepared = samples.map(prepare);
  let best = { temperature: 0.05, notHereSimilarity: 0.5, likelihood: Number.NEGATIVE_INFINITY };
  let logCentre = Math.log(0.05);
  let centre = 0.5;
  let [logReach, reach] = [Math.log(8), 0.5];
  for (let round = 0; round < 4; round++) {
    for (let i = -6; i <= 6; i++) {
      for (let j = -6; j <= 6; j++) {
        const temperature = Math.exp(logCentre + (i / 6) * logReach);
        const notHereSimilarity = Math.min(1, Math.max(-1, centre + (j / 6) * reach));
        const likelihood = prepared.reduce((sum, one) => sum + logLikelihood(one, temperature, notHereSimilarity), 0);
        if (likelihood > best.likelihood) best = { temperature, notHereSimilarity, likelihood };
      }
    }
    [logCentre, centre] = [Math.log(best.temperature), best.notHereSimilarity];
    [logReach, reach] = [logReach / 4, reach / 4];
  }
  return { temperature: best.temperature, notHereSimilarity: best.notHereSimilarity };
}

interface Prepared {
  readonly similarities: Float64Array;
  /** Indices of the hits that cover the truth; undefined for a query from outside. */
  readonly covering: readonly number[] | undefined;
}

function prepare({ hits, truth }: CalibrationSample): Prepared {
  const similarities = Float64Array.from(hits, (hit) => hit.similarity);
  if (truth === 'outside') return { similarities, covering: undefined };
  return { similarities, covering: hits.flatMap((hit, i) => (containsPoint(hit.bounds, truth) ? [i] : [])) };
}

/** A truth that is not among the hits has a probability, too: a small one, so that no query rules. */
const FLOOR = 1e-3;

function logLikelihood({ similarities, covering }: Prepared, temperature: number, notHere: number): number {
  const absent = Math.exp(notHere / temperature - 1 / temperature);
  let total = absent;
  for (const similarity of similarities) total += Math.exp((similarity - 1) / temperature);
  if (covering === undefined) return OUTSIDE_WEIGHT * Math.log(FLOOR + absent / total);
  let right = 0;
  for (const hit of covering) right += Math.exp(((similarities[hit] ?? 0) - 1) / temperature);
  return Math.log(FLOOR + right / total);
}

interface Judged {
  readonly sample: CalibrationSample;
  readonly posterior: Posterior;
  readonly location: LonLat;
  readonly probability: number;
  readonly inRegion: number;
  /** Metres; undefined for a query from outside. */
  readonly errorM: number | undefined;
  readonly right: boolean;
}

function judgeSample(
  sample: CalibrationSample,
  softmax: { temperature: number; notHereSimilarity: number },
  metresPerTile: number,
): Judged {
  const posterior = posteriorOf(sample.hits, softmax, metresPerTile);
  const place = posterior.places[0];
  const strongest = sample.hits[place?.members[0] ?? -1];
  const location = place?.location ?? [0, 0];
  const { truth } = sample;
  const inside = truth !== 'outside' && strongest !== undefined;
  return {
    sample,
    posterior,
    location,
    probability: place?.probability ?? 0,
    inRegion: 1 - posterior.notHere,
    errorM: inside ? distanceM(location, truth) : undefined,
    right: inside && containsPoint(strongest.bounds, truth),
  };
}

function fitMatched(judged: readonly Judged[], targets: CalibrationTargets): number {
  const outside = judged.filter((one) => one.sample.truth === 'outside');
  for (let threshold = 0.05; threshold < NEVER; threshold += 0.01) {
    const matched = judged.filter((one) => one.probability >= threshold);
    const inside = matched.filter((one) => one.errorM !== undefined);
    if (inside.length === 0) return NEVER;
    const right = inside.filter((one) => one.right).length / inside.length;
    const mistaken = outside.length === 0 ? 0 : (matched.length - inside.length) / outside.length;
    const median = quantileOf(
      inside.map((one) => one.errorM ?? 0),
      0.5,
    );
    if (right >= targets.minRight && mistaken <= targets.maxFalse && median <= targets.maxMedianM) return threshold;
  }
  return NEVER;
}

/** The lowest probability of "somewhere here" that three of four queries from outside do not reach, within reason. */
function fitAmbiguous(judged: readonly Judged[]): number {
  const outside = judged.filter((one) => one.sample.truth === 'outside').map((one) => one.inRegion);
  if (outside.length === 0) return 0.5;
  return Math.min(0.9, Math.max(0.2, quantileOf(outside, 0.75)));
}

/** Per axis, from right answers: half of the mean squared error is one axis' variance. */
function fitSigma(matched: readonly Judged[]): number | undefined {
  const right = matched.filter((one) => one.right);
  if (right.length < MIN_MATCHED) return undefined;
  const squared = right.reduce((sum, one) => sum + (one.errorM ?? 0) ** 2, 0) / right.length;
  return Math.sqrt(squared / 2);
}

/** The scale at which the radius covers the promised share of matched answers; bisection, as coverage grows with it. */
function fitScale(matched: readonly Judged[], tileSigmaM: number, confidence: number): number | undefined {
  const inside = matched.filter((one) => one.errorM !== undefined);
  if (inside.length < MIN_MATCHED) return undefined;
  let [low, high] = [0.1, 20];
  for (let round = 0; round < 30; round++) {
    const middle = Math.sqrt(low * high);
    if (coverageOf(inside, { tileSigmaM, radiusScale: middle, confidence }) < confidence) low = middle;
    else high = middle;
  }
  return high;
}

function coverageOf(
  inside: readonly Judged[],
  radius: { tileSigmaM: number; radiusScale: number; confidence: number },
): number {
  const covered = inside.filter(
    (one) => (one.errorM ?? 0) <= accuracyRadiusM(one.sample.hits, one.posterior, one.location, radius),
  );
  return covered.length / inside.length;
}

function reportOf(
  profile: CalibrationProfile,
  samples: readonly CalibrationSample[],
  fitted: PosteriorCalibration,
  { metresPerTile, targets }: Omit<FitOptions, 'base'>,
): ProfileReport {
  const judged = samples.map((sample) => judgeSample(sample, fitted, metresPerTile));
  const matched = judged.filter((one) => one.probability >= fitted.matchedMinProbability);
  const inside = matched.filter((one) => one.errorM !== undefined);
  const outside = judged.filter((one) => one.sample.truth === 'outside').length;
  return {
    profile,
    inside: judged.length - outside,
    outside,
    matched: inside.length,
    right: inside.filter((one) => one.right).length,
    falseMatched: matched.length - inside.length,
    medianErrorM: quantileOf(
      inside.map((one) => one.errorM ?? 0),
      0.5,
    ),
    coverage: inside.length === 0 ? 0 : coverageOf(inside, { ...fitted, confidence: targets.confidence }),
  };
}

/** Of unordered values; 0 of none. */
function quantileOf(values: readonly number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))] ?? 0;
}
