import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { containsPoint } from '#core/geo/bounds.ts';
import { distanceM } from '#core/geo/great-circle.ts';
import type { LonLat } from '#core/geo/units.ts';
import {
  createGeolocate,
  createLocate,
  type GeolocateAnswer,
  type GeolocateDeps,
  type GeolocateRequest,
} from '#core/geolocate.ts';
import { DEFAULT_IMAGE_LIMITS } from '#core/image/limits.ts';
import type { Calibration } from '#core/inference/manifest.ts';
import { openOnnxModel } from '#core/inference/model.onnx.ts';
import type { Model } from '#core/inference/model.ts';
import type { Region } from '#core/retrieval/region.ts';
import { embeddingOf, writeTinyModel } from './inference/tiny-model.ts';
import { at, CALIBRATION, type MemoryTile, memoryRegion, regionsOf } from './retrieval/memory-region.ts';

const COLOUR = [0, 200, 50] as const;
const QUERY = embeddingOf(COLOUR);

let dir: string;
let model: Model;
let panorama: Uint8Array;
let photo: Uint8Array;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'geo2-'));
  await writeTinyModel(dir);
  model = await openOnnxModel({ dir, threads: 1 });
  await model.start();
  panorama = await imageOf(400, 200);
  photo = await imageOf(256, 192);
});

afterAll(async () => {
  await model.stop();
  await rm(dir, { recursive: true, force: true });
});

async function imageOf(width: number, height: number): Promise<Uint8Array> {
  const [r, g, b] = COLOUR;
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } })
    .png()
    .toBuffer();
}

/** Deps over these regions. */
function over(...regions: Region[]): GeolocateDeps {
  return { model, regions: regionsOf(regions), limits: DEFAULT_IMAGE_LIMITS, nowMs: () => performance.now() };
}

function locate(region: Region, request: Partial<GeolocateRequest> = {}): Promise<GeolocateAnswer> {
  return createGeolocate(over(region))({ image: panorama, headingDeg: 0, ...request });
}

function tile(id: string, centre: LonLat, ...similarities: number[]): MemoryTile {
  return { id, centre, similarities };
}

const NEAR: readonly MemoryTile[] = [
  tile('home', at(0, 0), 0.9, 0.2, 0.2, 0.2),
  tile('neighbour', at(35, 0), 0.86, 0.2, 0.2, 0.2),
  tile('far', at(3_000, 0), 0.5, 0.2, 0.2, 0.2),
  tile('farther', at(0, 6_000), 0.45, 0.2, 0.2, 0.2),
];

describe('geolocate', () => {
  test('answers with the place of the tile that fits, what it knows of it, and the time of each stage', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles: NEAR }), { headingDeg: 450 });
    expect(answer.status).toBe('matched');
    expect(answer.probability).toBeGreaterThan(0.95);
    const [first, second] = answer.candidates;
    expect(first).toMatchObject({ rank: 1, tileId: 'home', regionId: 'test', location: answer.location });
    expect(first?.similarity).toBeCloseTo(0.9, 5);
    expect(second).toMatchObject({ rank: 2, tileId: 'far' });
    const location = answer.location ?? [9, 9];
    expect(first === undefined ? false : containsPoint(first.bounds, location)).toBe(true);
    expect(distanceM(location, at(0, 0))).toBeGreaterThan(1); // drawn towards the neighbour
    expect(answer.accuracy?.confidence).toBe(0.68);
    expect(answer.accuracy?.radiusM).toBeGreaterThan(15);
    expect(answer.accuracy?.radiusM).toBeLessThan(40);
    expect(answer.heading).toEqual({ deg: 90, accuracyDeg: CALIBRATION.headingSigmaDeg });
    expect(answer.region).toEqual({ id: 'test', version: '1', attribution: 'nobody', capturedAt: null });
    expect(answer.model).toEqual({ name: 'tiny', version: '0.0.1' });
    const { total, ...stages } = answer.timingMs;
    for (const stage of Object.values(stages)) expect(stage).toBeGreaterThanOrEqual(0);
    expect(stages.inference).toBeGreaterThan(0);
    expect(total).toBeGreaterThanOrEqual(Object.values(stages).reduce((sum, stage) => sum + stage, 0) - 0.5);
  });

  test('says that it was judged by a default calibration, unless the region has its own', async () => {
    const judgedBy = async (calibration: Partial<Calibration>, request: Partial<GeolocateRequest> = {}) =>
      (await locate(memoryRegion(QUERY, { tiles: NEAR, calibration }), request)).reasons.filter(
        (reason) => reason !== 'sky_or_ground_only', // the panorama has one colour
      );
    expect(await judgedBy({})).toEqual(['default_calibration']);
    expect(await judgedBy({ notHereSimilarity: 1 })).toEqual(['weak_match', 'default_calibration']);
    expect(await judgedBy({ fittedOnRegion: 'another' })).toEqual(['default_calibration']);
    expect(await judgedBy({ fittedOnRegion: 'test' })).toEqual([]);
    // where nothing was searched nothing was judged
    const nowhere = { type: 'circle', center: [50, 50], radiusM: 100 } as const;
    expect(await judgedBy({}, { prior: nowhere })).toEqual([]);
  });

  test('lists as many candidates as asked for, and no more than there are places', async () => {
    const region = memoryRegion(QUERY, { tiles: NEAR });
    expect((await locate(region, { topK: 1 })).candidates).toHaveLength(1);
    const all = (await locate(region, { topK: 50 })).candidates;
    expect(all.map(({ rank, tileId }) => [rank, tileId])).toEqual([
      [1, 'home'],
      [2, 'far'],
      [3, 'farther'],
    ]);
  });

  test('widens the radius with the confidence that is asked for', async () => {
    const region = memoryRegion(QUERY, { tiles: NEAR });
    const radiusAt = async (confidence: number) => (await locate(region, { confidence })).accuracy?.radiusM ?? 0;
    const radii = [await radiusAt(0.1), await radiusAt(0.68), await radiusAt(0.95)];
    expect(radii).toEqual([...radii].sort((a, b) => a - b));
    expect(radii[2]).toBeGreaterThan(1.3 * (radii[1] ?? 0));
  });

  test('answers from a region of one tile, and in one that is smaller than what is searched for', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles: [tile('only', at(0, 0), 0.9, 0.1, 0.1, 0.1)] }));
    expect(answer).toMatchObject({ status: 'matched', candidates: [{ tileId: 'only' }] });
    expect(distanceM(answer.location ?? [9, 9], at(0, 0))).toBeLessThan(0.1);
  });

  test('finds a place on the antimeridian', async () => {
    const tiles = [tile('w', at(-17.5, 0, [180, 5]), 0.9, 0, 0, 0), tile('e', at(17.5, 0, [180, 5]), 0.9, 0, 0, 0)];
    const answer = await locate(memoryRegion(QUERY, { tiles }), {
      prior: { type: 'circle', center: [-179.999, 5], radiusM: 500 },
    });
    expect(answer.status).toBe('matched');
    expect(distanceM(answer.location ?? [0, 0], [180, 5])).toBeLessThan(0.1);
    expect(answer.candidates).toHaveLength(1);
  });
});

describe('the heading', () => {
  const tiles = [tile('turned', at(0, 0), 0.3, 0.35, 0.9, 0.35), tile('north', at(3_000, 0), 0.8, 0.2, 0.2, 0.2)];

  test('that is known searches the tiles as they lie, north up', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles }), { headingDeg: 10 });
    expect(answer).toMatchObject({ status: 'matched', heading: { deg: 10 } });
    expect(answer.candidates[0]?.tileId).toBe('north');
    expect(answer.candidates[0]).not.toHaveProperty('headingDeg');
  });

  test('that is unknown is 360 r / R where row r fits', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles }), { headingDeg: undefined });
    expect(answer).toMatchObject({ status: 'matched', heading: {} });
    expect(answer.candidates.map(({ tileId, headingDeg }) => [tileId, headingDeg])).toEqual([
      ['turned', 180],
      ['north', 0],
    ]);
    expect(answer.heading?.deg).toBeCloseTo(180, 3);
    expect(answer.heading?.accuracyDeg).toBeCloseTo(CALIBRATION.headingSigmaDeg, 0);
  });

  test('is refined between the rows of the bank', async () => {
    const between = [tile('turned', at(0, 0), 0.2, 0.9, 0.85, 0.2)];
    const { heading } = await locate(memoryRegion(QUERY, { tiles: between }), { headingDeg: undefined });
    expect(heading?.deg).toBeGreaterThan(110);
    expect(heading?.deg).toBeLessThan(135);
  });

  test('that is stated wrongly is contradicted by a place that fits when it is turned', async () => {
    const wrong = [tile('turned', at(0, 0), 0.3, 0.35, 0.9, 0.35), tile('other', at(3_000, 0), 0.3, 0.2, 0.2, 0.2)];
    const answer = await locate(memoryRegion(QUERY, { tiles: wrong }), { headingDeg: 10 });
    expect(answer.status).toBe('no_match');
    expect(answer.reasons).toContain('heading_conflict');
    const slightly = [tile('turned', at(0, 0), 0.4, 0.9, 0.3, 0.2, 0.1, 0.1, 0.1, 0.3)];
    const near = await locate(memoryRegion(QUERY, { tiles: slightly }), { headingDeg: 10 });
    expect(near.reasons).not.toContain('heading_conflict'); // one row off of eight: as far as compasses go
  });

  test('is not made up where tiles are known in one orientation', async () => {
    const aligned = [tile('only', at(0, 0), 0.9), tile('other', at(500, 0), 0.2)];
    const found = await locate(memoryRegion(QUERY, { tiles: aligned }), { headingDeg: undefined });
    expect(found.status).toBe('matched');
    expect(found).not.toHaveProperty('heading');
    expect(found.candidates[0]).not.toHaveProperty('headingDeg');
    const lost = [tile('only', at(0, 0), 0.1), tile('other', at(500, 0), 0.1)];
    const missed = await locate(memoryRegion(QUERY, { tiles: lost }), { headingDeg: undefined });
    expect(missed.reasons).toContain('heading_needed');
  });
});

describe('an answer that is not a match', () => {
  test('is ambiguous between places that fit alike, with a radius that reaches from one to the other', async () => {
    const tiles = [tile('a', at(0, 0), 0.8), tile('b', at(2_000, 0), 0.8)];
    const answer = await locate(memoryRegion(QUERY, { tiles }));
    expect(answer.status).toBe('ambiguous');
    expect(answer.reasons).toContain('several_places');
    expect(answer.reasons).not.toContain('weak_match');
    expect(answer.candidates.map(({ probability }) => Math.round(probability * 100))).toEqual([50, 50]);
    expect(answer.accuracy?.radiusM).toBeGreaterThan(1_900);
    expect(answer.location).toBeDefined();
  });

  test('is no match, without a location, where nothing fits', async () => {
    const tiles = [tile('a', at(0, 0), 0.2), tile('b', at(2_000, 0), 0.1)];
    const answer = await locate(memoryRegion(QUERY, { tiles }));
    expect(answer.status).toBe('no_match');
    expect(answer.reasons).toContain('weak_match');
    for (const absent of ['location', 'accuracy', 'heading', 'region']) expect(answer).not.toHaveProperty(absent);
    expect(answer.candidates[0]).toMatchObject({ tileId: 'a', probability: answer.probability });
    expect(answer.probability).toBeLessThan(0.01);
  });

  test('passes on why the image deserves less trust', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles: NEAR }), { image: photo, fovDeg: 20 });
    expect(answer.reasons).toEqual(['narrow_fov', 'sky_or_ground_only', 'default_calibration']);
  });
});

describe('the prior', () => {
  const tiles = [tile('here', at(0, 0), 0.8), tile('there', at(2_000, 0), 0.82), tile('beyond', at(9_000, 0), 0.81)];

  test('leaves the tiles that it touches', async () => {
    const region = memoryRegion(QUERY, { tiles });
    expect((await locate(region)).status).toBe('ambiguous');
    const circle = await locate(region, { prior: { type: 'circle', center: at(100, 0), radiusM: 100 } });
    expect(circle).toMatchObject({ status: 'matched', candidates: [{ tileId: 'here' }] });
    expect(circle.candidates).toHaveLength(1);
    const box = await locate(region, { prior: { type: 'bbox', bbox: [0.01, -0.01, 0.03, 0.01] } });
    expect(box).toMatchObject({ status: 'matched', candidates: [{ tileId: 'there' }] });
  });

  test('keeps the answer where it allows it, when it cuts through a tile', async () => {
    const [east, north] = at(35, 35);
    const answer = await locate(memoryRegion(QUERY, { tiles }), {
      prior: { type: 'bbox', bbox: [east - 0.00005, -0.001, east + 0.001, north] },
    });
    expect(answer.candidates[0]?.tileId).toBe('here');
    expect(answer.location?.[0]).toBeGreaterThan(east - 0.00005);
  });

  test('that touches no region is out of coverage, without asking the model', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles }), {
      prior: { type: 'circle', center: [50, 50], radiusM: 1_000 },
    });
    expect(answer).toMatchObject({
      status: 'out_of_coverage',
      probability: 0,
      candidates: [],
      timingMs: { queue: 0, inference: 0 },
    });
    expect(answer).not.toHaveProperty('location');
  });

  test('that touches the region’s rectangle but none of its tiles is out of coverage', async () => {
    const answer = await locate(memoryRegion(QUERY, { tiles }), {
      prior: { type: 'circle', center: at(1_000, 0), radiusM: 100 },
    });
    expect(answer.status).toBe('out_of_coverage');
  });

  test('does not excuse an image that cannot be read', async () => {
    const asked = locate(memoryRegion(QUERY, { tiles }), {
      image: new Uint8Array(0),
      prior: { type: 'circle', center: [50, 50], radiusM: 1_000 },
    });
    await expect(asked).rejects.toMatchObject({ code: 'IMAGE_EMPTY' });
  });
});

describe('regions', () => {
  const north = memoryRegionAt('north', at(0, 20_000), 0.9);
  const south = memoryRegionAt('south', at(0, -20_000), 0.8);

  function memoryRegionAt(id: string, centre: LonLat, similarity: number): Region {
    return memoryRegion(QUERY, { id, tiles: [tile(`${id}-tile`, centre, similarity)] });
  }

  test('are searched together, and the best one is named', async () => {
    const answer = await createGeolocate(over(south, north))({ image: panorama, headingDeg: 0 });
    expect(answer).toMatchObject({ status: 'matched', region: { id: 'north' } });
    expect(answer.candidates.map(({ regionId }) => regionId)).toEqual(['north', 'south']);
  });

  test('that are named are the only ones searched', async () => {
    const geolocate = createGeolocate(over(south, north));
    const answer = await geolocate({ image: panorama, headingDeg: 0, regions: ['south', 'south'] });
    expect(answer.candidates.map(({ regionId }) => regionId)).toEqual(['south']);
  });

  test('that are not there are refused, naming those that are', async () => {
    const asked = createGeolocate(over(south, north))({ image: panorama, regions: ['north', 'mars'] });
    await expect(asked).rejects.toMatchObject({
      code: 'UNKNOWN_REGION',
      message: 'There is no region mars; there are north, south.',
      data: { unknown: ['mars'], known: ['north', 'south'] },
    });
  });

  test('that overlap compete for a place instead of sharing it', async () => {
    const again = memoryRegionAt('again', at(0, 20_000), 0.89);
    const answer = await createGeolocate(over(again, north))({ image: panorama, headingDeg: 0 });
    expect(answer).toMatchObject({ status: 'matched', region: { id: 'north' } });
    expect(answer.candidates).toHaveLength(1);
  });

  test('that overlap on grids of their own answer as one of them does', async () => {
    const gridOf = (id: string, offsetM: number, loss: number): Region => {
      const tiles = Array.from({ length: 100 }, (_, i) =>
        tile(
          `${id}-${i}`,
          at(offsetM + (i % 10) * 35, offsetM + Math.floor(i / 10) * 35),
          i === 44 ? 0.58 - loss : 0.4,
        ),
      );
      return memoryRegion(QUERY, { id, tiles });
    };
    const [one, again] = [gridOf('one', 0, 0), gridOf('again', 12, 0.01)];
    const ask = (...held: Region[]) => createGeolocate(over(...held))({ image: panorama, headingDeg: 0 });
    const [alone, merged] = [await ask(one), await ask(one, again)];
    expect(alone.probability).toBeGreaterThan(0.5);
    expect(alone.probability).toBeLessThan(0.9); // where each rival counts
    expect(merged).toEqual({ ...alone, timingMs: merged.timingMs });
    expect(merged.candidates[0]).toMatchObject({ regionId: 'one', tileId: 'one-44' });
  });

  test('are none: out of coverage', async () => {
    const answer = await createGeolocate(over())({ image: panorama });
    expect(answer).toMatchObject({ status: 'out_of_coverage', candidates: [] });
  });

  test('judge each kind of query by its own calibration', async () => {
    const strict = memoryRegion(QUERY, {
      tiles: [tile('only', at(0, 0), 0.8)],
      calibration: { profiles: { photo: { notHereSimilarity: 0.95 } } },
    });
    expect((await locate(strict)).status).toBe('matched');
    expect((await locate(strict, { image: photo })).status).toBe('no_match');
    expect((await locate(strict, { fovDeg: 160 })).status).toBe('no_match'); // a narrow panorama is judged as a photo
  });
});

describe('a caller', () => {
  test('who went away is not searched for', async () => {
    const asked = locate(memoryRegion(QUERY, { tiles: NEAR }), { signal: AbortSignal.abort(new Error('hung up')) });
    await expect(asked).rejects.toMatchObject({ code: 'CANCELED' });
  });

  test('whose time is up is told so', async () => {
    const asked = locate(memoryRegion(QUERY, { tiles: NEAR }), { deadlineMs: 0 });
    await expect(asked).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });

  test('who calibrates gets what was found, before it is judged', async () => {
    const region = memoryRegion(QUERY, { tiles: NEAR });
    const found = await createLocate(over(region))({ image: panorama, headingDeg: 0 });
    expect(found).toMatchObject({ profile: 'panorama', searchedTiles: 4 });
    expect(found.hits.map((hit) => hit.tile)).toEqual([0, 1, 2, 3]);
    const turned = await createLocate(over(region))({ image: photo });
    expect(turned.profile).toBe('photo_unknown_heading');
    expect(turned.hits[0]?.headings?.headingsDeg).toEqual([0, 90, 180, 270]);
    expect(turned.hits[0]?.headings?.similarities.map((similarity) => similarity.toFixed(3))).toEqual([
      '0.900',
      '0.200',
      '0.200',
      '0.200',
    ]);
  });
});
