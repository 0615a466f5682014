import { describe, expect, test } from 'vitest';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { LonLat } from '#core/geo/units.ts';
import type { Hypothesis } from '#core/inference/manifest.ts';
import { type Search, searchScopes } from '#core/retrieval/search.ts';
import { at, memoryRegion } from './memory-region.ts';

/** Orthogonal directions: a tile that is like one of them is like no other. */
const AXES = [0, 1, 2].map((axis) => Float32Array.from({ length: 4 }, (_, i) => (i === axis ? 1 : 0)));
const HYPOTHESES: readonly Hypothesis[] = [
  { turnDeg: 0, rightM: 10, aheadM: 0 },
  { turnDeg: 0, rightM: 0, aheadM: 10 },
  { turnDeg: 15, rightM: 10, aheadM: 0 },
];
const NOWHERE = new Float32Array([0, 0, 0, 1]);

/** A tile at the origin, whose rows are like the first axis, as a query whose hypothesis `like` is that axis. */
function searchOf(like: number, options: { aligned: boolean; similarities: readonly number[] }) {
  const region = memoryRegion(axis(0), {
    tiles: [{ id: 'only', centre: [0, 0], similarities: options.similarities }],
  });
  const query = HYPOTHESES.map((_, i) => (i === like ? axis(0) : NOWHERE));
  const search: Search = { query, hypotheses: HYPOTHESES, aligned: options.aligned };
  return searchScopes([{ region }], search);
}

function axis(i: number): Float32Array {
  return AXES[i] ?? NOWHERE;
}

function metresOf(point: LonLat | undefined): { eastM: number; northM: number } {
  const { eastM, northM } = createLocalFrame([0, 0]).toLocal(point ?? [Number.NaN, Number.NaN]);
  return { eastM: Math.round(eastM * 1e3) / 1e3 + 0, northM: Math.round(northM * 1e3) / 1e3 + 0 };
}

describe('the hypotheses of a query', () => {
  test('say where the camera stands: away from the tile by what the best one has the tile away from it', async () => {
    const right = await searchOf(0, { aligned: true, similarities: [0.9] });
    expect(metresOf(right.hits[0]?.centre)).toEqual({ eastM: -10, northM: 0 });
    const ahead = await searchOf(1, { aligned: true, similarities: [0.9] });
    expect(metresOf(ahead.hits[0]?.centre)).toEqual({ eastM: 0, northM: -10 });
  });

  test('are of the frame that the best orientation turns', async () => {
    const east = await searchOf(1, { aligned: false, similarities: [0.1, 0.9, 0.1, 0.1] });
    expect(metresOf(east.hits[0]?.centre)).toEqual({ eastM: -10, northM: 0 }); // ahead is east
    const south = await searchOf(0, { aligned: false, similarities: [0.1, 0.1, 0.9, 0.1] });
    expect(metresOf(south.hits[0]?.centre)).toEqual({ eastM: 10, northM: 0 }); // right of south is west
    expect(south.hits[0]?.headingDeg).toBe(180);
  });

  test('that turn the canvas add to the heading, and are not tried where the heading is known', async () => {
    const turned = await searchOf(2, { aligned: false, similarities: [0.1, 0.9, 0.1, 0.1] });
    expect(turned.hits[0]?.headingDeg).toBe(105);
    expect(turned.hits[0]?.headings?.headingsDeg).toEqual([0, 15, 90, 105, 180, 195, 270, 285]);
    expect(turned.hits[0]?.headings?.similarities[3]).toBeCloseTo(0.9, 5);
    const known = await searchOf(2, { aligned: true, similarities: [0.9] });
    expect(known.hits[0]?.similarity).toBeLessThan(0.5);
  });

  test('never put the camera outside of what the prior leaves of a tile', async () => {
    const region = memoryRegion(axis(0), { tiles: [{ id: 'only', centre: [0, 0], similarities: [0.9] }] });
    const [west, south] = at(-4, -30);
    const [east, north] = at(30, 30);
    const query = [axis(0), NOWHERE, NOWHERE];
    const scope = { region, rectangle: { west, south, east, north } };
    const found = await searchScopes([scope], { query, hypotheses: HYPOTHESES, aligned: true });
    expect(metresOf(found.hits[0]?.centre)).toEqual({ eastM: -4, northM: 0 });
  });

  test('find a tile once, at the best of them', async () => {
    const region = memoryRegion(axis(0), {
      tiles: [
        { id: 'a', centre: [0, 0], similarities: [0.5] },
        { id: 'b', centre: at(500, 0), similarities: [0.7] },
      ],
    });
    const query = [axis(0), axis(0), NOWHERE];
    const { hits } = await searchScopes([{ region }], { query, hypotheses: HYPOTHESES, aligned: true });
    expect(hits.map(({ tile, similarity }) => [tile, Number(similarity.toFixed(5))])).toEqual([
      [1, 0.7],
      [0, 0.5],
    ]);
  });
});
