import { describe, expect, test } from 'vitest';
import { intersects } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import { createImagerySource, viewSetImagery } from '#core/regions/imagery-source.ts';
import { brightSpot, cropOf, imageOf, painted, squareAt } from './imagery.fixtures.ts';

/** 200 m of dark ground with a 4 m bright square whose middle lies 20 m east and 5 m north of the image's middle. */
function marked(origin: readonly [number, number]) {
  const pixels = painted(400, (x, y) => (x >= 236 && x < 244 && y >= 186 && y < 194 ? [255, 255, 255] : [20, 30, 40]));
  return createImagerySource([imageOf('a', squareAt(-100, -100, 200, origin), pixels)]);
}

describe('a crop', () => {
  test.each([
    [0, 40, -10],
    [90, -10, -40],
    [180, -40, 10],
    [270, 10, 40],
    [45, 21.2, -35.4],
  ])('with azimuth %i up shows a mark 20 m east and 5 m north where it belongs', async (upDeg, x, y) => {
    const crop = await cropOf(marked([24.9, 60.2]), { centre: [24.9, 60.2], sizeM: 64, sizePx: 128, upDeg });
    const spot = brightSpot(crop);
    expect(spot.x).toBeCloseTo(x, 0);
    expect(spot.y).toBeCloseTo(y, 0);
  });

  test('at the image’s own resolution and place is the image itself', async () => {
    const pixels = painted(128, (x, y) => [x, y, (x * y) % 256]);
    const source = createImagerySource([imageOf('a', squareAt(-35, -35, 70), pixels)]);
    const crop = await cropOf(source, { centre: [0, 0], sizeM: 70, sizePx: 128, upDeg: 0 });
    expect(crop.rgb).toEqual(pixels.rgb);
  });

  test('is put together from several images without a seam', async () => {
    const ramp = (eastM: number) => painted(100, (x) => [Math.round(eastM + x), 0, 0]);
    const source = createImagerySource([
      imageOf('west', squareAt(-100, -50, 100), ramp(0)),
      imageOf('east', squareAt(0, -50, 100), ramp(100)),
    ]);
    const { rgb } = await cropOf(source, { centre: [0, 0], sizeM: 40, sizePx: 40, upDeg: 0 });
    for (let x = 0; x < 40; x++) expect(Math.abs((rgb[x * 3] ?? 0) - (80 + x))).toBeLessThanOrEqual(1);
  });

  test('beyond all imagery repeats the edge', async () => {
    const source = createImagerySource([
      imageOf(
        'a',
        squareAt(-35, -35, 70),
        painted(64, () => [7, 8, 9]),
      ),
    ]);
    const [lon, lat] = createLocalFrame([0, 0]).toLonLat({ eastM: 20, northM: 20 });
    const { rgb } = await cropOf(source, { centre: [lon, lat], sizeM: 70, sizePx: 32, upDeg: 45 });
    expect(new Set(rgb)).toEqual(new Set([7, 8, 9]));
  });

  test('far from all imagery is missing', async () => {
    expect(await marked([0, 0]).crop({ centre: [1, 1], sizeM: 70, sizePx: 128, upDeg: 0 })).toBeUndefined();
  });

  test('of finer imagery is reduced without aliasing', async () => {
    const stripes = painted(512, (x) => (x % 2 === 0 ? [255, 255, 255] : [0, 0, 0]));
    const source = createImagerySource([imageOf('a', squareAt(-35, -35, 70), stripes)]);
    const { rgb } = await cropOf(source, { centre: [0, 0], sizeM: 70, sizePx: 64, upDeg: 0 });
    for (const level of rgb) expect(Math.abs(level - 127.5)).toBeLessThan(6);
  });
});

test('a map of it is transparent outside of the imagery, and has the colours of the ground inside', async () => {
  const frame = createLocalFrame([0, 0]);
  const lons = Float64Array.of(0, 20, 150).map((eastM) => frame.toLonLat({ eastM, northM: 0 })[0]);
  const lats = Float64Array.of(5, 120).map((northM) => frame.toLonLat({ eastM: 0, northM })[1]);
  const bounds = { west: 0, south: 0, east: 0.01, north: 0.01 };
  const rgba = await marked([0, 0]).draw({ lons, lats, bounds, metresPerPx: 0.5 });
  const [ground, mark, nothing] = [
    [20, 30, 40, 255],
    [255, 255, 255, 255],
    [0, 0, 0, 0],
  ];
  expect([...rgba]).toEqual([ground, mark, nothing, nothing, nothing, nothing].flat());
});

test('imagery is found across the antimeridian', async () => {
  const frame = createLocalFrame([180, 10]);
  const [west, south] = frame.toLonLat({ eastM: -50, northM: -50 });
  const [east, north] = frame.toLonLat({ eastM: 50, northM: 50 });
  const source = createImagerySource([
    imageOf(
      'a',
      { west, south, east, north },
      painted(50, (x) => [x * 5, 0, 0]),
    ),
  ]);
  const { rgb } = await cropOf(source, { centre: [180, 10], sizeM: 20, sizePx: 10, upDeg: 0 });
  expect(rgb[0]).toBeGreaterThan(90);
  expect(rgb[27]).toBeGreaterThan(rgb[0] ?? 255);
});

test('a source without images is refused', () => {
  expect(() => createImagerySource([])).toThrow(/no imagery/);
});

test('an image that is not there is named', async () => {
  const tile = { id: 't1', image: 'nowhere.jpg', bounds: squareAt(0, 0, 70) };
  const crop = viewSetImagery('.', [tile]).crop({ centre: [0, 0], sizeM: 70, sizePx: 8, upDeg: 0 });
  await expect(crop).rejects.toMatchObject({ code: 'SOURCE_INVALID', data: { file: 'nowhere.jpg' } });
});

test('an image is read once while it is kept, however many ask at the same time', async () => {
  let reads = 0;
  const read = async () => {
    reads++;
    return painted(64, () => [1, 2, 3]);
  };
  const image = { id: 'a', bounds: squareAt(-35, -35, 70), read };
  const crops = (cacheBytes: number) => {
    const source = createImagerySource([image], { cacheBytes });
    const square = { centre: [0, 0], sizeM: 40, sizePx: 16, upDeg: 0 } as const;
    return async () => void (await Promise.all([source.crop(square), source.crop(square), source.images[0]?.read()]));
  };
  const roomy = crops(1e6);
  await roomy();
  await roomy();
  expect(reads).toBe(1);
  const cramped = crops(100); // nothing fits
  await cramped();
  await cramped();
  expect(reads).toBeGreaterThan(2);
});

test('a reading that failed is tried again', async () => {
  let reads = 0;
  const read = async () => {
    reads++;
    if (reads === 1) throw new Error('the disk is away');
    return painted(64, () => [1, 2, 3]);
  };
  const source = createImagerySource([{ id: 'a', bounds: squareAt(-35, -35, 70), read }]);
  const square = { centre: [0, 0], sizeM: 40, sizePx: 16, upDeg: 0 } as const;
  await expect(source.crop(square)).rejects.toThrow('the disk is away');
  await expect(source.crop(square)).resolves.toMatchObject({ widthPx: 16 });
});

test('many images are found by place as one by one', () => {
  const images = Array.from({ length: 200 }, (_, i) => ({
    id: `${i}`,
    bounds: squareAt((i % 20) * 37, Math.floor(i / 20) * 41, i % 7 === 0 ? 150 : 70, [179.999, -33]),
    read: async () => painted(1, () => [0, 0, 0]),
  }));
  const { touches } = createImagerySource(images);
  for (let i = 0; i < 400; i++) {
    const bounds = squareAt(((i * 61) % 1200) - 200, ((i * 97) % 900) - 200, 1 + (i % 5) * 40, [179.999, -33]);
    expect(touches(bounds)).toBe(images.some((image) => intersects(image.bounds, bounds)));
  }
});
