import { createLocalFrame } from '../geo/local-frame.ts';
import type { LonLat } from '../geo/units.ts';
import type { PosteriorCalibration } from '../inference/manifest.ts';

/** A tile that competes for a query. */
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
  /** Most probable first; one at least, unless there are no tiles. */
  readonly places: readonly Place[];
}

export type PlaceStatus = 'matched' | 'ambiguous' | 'no_match';

export interface PosteriorOptions {
  readonly calibration: Pick<PosteriorCalibration, 'temperature' | 'notHereSimilarity'>;
  readonly metresPerTile: number;
  /** Tiles that were searched, whether scored or not. */
  readonly searchedTiles: number;
  /** Places to name however improbable they are; 5 unless asked. */
  readonly minPlaces?: number | undefined;
}

/** The number of searched tiles for which `notHereSimilarity` is stated. */
const GALLERY_TILES = 1_000;
const RIVALS_POWER = 0.75;
/** A prior of a few tiles is no evidence that the view is in one of them: the rivals count as so many at least. */
const MIN_RIVALS = 32;
/** Tiles whose centres are nearer than this share of a tile's side to a place's strongest tile are its neighbours. */
const PLACE_REACH = 0.75;
/** With less of the mass a tile makes no place of its own, unless a caller wants to see more places. */
const NEGLIGIBLE = 1e-4;
const MAX_PLACES = 50;
/** Places that a caller can be asked to choose from. */
const FEW_PLACES = 5;

/**
 * From similarities to probabilities. The hypotheses are: the view belongs to tile i, of weight exp(s_i / T), or to none of
 * the n searched tiles, of weight (n / 1000)^0.75 exp(s_0 / T), s_0 being the calibrated `notHereSimilarity`.
 *
 * The factor keeps "not here" calibrated when fewer or more tiles compete than in calibration. Say a view is somewhere in the
 * gallery with odds that do not depend on n, and exp(s / T) is, up to a constant, how much likelier the similarity s is for
 * the right tile than for a wrong one. Then each tile has 1 / n of the prior mass, which is the same as "not here" having n
 * times as much: what a prior leaves had fewer chances to reach a similarity by accident, so that the same similarity
 * convinces more. That would be a power of 1 were tiles independent. They overlap, and the neighbours that a prior leaves
 * resemble each other: 0.75 is what kept false matches level in simulations from 25 to 10,000 tiles.
 */
export function posteriorOf(tiles: readonly ScoredTile[], options: PosteriorOptions): Posterior {
  const { temperature } = options.calibration;
  const notHereLevel = notHereLevelOf(options);
  const top = tiles.reduce((high, tile) => Math.max(high, tile.similarity), notHereLevel);
  const weightOf = (similarity: number): number => Math.exp((similarity - top) / temperature);
  const weights = tiles.map((tile) => weightOf(tile.similarity));
  const notHere = weightOf(notHereLevel);
  const total = weights.reduce((sum, weight) => sum + weight, notHere);
  const probabilities = weights.map((weight) => weight / total);
  return {
    probabilities,
    notHere: notHere / total,
    places: placesOf(tiles, probabilities, options),
  };
}

/** The similarity at which one tile is as probable as "not here": s_0 + 0.75 T ln(n / 1000). */
export function notHereLevelOf({
  calibration,
  searchedTiles,
}: Pick<PosteriorOptions, 'calibration' | 'searchedTiles'>): number {
  const rivals = Math.max(searchedTiles, MIN_RIVALS);
  return calibration.notHereSimilarity + RIVALS_POWER * calibration.temperature * Math.log(rivals / GALLERY_TILES);
}

/** Groups tiles around the strongest of those that are left, until nothing that counts is left. */
function placesOf(
  tiles: readonly ScoredTile[],
  probabilities: readonly number[],
  { metresPerTile, minPlaces = FEW_PLACES }: PosteriorOptions,
): Place[] {
  const reachM = PLACE_REACH * metresPerTile;
  let left = tiles
    .map(({ centre, similarity }, index) => ({ index, centre, similarity, probability: probabilities[index] ?? 0 }))
    .sort(bySimilarity);
  const places: Place[] = [];
  for (let seed = left[0]; seed !== undefined; seed = left[0]) {
    if (places.length === MAX_PLACES || (places.length >= minPlaces && seed.probability < NEGLIGIBLE)) break;
    const { centre } = seed;
    const frame = createLocalFrame(centre);
    const members: Member[] = [];
    const others: Member[] = [];
    for (const tile of left) {
      const { eastM, northM } = frame.toLocal(tile.centre);
      const isNear = eastM * eastM + northM * northM <= reachM * reachM;
      (isNear ? members : others).push(tile);
    }
    left = others;
    places.push({
      members: members.map(({ index }) => index),
      probability: members.reduce((sum, { probability }) => sum + probability, 0),
      location: meanOf(centre, members),
    });
  }
  return places.sort((a, b) => b.probability - a.probability);
}

interface Member extends ScoredTile {
  readonly index: number;
  readonly probability: number;
}

/** Equal tiles by where they lie, so that their order in the list does not matter. */
function bySimilarity(a: Member, b: Member): number {
  return b.similarity - a.similarity || a.centre[0] - b.centre[0] || a.centre[1] - b.centre[1] || a.index - b.index;
}

function meanOf(seed: LonLat, members: readonly Member[]): LonLat {
  const total = members.reduce((sum, { probability }) => sum + probability, 0);
  if (total === 0) return seed; // pure "not here": no member has any weight
  const frame = createLocalFrame(seed);
  let [eastM, northM] = [0, 0];
  for (const { centre, probability } of members) {
    const at = frame.toLocal(centre);
    eastM += (at.eastM * probability) / total;
    northM += (at.northM * probability) / total;
  }
  return frame.toLonLat({ eastM, northM });
}

/** The probability that a few places hold together; a gallery's many faint resemblances do not count. */
export function heldByFew({ places }: Pick<Posterior, 'places'>): number {
  return places.slice(0, FEW_PLACES).reduce((sum, { probability }) => sum + probability, 0);
}

/** What may be said of the best place, given how sure the calibration wants us to be. */
export function statusOf(
  posterior: Pick<Posterior, 'places'>,
  calibration: Pick<PosteriorCalibration, 'matchedMinProbability' | 'ambiguousMinProbability'>,
): PlaceStatus {
  const [best] = posterior.places;
  if (best === undefined) return 'no_match';
  if (best.probability >= calibration.matchedMinProbability) return 'matched';
  return heldByFew(posterior) >= calibration.ambiguousMinProbability ? 'ambiguous' : 'no_match';
}
