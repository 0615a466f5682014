import { expect, test } from 'vitest';
import { satelliteTile } from '#core/image/tile.ts';
import { pixelAt, quadrants, waves } from './fixtures.ts';

async function quadrantPixels(widthPx: number, heightPx: number) {
  const { data } = await (await quadrants(widthPx, heightPx)).raw().toBuffer({ resolveWithObject: true });
  return { rgb: new Uint8Array(data), widthPx, heightPx };
}

test('a tile of the right size is passed on as it is', async () => {
  const tile = waves(128, 128);
  expect(await satelliteTile(tile)).toEqual(tile);
});

test.each([
  [512, 512],
  [64, 64],
  [700, 512],
  [512, 701],
])('a %i x %i image becomes 128 x 128, its middle in the middle', async (widthPx, heightPx) => {
  const tile = await satelliteTile(await quadrantPixels(widthPx, heightPx));
  expect([tile.widthPx, tile.heightPx, tile.rgb.length]).toEqual([128, 128, 128 * 128 * 3]);
  expect(pixelAt(tile, 50, 50)).toEqual([255, 0, 0]);
  expect(pixelAt(tile, 78, 50)).toEqual([0, 255, 0]);
  expect(pixelAt(tile, 50, 78)).toEqual([0, 0, 255]);
  expect(pixelAt(tile, 78, 78)).toEqual([255, 255, 255]);
});
