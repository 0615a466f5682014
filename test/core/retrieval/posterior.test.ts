import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { distanceM } from '#core/geo/great-circle.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { LonLat } from '#core/geo/units.ts';
import {
  heldByFew,
  notHereLevelOf,
  type PosteriorOptions,
  posteriorOf,
  type ScoredTile,
  statusOf,
} from '#core/retrieval/posterior.ts';
import { galleryOf, TILE_M } from './simulated-search.ts';

const OPTIONS: PosteriorOptions = {
  calibration: { temperature: 0.05, notHereSimilarity: 0.6 },
  metresPerTile: TILE_M,
  searchedTiles: 1_000,
};

function tilesAt(
  origin: LonLat,
  ...tiles: readonly (readonly [eastM: number, northM: number, similarity: number])[]
): ScoredTile[] {
  const frame = createLocalFrame(origin);
  return tiles.map(([eastM, northM, similarity]) => ({ centre: frame.toLonLat({ eastM, northM }), similarity }));
}

const ORIGIN: LonLat = [0, 0];

/** Some of the tiles of a gallery, each with a similarity; few values, so that there are ties. */
const someTiles: fc.Arbitrary<ScoredTile[]> = fc.uniqueArray(fc.nat(63), { maxLength: 40 }).chain((chosen) =>
  fc.array(fc.integer({ min: -20, max: 20 }), { minLength: chosen.length, maxLength: chosen.length }).map((levels) => {
    const gallery = galleryOf(8);
    return chosen.flatMap((tile, i) => {
      const centre = gallery[tile]?.centre;
      return centre === undefined ? [] : [{ centre, similarity: (levels[i] ?? 0) / 20 }];
    });
  }),
);

const anyOptions: fc.Arbitrary<PosteriorOptions> = fc.record({
  calibration: fc.record({
    temperature: fc.double({ min: 0.001, max: 1, noNaN: true }),
    notHereSimilarity: fc.double({ min: -1, max: 1, noNaN: true }),
  }),
  metresPerTile: fc.constant(TILE_M),
  searchedTiles: fc.integer({ min: 1, max: 1_000_000 }),
});

describe('the posterior', () => {
  test('sums to 1 with the hypothesis "not here", for any similarities and calibration', () => {
    fc.assert(
      fc.property(someTiles, anyOptions, (tiles, options) => {
        const { probabilities, notHere, places } = posteriorOf(tiles, options);
        expect(probabilities.reduce((sum, probability) => sum + probability, notHere)).toBeCloseTo(1, 9);
        for (const probability of [...probabilities, notHere]) expect(probability).toBeGreaterThanOrEqual(0);
        expect(places.reduce((sum, { probability }) => sum + probability, notHere)).toBeLessThanOrEqual(1 + 1e-9);
      }),
    );
  });

  test('puts every tile that counts into exactly one place, the most probable place first', () => {
    fc.assert(
      fc.property(someTiles, anyOptions, (tiles, options) => {
        const { probabilities, places } = posteriorOf(tiles, options);
        const members = places.flatMap((place) => place.members);
        expect(new Set(members).size).toBe(members.length);
        if (places.length < 50) {
          const left = probabilities.filter((_, tile) => !members.includes(tile));
          for (const probability of left) expect(probability).toBeLessThan(1e-4);
        }
        const ordered = places.map((place) => place.probability);
        expect(ordered).toEqual([...ordered].sort((a, b) => b - a));
        expect(places.length > 0).toBe(tiles.length > 0);
      }),
    );
  });

  test('does not depend on the order of the tiles', () => {
    fc.assert(
      fc.property(someTiles, anyOptions, fc.infiniteStream(fc.nat()), (tiles, options, keys) => {
        const shuffled = tiles
          .map((tile) => ({ tile, key: keys.next().value ?? 0 }))
          .sort((a, b) => a.key - b.key)
          .map(({ tile }) => tile);
        const [first, second] = [posteriorOf(tiles, options), posteriorOf(shuffled, options)];
        expect(second.notHere).toBeCloseTo(first.notHere, 9);
        expect(second.places).toHaveLength(first.places.length);
        first.places.forEach((place, i) => {
          expect(second.places[i]?.probability).toBeCloseTo(place.probability, 9);
        });
        const [best, again] = [first.places[0], second.places[0]];
        if (best === undefined || again === undefined) return;
        // places may be equally probable; one that leads alone is the same one
        const leads = best.probability > (first.places[1]?.probability ?? 0) + 1e-9;
        if (leads) expect(distanceM(best.location, again.location)).toBeLessThan(1e-3);
      }),
    );
  });

  test('has no places when nothing was found, and is sure of "not here"', () => {
    expect(posteriorOf([], OPTIONS)).toEqual({ probabilities: [], notHere: 1, places: [] });
  });

  test('gives a tile that is as similar as "not here" half of the mass', () => {
    const { probabilities, notHere } = posteriorOf(tilesAt(ORIGIN, [0, 0, 0.6]), OPTIONS);
    expect(probabilities[0]).toBeCloseTo(0.5, 9);
    expect(notHere).toBeCloseTo(0.5, 9);
  });

  test('says "not here" without a NaN when every tile is hopeless', () => {
    const { places, notHere } = posteriorOf(tilesAt(ORIGIN, [0, 0, -1], [500, 0, -0.9]), {
      ...OPTIONS,
      calibration: { temperature: 0.001, notHereSimilarity: 1 },
    });
    expect(notHere).toBe(1);
    expect(places.map(({ probability }) => probability)).toEqual([0, 0]);
    expect(distanceM(places[0]?.location ?? [9, 9], tilesAt(ORIGIN, [500, 0, 0])[0]?.centre ?? [0, 0])).toBeLessThan(
      0.01,
    );
  });

  test('takes overlapping neighbours for one place, in the middle of their mass, and others for places of their own', () => {
    const tiles = tilesAt(ORIGIN, [0, 0, 0.8], [35, 0, 0.8], [35, 35, 0.5], [70, 0, 0.79], [1_000, 0, 0.75]);
    const { places } = posteriorOf(tiles, OPTIONS);
    expect(places.map(({ members }) => [...members].sort())).toEqual([[0, 1, 2], [3], [4]]);
    const { eastM, northM } = createLocalFrame(ORIGIN).toLocal(places[0]?.location ?? [9, 9]);
    expect(eastM).toBeCloseTo(17.5, 0);
    expect(northM).toBeLessThan(0.5);
  });

  test('names places however improbable they are, when a caller wants to see so many', () => {
    const tiles = tilesAt(ORIGIN, ...Array.from({ length: 20 }, (_, i) => [1_000 * i, 0, -i / 20] as const));
    expect(posteriorOf(tiles, { ...OPTIONS, minPlaces: 12 }).places).toHaveLength(12);
    expect(posteriorOf(tiles, OPTIONS).places).toHaveLength(5);
  });

  test('merges across the antimeridian', () => {
    const { places } = posteriorOf(tilesAt([180, 10], [-17.5, 0, 0.8], [17.5, 0, 0.8]), OPTIONS);
    expect(places).toHaveLength(1);
    expect(distanceM(places[0]?.location ?? [0, 0], [180, 10])).toBeLessThan(0.01);
  });

  test('trusts the same similarity more where fewer tiles compete, and less where more do', () => {
    const tiles = tilesAt(ORIGIN, [0, 0, 0.6]);
    const inGallery = (searchedTiles: number) =>
      posteriorOf(tiles, { ...OPTIONS, searchedTiles }).probabilities[0] ?? 0;
    expect(inGallery(1_000)).toBeCloseTo(0.5, 9);
    expect(inGallery(200)).toBeGreaterThan(0.7);
    expect(inGallery(5_000)).toBeLessThan(0.3);
    expect(inGallery(1)).toBe(inGallery(32)); // a prior that leaves one tile does not make it right
  });

  test('states its level of "not here" for a gallery of 1,000 tiles', () => {
    expect(notHereLevelOf(OPTIONS)).toBeCloseTo(0.6, 12);
  });
});

describe('the status', () => {
  const calibration = { matchedMinProbability: 0.6, ambiguousMinProbability: 0.4 };
  const places = (...probabilities: number[]) => ({
    places: probabilities.map((probability) => ({ probability, members: [], location: ORIGIN })),
  });

  test.each([
    ['matched', [0.6]],
    ['matched', [0.7, 0.3]],
    ['ambiguous', [0.45, 0.45]],
    ['ambiguous', [0.2, 0.1, 0.1]],
    ['no_match', [0.2, 0.1]],
    ['no_match', Array.from({ length: 50 }, () => 0.02)],
    ['no_match', []],
  ])('is %s for places of %j', (expected, probabilities) => {
    expect(statusOf(places(...probabilities), calibration)).toBe(expected);
  });

  test('counts five places, as many as a caller is offered', () => {
    expect(heldByFew(places(0.1, 0.1, 0.1, 0.1, 0.1, 0.1))).toBeCloseTo(0.5, 12);
  });
});
