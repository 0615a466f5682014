import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Colour, writeTestRegion } from './region-bundle.ts';
import { COLOURS, colourImage, prepareFiles, type Service, startService } from './service.ts';

/** One region that holds six tiles, another that holds the same, and two that hold four of them each: two tiles lie in both. */
let service: Service;
beforeAll(async () => {
  const files = await prepareFiles({ regions: ['whole', 'copy'] });
  const about = { modelVersion: '0.0.1' };
  await writeTestRegion(files.storeDir, { ...about, id: 'west', colours: COLOURS.slice(0, 4) });
  await writeTestRegion(files.storeDir, { ...about, id: 'east', colours: COLOURS.slice(2), eastSteps: 2 });
  service = await startService({}, { files });
});
afterAll(() => service.stop());

async function ask(colour: Colour, regions?: readonly string[]) {
  const answer = await service.client.geolocate(await colourImage(colour), {
    ...(regions === undefined ? {} : { regions: [...regions] }),
    topK: 20,
  });
  return { ...answer, places: answer.candidates.map(({ location, probability }) => ({ location, probability })) };
}

describe('regions that overlap', () => {
  test.each([
    ['two over the same ground', ['whole', 'copy']],
    ['two that share a part', ['west', 'east']],
    ['all there are', undefined],
  ] as const)('give the answer of one that holds all of it (%s)', async (_name, regions) => {
    for (const colour of COLOURS) {
      const [one, merged] = [await ask(colour, ['whole']), await ask(colour, regions)];
      expect(merged.status).toBe(one.status);
      expect(merged.location).toEqual(one.location);
      expect(merged.accuracy).toEqual(one.accuracy);
      expect(merged.probability).toBeCloseTo(one.probability, 9);
      expect(merged.places).toHaveLength(one.places.length); // each ground once
      for (const [i, { location, probability }] of one.places.entries()) {
        expect(merged.places[i]?.location).toEqual(location);
        expect(merged.places[i]?.probability).toBeCloseTo(probability, 9);
      }
      expect(merged.places.reduce((sum, { probability }) => sum + probability, 0)).toBeLessThan(1);
    }
  });

  test('are named by the candidates that lie in them', async () => {
    for (const [i, colour] of COLOURS.entries()) {
      const { candidates, region } = await ask(colour, ['west', 'east']);
      const [best] = candidates;
      const holders = i < 2 ? ['west'] : i < 4 ? ['west', 'east'] : ['east'];
      expect(holders).toContain(best?.regionId);
      expect(best?.tileId).toBe(`tile-${best?.regionId === 'west' ? i : i - 2}`);
      expect(region?.id).toBe(best?.regionId);
      expect(new Set(candidates.map(({ regionId }) => regionId))).toEqual(new Set(['west', 'east']));
    }
  });

  test('are one ground under a prior that touches both', async () => {
    const [, , red = [0, 0, 0]] = COLOURS;
    const prior = { type: 'circle' as const, center: [0.0043, 0.0003], radiusM: 60 };
    const image = await colourImage(red);
    const [one, merged] = await Promise.all(
      [['whole'], ['west', 'east']].map((regions) => service.client.geolocate(image, { prior, regions })),
    );
    expect(merged?.candidates).toHaveLength(1);
    expect(merged?.probability).toBeCloseTo(one?.probability ?? -1, 9);
  });
});
