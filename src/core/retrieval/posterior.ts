import { distanceM } from '../geo/great-circle.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import type { LonLat } from '../geo/units.ts';
import type { PosteriorCalibration } from '../inference/manifest.ts';

/**
 * From similarities to probabilities. The hypotheses are: the view belongs to tile i (weight exp(s_i / T)), or to none of
 * the searched tiles (weight exp(s_0 / T), s_0 the calibrated `notHereSimilarity`). A prior removes tiles, not the last
 * hypothesis: with fewer rivals a true tile gains, and a view from elsewhere still has to beat the same s_0.
 */
export interface ScoredTile {
  readonly centre: LonLat;
  readonly similarity: number;
}

/** Overlapping tiles that show one place. */
export interface Place {
  /** Indices into the scored tiles, most probable first. */
  readonly members: readonly number[];
  /** Sum over the members. */
  readonly probability: number;
  /** Mean of the members' centres, weighted by their probability. */
  readonly location: LonLat;
}

export interface Posterior {
  /** Of each scored tile; together with `notHere` they sum to 1. */
  readonly probabilities: readonly number[];
  readonly notHere: number;
  /** Most probable first. */
  readonly places: readonly Place[];
}

export type PlaceStatus = 'matched' | 'ambiguous' | 'no_match';

/** Tiles whose centres are nearer than this share of a tile's side to a place's strongest tile belong to it: its neighbours. */
const PLACE_REACH = 0.75;
/** Below this share of the mass a tile neither makes a place nor moves a radius. */
const NEGLIGIBLE = 1e-4;

export function posteriorOf(
  tiles: readonly ScoredTile[],
  { temperature, notHereSimilarity }: Pick<PosteriorCalibration, 'temperature' | 'notHereSimilarity'>,
  metresPerTile: number,
): Posterior {
  const top = tiles.reduce((high, tile) => Math.max(high, tile.similarity), notHereSimilarity);
  const weightOf = (similarity: number): number => Math.exp((similarity - top) / temperature);
  const weights = tiles.map((tile) => weightOf(tile.similarity));
  const absent = weightOf(notHereSimilarity);
  const total = weights.reduce((sum, weight) => sum + weight, absent);
  const probabilities = weights.map((weight) => weight / total);
  return {
    probabilities,
    notHere: absent / total,
    places: placesOf(tiles, probabilities, PLACE_REACH * metresPerTile),
  };
}

/** Groups tiles around the strongest of those that are left, until nothing that counts is left. */
function placesOf(tiles: readonly ScoredTile[], probabilities: readonly number[], reachM: number): Place[] {
  let left = probabilities
    .map((probability, tile) => ({ probability, tile }))
    .sort((a, b) => b.probability - a.probability || a.tile - b.tile);
  const places: Place[] = [];
  for (let seed = left[0]; seed !== undefined && isWorthAPlace(seed, places); seed = left[0]) {
    const centre = centreOfTile(tiles, seed.tile);
    const isNear = ({ tile }: { tile: number }): boolean => distanceM(centre, centreOfTile(tiles, tile)) <= reachM;
    const members = left.filter(isNear);
    left = left.filter((candidate) => !isNear(candidate));
    places.push({
      members: members.map(({ tile }) => tile),
      probability: members.reduce((sum, { probability }) => sum + probability, 0),
      location: meanOf(tiles, members),
    });
  }
  return places.sort((a, b) => b.probability - a.probability);
}

/** At least one place is named, however little is known. */
function isWorthAPlace({ probability }: { probability: number }, places: readonly Place[]): boolean {
  return places.length === 0 || (probability >= NEGLIGIBLE && places.length < 64);
}

function meanOf(tiles: readonly ScoredTile[], members: readonly { tile: number; probability: number }[]): LonLat {
  const first = members[0];
  if (first === undefined) return [0, 0];
  const frame = createLocalFrame(centreOfTile(tiles, first.tile));
  // a seed of probability 0 (an answer of pure "not here") is its own place
  const total = members.reduce((sum, { probability }) => sum + probability, 0);
  if (total === 0) return frame.origin;
  let [eastM, northM] = [0, 0];
  for (const { tile, probability } of members) {
    const at = frame.toLocal(centreOfTile(tiles, tile));
    eastM += (at.eastM * probability) / total;
    northM += (at.northM * probability) / total;
  }
  return frame.toLonLat({ eastM, northM });
}

function centreOfTile(tiles: readonly ScoredTile[], tile: number): LonLat {
  return tiles[tile]?.centre ?? [0, 0];
}

/** What may be said of the best place, given how sure the calibration wants us to be. */
export function statusOf(
  { places, notHere }: Posterior,
  calibration: Pick<PosteriorCalibration, 'matchedMinProbability' | 'ambiguousMinProbability'>,
): PlaceStatus {
  if ((places[0]?.probability ?? 0) >= calibration.matchedMinProbability) return 'matched';
  return 1 - notHere >= calibration.ambiguousMinProbability ? 'ambiguous' : 'no_match';
}

/**
 * Metres around `location` that hold the truth with probability `confidence`, given that it is in the region at all: the
 * quantile of the distance under a mixture with one isotropic Gaussian a tile, `tileSigmaM` x `radiusScale` wide on each axis.
 */
export function accuracyRadiusM(
  tiles: readonly ScoredTile[],
  posterior: Posterior,
  location: LonLat,
  { confidence, tileSigmaM, radiusScale }: { confidence: number; tileSigmaM: number; radiusScale: number },
): number {
  const frame = createLocalFrame(location);
  const sigmaM = tileSigmaM * radiusScale;
  const here = posterior.probabilities.reduce((sum, probability) => sum + probability, 0);
  const distances: { lengthM: number; weight: number }[] = [];
  for (const [tile, probability] of posterior.probabilities.entries()) {
    const weight = probability / here;
    if (!(weight >= NEGLIGIBLE)) continue;
    const { eastM, northM } = frame.toLocal(centreOfTile(tiles, tile));
    for (const [x, y] of SPREAD) {
      distances.push({ lengthM: Math.hypot(eastM + x * sigmaM, northM + y * sigmaM), weight });
    }
  }
  return quantile(distances, confidence);
}

/** Points of equal weight that stand for a unit Gaussian in the plane: a sunflower of its radial quantiles. */
const SPREAD: readonly (readonly [number, number])[] = Array.from({ length: 64 }, (_, i) => {
  const radius = Math.sqrt(-2 * Math.log(1 - (i + 0.5) / 64));
  const angle = i * Math.PI * (3 - Math.sqrt(5));
  return [radius * Math.cos(angle), radius * Math.sin(angle)];
});

function quantile(distances: { lengthM: number; weight: number }[], confidence: number): number {
  const ordered = distances.sort((a, b) => a.lengthM - b.lengthM);
  const total = ordered.reduce((sum, { weight }) => sum + weight, 0);
  let below = 0;
  for (const { lengthM, weight } of ordered) {
    below += weight;
    if (below >= confidence * total) return lengthM;
  }
  return ordered.at(-1)?.lengthM ?? 0;
}
