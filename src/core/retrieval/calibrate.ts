import { containsPoint } from '../geo/bounds.ts';
import { distanceM } from '../geo/great-circle.ts';
import { angleBetweenDeg, type LonLat } from '../geo/units.ts';
import type { Calibration, CalibrationProfile, PosteriorCalibration } from '../inference/manifest.ts';
import { calibrationFor, judge, radiusOf } from './answer.ts';
import { heldByFew, notHereLevelOf, type Posterior, posteriorOf } from './posterior.ts';
import type { Finding, TileMatch } from './search.ts';

/** A labelled query after its search: what it found, and where it was taken. */
export interface CalibrationSample extends Finding {
  readonly profile: CalibrationProfile;
  /** `outside`: taken where no tile of the region is. */
  readonly truth: LonLat | 'outside';
  /** True azimuth of the image's middle, where it is known and the search was not told. */
  readonly headingDeg?: number | undefined;
}

export interface CalibrationTargets {
  /** Of matched answers from inside, the share whose strongest tile covers the truth. */
  readonly minRight: number;
  /** Of queries from outside, the share that may match. */
  readonly maxFalse: number;
  /** Median metres of matched answers. */
  readonly maxMedianM: number;
  /** What the accuracy radius promises. */
  readonly confidence: number;
}

/** Stricter than what is promised (80 %, 10 %, 25 m): another city's figures scatter around these. */
export const DEFAULT_TARGETS: CalibrationTargets = { minRight: 0.88, maxFalse: 0.06, maxMedianM: 22, confidence: 0.68 };

/** For a model that cannot reach those; still on the safe side of the promise. */
export const MODEST_TARGETS: CalibrationTargets = { minRight: 0.84, maxFalse: 0.08, maxMedianM: 24, confidence: 0.68 };

/** What the fit reached on its own samples. */
export interface ProfileReport {
  readonly profile: CalibrationProfile;
  readonly inside: number;
  readonly outside: number;
  /** Of the queries from inside. */
  readonly matched: number;
  readonly right: number;
  readonly falseMatched: number;
  readonly medianErrorM: number;
  /** Share of the matched ones whose radius holds the truth. */
  readonly coverage: number;
  /** What it kept to; undefined where no threshold keeps any of the targets. */
  readonly targets: CalibrationTargets | undefined;
  /** False where no targets could be kept: then next to nothing is matched. */
  readonly reachesTargets: boolean;
}

export interface FittedCalibration {
  readonly calibration: Calibration;
  readonly reports: readonly ProfileReport[];
}

export interface FitOptions {
  /** Holds where the samples say nothing. */
  readonly base: Calibration;
  readonly metresPerTile: number;
  /** Where the samples are from, for the calibration's reader. */
  readonly source: string;
  /** In turn, until some can be kept. */
  readonly targets?: readonly CalibrationTargets[] | undefined;
}

const PROFILES = ['panorama', 'panorama_unknown_heading', 'photo', 'photo_unknown_heading'] as const;

/** Fewer queries of a profile, from inside or from outside, leave it with the defaults. */
const MIN_SAMPLES = 30;
/** Fewer answers than this say nothing about a share. */
const MIN_MATCHED = 15;
/** Before anything is seen, a query is taken to be from outside with this probability, whatever the mix of the samples. */
const OUTSIDE_PRIOR = 0.25;
/** A truth that is not among the hits has a probability, too: a small one, so that no query rules the fit. */
const FLOOR = 1e-3;
/** The threshold of a profile that cannot keep the targets: an answer that is certain. */
const NEVER = 0.999;

/**
 * Fits every profile that has samples enough, each step with the code that answers are judged by:
 * 1. temperature and not-here similarity: the largest likelihood of a covering tile, or of "not here" for queries from outside;
 * 2. `matchedMinProbability`: the lowest that keeps the targets, so that as much as possible is matched;
 * 3. `ambiguousMinProbability`: what the best places hold together in fewer than a quarter of the queries from outside;
 * 4. `tileSigmaM`: the error of right answers on one axis; `radiusScale`: what makes the radius keep its promise;
 * 5. `headingSigmaDeg`, of all profiles together: the error of the headings that right answers found.
 */
export function fitCalibration(samples: readonly CalibrationSample[], options: FitOptions): FittedCalibration {
  const { source, metresPerTile, targets = [DEFAULT_TARGETS, MODEST_TARGETS] } = options;
  const base = { ...options.base, fittedOnRegion: undefined }; // whose the new one is, who keeps it says
  const profiles: Partial<Record<CalibrationProfile, PosteriorCalibration>> = {};
  const reports: ProfileReport[] = [];
  for (const profile of PROFILES) {
    const own = samples.filter((sample) => sample.profile === profile);
    if (countOf(own, 'inside') < MIN_SAMPLES || countOf(own, 'outside') < MIN_SAMPLES) continue;
    const { fitted, report } = fitProfile(own, { profile, base, metresPerTile, targets });
    profiles[profile] = fitted;
    reports.push(report);
  }
  const calibration = { ...base, ...mostCareful(profiles), profiles, source };
  const headingSigmaDeg = fitHeadingSigma(samples, calibration, metresPerTile) ?? base.headingSigmaDeg;
  return { calibration: { ...calibration, headingSigmaDeg }, reports };
}

/** How sure an answer is of its best place, and whether that place's strongest tile covers the truth. */
export interface StatedAnswer {
  readonly probability: number;
  readonly right: boolean;
}

/** What answers to the samples state with a calibration: for a diagram of how far it can be believed. */
export function statedAnswers(
  samples: readonly CalibrationSample[],
  { calibration, metresPerTile }: { calibration: Calibration; metresPerTile: number },
): StatedAnswer[] {
  return samples
    .map((sample) => judgeSample(sample, calibrationFor(calibration, sample.profile), metresPerTile))
    .map(({ probability, right }) => ({ probability, right }));
}

/** What holds for a profile without samples: the fit that asks for most before it says matched. */
function mostCareful(
  profiles: Partial<Record<CalibrationProfile, PosteriorCalibration>>,
): Partial<PosteriorCalibration> {
  const fits = Object.values(profiles).sort((a, b) => b.matchedMinProbability - a.matchedMinProbability);
  return fits[0] ?? {};
}

function fitProfile(
  samples: readonly CalibrationSample[],
  options: Pick<FitOptions, 'base' | 'metresPerTile'> & {
    profile: CalibrationProfile;
    targets: readonly CalibrationTargets[];
  },
): { fitted: PosteriorCalibration; report: ProfileReport } {
  const { profile, base, metresPerTile, targets } = options;
  const softmax = fitSoftmax(samples);
  const judged = samples.map((sample) => judgeSample(sample, softmax, metresPerTile));
  const kept = targets.find((wanted) => fitMatched(judged, wanted) !== undefined);
  const matchedMinProbability = (kept === undefined ? undefined : fitMatched(judged, kept)) ?? NEVER;
  const confidence = kept?.confidence ?? DEFAULT_TARGETS.confidence;
  const matched = judged.filter((one) => one.probability >= matchedMinProbability);
  const tileSigmaM = fitSigma(matched) ?? base.tileSigmaM;
  const radiusScale = fitScale(matched, tileSigmaM, confidence) ?? base.radiusScale;
  const fitted = {
    ...softmax,
    matchedMinProbability,
    ambiguousMinProbability: fitAmbiguous(judged),
    tileSigmaM,
    radiusScale,
  };
  const inside = matched.filter((one) => one.errorM !== undefined);
  const report = {
    profile,
    inside: countOf(samples, 'inside'),
    outside: countOf(samples, 'outside'),
    matched: inside.length,
    right: inside.filter((one) => one.right).length,
    falseMatched: matched.length - inside.length,
    medianErrorM: medianError(inside),
    coverage: inside.length === 0 ? 0 : coverageOf(inside, fitted, confidence),
    targets: kept,
    reachesTargets: kept !== undefined,
  };
  return { fitted, report };
}

type Softmax = Pick<PosteriorCalibration, 'temperature' | 'notHereSimilarity'>;

const GRID_ROUNDS = 5;
const GRID_STEPS = 6;

/** The most likely pair, on a grid that closes in on its best point. */
function fitSoftmax(samples: readonly CalibrationSample[]): Softmax {
  const weightOutside =
    (OUTSIDE_PRIOR / (1 - OUTSIDE_PRIOR)) * (countOf(samples, 'inside') / countOf(samples, 'outside'));
  let best = { temperature: 0.05, notHereSimilarity: 0.5, likelihood: Number.NEGATIVE_INFINITY };
  let [logReach, reach] = [Math.log(8), 0.5];
  for (let round = 0; round < GRID_ROUNDS; round++) {
    const centre = best;
    for (let i = -GRID_STEPS; i <= GRID_STEPS; i++) {
      const temperature = centre.temperature * Math.exp((i / GRID_STEPS) * logReach);
      const sums = samples.map((sample) => sumsOf(sample, temperature));
      for (let j = -GRID_STEPS; j <= GRID_STEPS; j++) {
        const notHereSimilarity = Math.min(1, Math.max(-1, centre.notHereSimilarity + (j / GRID_STEPS) * reach));
        const likelihood = likelihoodOf(sums, { temperature, notHereSimilarity }, weightOutside);
        if (likelihood > best.likelihood) best = { temperature, notHereSimilarity, likelihood };
      }
    }
    [logReach, reach] = [logReach / 3, reach / 3];
  }
  return { temperature: best.temperature, notHereSimilarity: best.notHereSimilarity };
}

interface Sums {
  readonly sample: CalibrationSample;
  /** Sum of exp((similarity - best) / T) over the hits, and over those that cover the truth. */
  readonly all: number;
  readonly covering: number;
  readonly best: number;
}

function sumsOf(sample: CalibrationSample, temperature: number): Sums {
  const { hits, truth } = sample;
  const best = hits[0]?.similarity ?? -1;
  let [all, covering] = [0, 0];
  for (const hit of hits) {
    const weight = Math.exp((hit.similarity - best) / temperature);
    all += weight;
    if (truth !== 'outside' && containsPoint(hit.bounds, truth)) covering += weight;
  }
  return { sample, all, covering, best };
}

function likelihoodOf(sums: readonly Sums[], softmax: Softmax, weightOutside: number): number {
  return sums.reduce((total, { sample: { searchedTiles, truth }, all, covering, best }) => {
    const level = notHereLevelOf({ calibration: softmax, searchedTiles });
    const notHere = Math.exp((level - best) / softmax.temperature);
    if (truth === 'outside') return total + weightOutside * Math.log(FLOOR + 1 / (1 + all / notHere));
    return total + Math.log(FLOOR + covering / (all + notHere));
  }, 0);
}

/** A sample as its answer would be, apart from thresholds and radius. */
interface Judged {
  readonly hits: readonly TileMatch[];
  readonly posterior: Posterior;
  readonly probability: number;
  readonly isOutside: boolean;
  /** Metres; undefined for a query from outside. */
  readonly errorM: number | undefined;
  /** Whether the strongest tile of the best place covers the truth. */
  readonly right: boolean;
}

function judgeSample(sample: CalibrationSample, softmax: Softmax, metresPerTile: number): Judged {
  const { hits, searchedTiles, truth } = sample;
  const posterior = posteriorOf(hits, { calibration: softmax, metresPerTile, searchedTiles });
  const [place] = posterior.places;
  const judged = { hits, posterior, probability: place?.probability ?? 0, isOutside: truth === 'outside' };
  if (truth === 'outside' || place === undefined) return { ...judged, errorM: undefined, right: false };
  const strongest = hits[place.members[0] ?? 0];
  return {
    ...judged,
    errorM: distanceM(place.location, truth),
    right: strongest !== undefined && containsPoint(strongest.bounds, truth),
  };
}

/** Undefined where no threshold keeps the targets with answers enough to tell. */
function fitMatched(judged: readonly Judged[], targets: CalibrationTargets): number | undefined {
  const outside = judged.filter((one) => one.isOutside).length;
  const descending = [...judged].sort((a, b) => b.probability - a.probability);
  const thresholds = [...new Set(descending.map((one) => one.probability))].sort((a, b) => a - b);
  return thresholds.find((threshold) => {
    const matched = descending.filter((one) => one.probability >= threshold);
    const inside = matched.filter((one) => !one.isOutside);
    if (inside.length < MIN_MATCHED) return false;
    const right = inside.filter((one) => one.right).length / inside.length;
    const mistaken = (matched.length - inside.length) / outside;
    return right >= targets.minRight && mistaken <= targets.maxFalse && medianError(inside) <= targets.maxMedianM;
  });
}

/** Within reason: below 0.2 a caller is sent astray, and 0.9 is sure enough. */
function fitAmbiguous(judged: readonly Judged[]): number {
  const held = judged.filter((one) => one.isOutside).map((one) => heldByFew(one.posterior));
  return Math.min(0.9, Math.max(0.2, quantile(held, 0.75)));
}

/** Half of the mean squared error of right answers is the variance on one axis. */
function fitSigma(matched: readonly Judged[]): number | undefined {
  const right = matched.filter((one) => one.right);
  if (right.length < MIN_MATCHED) return undefined;
  return Math.sqrt(right.reduce((sum, one) => sum + (one.errorM ?? 0) ** 2, 0) / right.length / 2);
}

/** Coverage grows with the scale: halving finds where it reaches what is promised. */
function fitScale(matched: readonly Judged[], tileSigmaM: number, confidence: number): number | undefined {
  const inside = matched.filter((one) => one.errorM !== undefined);
  if (inside.length < MIN_MATCHED) return undefined;
  let [low, high] = [0.1, 20];
  for (let round = 0; round < 16; round++) {
    const middle = Math.sqrt(low * high);
    if (coverageOf(inside, { tileSigmaM, radiusScale: middle }, confidence) < confidence) low = middle;
    else high = middle;
  }
  return high;
}

function coverageOf(
  inside: readonly Judged[],
  calibration: Pick<PosteriorCalibration, 'tileSigmaM' | 'radiusScale'>,
  confidence: number,
): number {
  const covered = inside.filter(
    ({ hits, posterior, errorM = 0 }) => errorM <= (radiusOf(hits, posterior, { calibration, confidence }) ?? 0),
  );
  return covered.length / inside.length;
}

/** From the median of the errors, which a heading that is half a turn off does not move; undefined where too few are known. */
function fitHeadingSigma(
  samples: readonly CalibrationSample[],
  calibration: Calibration,
  metresPerTile: number,
): number | undefined {
  const errorsDeg = samples.flatMap((sample) => {
    const { hits, profile, truth, headingDeg } = sample;
    if (truth === 'outside' || headingDeg === undefined) return [];
    const verdict = judge(sample, {
      calibration: calibrationFor(calibration, profile),
      metresPerTile,
      confidence: DEFAULT_TARGETS.confidence,
      headingSigmaDeg: calibration.headingSigmaDeg,
    });
    const strongest = hits[verdict.place?.members[0] ?? -1];
    const isRight = strongest !== undefined && containsPoint(strongest.bounds, truth);
    return isRight && verdict.heading !== undefined ? [angleBetweenDeg(verdict.heading.deg, headingDeg)] : [];
  });
  if (errorsDeg.length < MIN_MATCHED) return undefined;
  return Math.max(1, quantile(errorsDeg, 0.5) / MEDIAN_OF_NORMAL);
}

/** Half of a normal distribution is within so many standard deviations. */
const MEDIAN_OF_NORMAL = 0.6745;

function countOf(samples: readonly CalibrationSample[], where: 'inside' | 'outside'): number {
  return samples.filter(({ truth }) => (truth === 'outside') === (where === 'outside')).length;
}

function medianError(inside: readonly Judged[]): number {
  return quantile(
    inside.map((one) => one.errorM ?? 0),
    0.5,
  );
}

/** Of unordered values; 0 of none. */
function quantile(values: readonly number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.min(ordered.length - 1, Math.floor(share * ordered.length))] ?? 0;
}
