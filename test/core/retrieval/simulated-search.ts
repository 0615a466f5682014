import { type Bounds, centreOf } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { LonLat } from '#core/geo/units.ts';
import type { CalibrationSample } from '#core/retrieval/calibrate.ts';
import type { TileMatch } from '#core/retrieval/search.ts';

/** Numbers in 0..1 that are the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export const TILE_M = 70;
const STEP_M = 35;
const MAX_HITS = 256;

export interface SimulatedTile {
  readonly bounds: Bounds;
  readonly centre: LonLat;
}

/** Tiles of 70 m at 35 m steps, `side` x `side` of them, north-east of the origin. */
export function galleryOf(side: number, origin: LonLat = [0.01, 0.02]): SimulatedTile[] {
  const frame = createLocalFrame(origin);
  return Array.from({ length: side * side }, (_, i) => {
    const [eastM, northM] = [(i % side) * STEP_M, Math.floor(i / side) * STEP_M];
    const [west, south] = frame.toLonLat({ eastM, northM });
    const [east, north] = frame.toLonLat({ eastM: eastM + TILE_M, northM: northM + TILE_M });
    const bounds = { west, south, east, north };
    return { bounds, centre: centreOf(bounds) };
  });
}

/** How a contrastive model scores: wrong tiles around `background`, the right one up to `signal` by how good the query is. */
export interface SimulatedModel {
  readonly background: number;
  readonly noise: number;
  readonly signal: readonly [worst: number, best: number];
}

export const MODEL: SimulatedModel = { background: 0.3, noise: 0.1, signal: [0.35, 0.95] };

/**
 * A search of `gallery` by a query taken at a random point of it, or elsewhere. The similarity falls off with the distance
 * between the camera and a tile's middle, so that neighbours that overlap resemble the query, too.
 */
export function simulateQuery(
  random: () => number,
  {
    gallery,
    outside = false,
    priorM,
    model = MODEL,
  }: { gallery: readonly SimulatedTile[]; outside?: boolean; priorM?: number; model?: SimulatedModel },
): CalibrationSample {
  const home = gallery[Math.floor(random() * gallery.length)] ?? { bounds: { west: 0, south: 0, east: 0, north: 0 } };
  const { west, south, east, north } = home.bounds;
  const camera: LonLat = [west + random() * (east - west), south + random() * (north - south)];
  const frame = createLocalFrame(camera);
  const quality = model.signal[0] + random() * (model.signal[1] - model.signal[0]);
  // where the prior's circle lies around a camera that is somewhere in it
  const [offM, turn] = [(priorM ?? 0) * Math.sqrt(random()), 2 * Math.PI * random()];
  const middle = { eastM: offM * Math.cos(turn), northM: offM * Math.sin(turn) };
  const matches: TileMatch[] = [];
  for (const { bounds, centre } of gallery) {
    const at = frame.toLocal(centre);
    if (priorM !== undefined && Math.hypot(at.eastM - middle.eastM, at.northM - middle.northM) > priorM) continue;
    const distanceM = Math.hypot(at.eastM, at.northM);
    const resemblance = outside ? 0 : (quality - model.background) * Math.exp(-((distanceM / 30) ** 2));
    matches.push({ bounds, centre, similarity: model.background + resemblance + model.noise * normal(random) });
  }
  const hits = matches.sort((a, b) => b.similarity - a.similarity).slice(0, MAX_HITS);
  return { profile: 'panorama', hits, searchedTiles: matches.length, truth: outside ? 'outside' : camera };
}
