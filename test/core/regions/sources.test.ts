import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { writeArrayBuffer } from 'geotiff';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import { toRad } from '#core/geo/units.ts';
import { createPinnedFetcher } from '#core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '#core/outbound/public-address.ts';
import { openGeotiffSource } from '#core/regions/geotiff-source.ts';
import { gridImagery } from '#core/regions/grid-imagery.ts';
import type { ImagerySource } from '#core/regions/imagery-source.ts';
import { openMbtilesSource } from '#core/regions/mbtiles-source.ts';
import type { PixelGrid } from '#core/regions/pixel-grid.ts';
import { openPmtilesSource } from '#core/regions/pmtiles-source.ts';
import { projectionOf } from '#core/regions/projection.ts';
import { openXyzFolder, openXyzUrl } from '#core/regions/xyz-source.ts';
import { temporaryFolder } from '../../temporary.ts';
import { cropOf } from './imagery.fixtures.ts';
import {
  CENTRE,
  colourAt,
  groundOf,
  mapTilesOf,
  writeGeotiff,
  writeMbtiles,
  writePmtiles,
  writeXyz,
} from './imagery-files.ts';

const GROUND = groundOf(300);
/** 0.30 m a pixel at 60 degrees north, where it would be 0.60 m at the equator. */
const ZOOM = 18;
let tiles: Awaited<ReturnType<typeof mapTilesOf>>;
beforeAll(async () => {
  tiles = await mapTilesOf(GROUND, ZOOM);
});

const opened: PixelGrid[] = [];
afterAll(() => Promise.all(opened.map((grid) => grid.close())));

async function imagery(grid: PixelGrid | Promise<PixelGrid>): Promise<ImagerySource> {
  const open = await grid;
  opened.push(open);
  return gridImagery(open);
}

const fetcher = createPinnedFetcher({
  isAllowed: createAddressPolicy(['127.0.0.0/8']),
  resolveHost: async (host) => [{ address: host, family: 4 }],
});

/** A tile server that answers 404 where it has nothing, and 503 to every first request. */
async function serveTiles(): Promise<{ template: string; asked: () => number }> {
  const known = new Map(tiles.map(({ tile, bytes }) => [`/${tile.z}/${tile.x}/${tile.y}.webp`, bytes]));
  const seen = new Set<string>();
  const server = createServer((request, response) => {
    const bytes = known.get(request.url ?? '');
    const isFirst = !seen.has(request.url ?? '');
    seen.add(request.url ?? '');
    if (bytes === undefined) response.writeHead(404).end();
    else if (isFirst) response.writeHead(503).end();
    else response.writeHead(200, { 'content-type': 'image/webp' }).end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return { template: `http://127.0.0.1:${port}/{z}/{x}/{y}.webp`, asked: () => seen.size };
}

/** EPSG code, pixel steps in the projection's units, and the name of its GeoKey. */
const PROJECTIONS = [
  { epsg: 3857, step: 0.6, key: 'ProjectedCSTypeGeoKey' },
  { epsg: 32635, step: 0.3, key: 'ProjectedCSTypeGeoKey' },
  { epsg: 3067, step: 0.3, key: 'ProjectedCSTypeGeoKey' },
  { epsg: 4326, step: 0.3 / 111_195, key: 'GeographicTypeGeoKey' },
] as const;

async function geotiffIn(
  { epsg, step, key }: (typeof PROJECTIONS)[number],
  isShown?: Parameters<typeof writeGeotiff>[1]['isShown'],
): Promise<string> {
  const projection = projectionOf(epsg);
  if (projection === undefined) throw new Error(`${epsg} should be known`);
  const sizePx = 600;
  const middle = projection.toPlane(CENTRE);
  const stepX = epsg === 4326 ? step * 2 : step; // a degree of longitude is half as long here
  const path = join(await temporaryFolder(), `${epsg}.tif`);
  await writeGeotiff(path, {
    keys: { GTModelTypeGeoKey: epsg === 4326 ? 2 : 1, GTRasterTypeGeoKey: 1, [key]: epsg },
    toLonLat: projection.toLonLat,
    originX: middle.x - (sizePx / 2) * stepX,
    originY: middle.y + (sizePx / 2) * step,
    stepX,
    stepY: step,
    sizePx,
    ...(isShown === undefined ? {} : { isShown }),
  });
  return path;
}

/** Every pixel has the colour of the ground that it must show: place, scale and direction at once. */
async function expectTrueCrops(source: ImagerySource): Promise<void> {
  for (const upDeg of [0, 90, 225]) {
    const [lon, lat] = createLocalFrame(CENTRE).toLonLat({ eastM: 30, northM: -20 });
    const square = { centre: [lon, lat] as const, sizeM: 70, sizePx: 128, upDeg };
    const { rgb } = await cropOf(source, square);
    const frame = createLocalFrame(square.centre);
    let worst = 0;
    for (let row = 0; row < 128; row++) {
      for (let column = 0; column < 128; column++) {
        const right = ((column + 0.5 - 64) * 70) / 128;
        const ahead = ((64 - row - 0.5) * 70) / 128;
        const [sine, cosine] = [Math.sin(toRad(upDeg)), Math.cos(toRad(upDeg))];
        const point = frame.toLonLat({ eastM: ahead * sine + right * cosine, northM: ahead * cosine - right * sine });
        const expected = colourAt(point);
        for (const [c, level] of expected.entries()) {
          worst = Math.max(worst, Math.abs(level - (rgb[(row * 128 + column) * 3 + c] ?? -99)));
        }
      }
    }
    expect(worst, `up ${upDeg}`).toBeLessThanOrEqual(1); // a level is two metres, and half a one is rounding
  }
}

describe('a crop at 60 degrees north shows the metres that it should', () => {
  test('from a PMTiles archive', async () => {
    const path = join(await temporaryFolder(), 'ground.pmtiles');
    await writePmtiles(path, tiles, GROUND);
    await expectTrueCrops(await imagery(openPmtilesSource(path)));
  });

  test('from an MBTiles archive, whose rows count northward', async () => {
    const path = join(await temporaryFolder(), 'ground.mbtiles');
    writeMbtiles(path, tiles);
    await expectTrueCrops(await imagery(openMbtilesSource(path)));
  });

  test('from a folder of tiles', async () => {
    const dir = await temporaryFolder();
    await writeXyz(dir, tiles);
    await expectTrueCrops(await imagery(openXyzFolder(dir)));
  });

  test('from a tile server that is busy at first, each tile fetched once', async () => {
    const { template, asked } = await serveTiles();
    const source = await imagery(openXyzUrl({ template, bounds: GROUND, zoom: ZOOM, fetcher }));
    await expectTrueCrops(source);
    expect(asked()).toBeLessThanOrEqual(tiles.length + 4);
  });

  test.each(PROJECTIONS)('from a GeoTIFF in EPSG:$epsg', async (projection) => {
    await expectTrueCrops(await imagery(openGeotiffSource(await geotiffIn(projection))));
  });
});

describe('holes in imagery', () => {
  const isEast = ([lon]: readonly [number, number]): boolean => lon >= CENTRE[0];
  const square = (eastM: number) => {
    const [lon, lat] = createLocalFrame(CENTRE).toLonLat({ eastM, northM: 0 });
    return { centre: [lon, lat] as const, sizeM: 70, sizePx: 32, upDeg: 45 };
  };

  test('of transparent pixels are missing; the corners around a whole square repeat its edge', async () => {
    const path = join(await temporaryFolder(), 'half.pmtiles');
    await writePmtiles(path, await mapTilesOf(GROUND, ZOOM, isEast), GROUND);
    const source = await imagery(openPmtilesSource(path));
    expect(await source.crop(square(-60))).toBeUndefined();
    expect(await source.crop(square(20))).toBeUndefined();
    const { rgb } = await cropOf(source, square(36));
    for (let i = 0; i < rgb.length; i += 3) expect(rgb[i]).toBeGreaterThanOrEqual(127);
  });

  test('of nodata in a GeoTIFF are missing', async () => {
    const source = await imagery(openGeotiffSource(await geotiffIn(PROJECTIONS[1], isEast)));
    expect(await source.crop(square(-40))).toBeUndefined();
    expect(await source.crop(square(40))).toBeDefined();
  });

  test('behind a server that answers 404 are missing', async () => {
    const { template } = await serveTiles();
    const source = await imagery(openXyzUrl({ template, bounds: groundOf(3000), zoom: ZOOM, fetcher }));
    expect(await source.crop(square(1200))).toBeUndefined();
  });
});

describe('what is no imagery is refused with what to do', () => {
  const tiffOf = async (keys: Record<string, unknown>): Promise<string> => {
    const path = join(await temporaryFolder(), 'bad.tif');
    const about = { width: 8, height: 8, SamplesPerPixel: 3, BitsPerSample: [8, 8, 8], PhotometricInterpretation: 2 };
    await writeFile(path, new Uint8Array(writeArrayBuffer(new Uint8Array(8 * 8 * 3), { ...about, ...keys })));
    return path;
  };
  const placed = { ModelTiepoint: [0, 0, 0, 0, 0, 0], ModelPixelScale: [1, 1, 0] };

  test.each([
    ['a projection that is not known', { ...placed, GTModelTypeGeoKey: 1, ProjectedCSTypeGeoKey: 2056 }, /EPSG:2056/],
    ['a projection of its own', { ...placed, GTModelTypeGeoKey: 1, ProjectedCSTypeGeoKey: 32767 }, /of its own/],
  ])('%s', async (_name, keys, message) => {
    await expect(openGeotiffSource(await tiffOf(keys))).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringMatching(message),
    });
    await expect(openGeotiffSource(await tiffOf(keys))).rejects.toThrow(/gdalwarp -t_srs EPSG:3857/);
  });

  test('a TIFF without a place', async () => {
    const path = join(await temporaryFolder(), 'plain.tif');
    const { default: sharp } = await import('sharp');
    await sharp({ create: { width: 32, height: 32, channels: 3, background: { r: 1, g: 2, b: 3 } } })
      .tiff()
      .toFile(path);
    await expect(openGeotiffSource(path)).rejects.toThrow(/has no georeference: .*gdal_translate -a_srs/);
  });

  test('a file of something else', async () => {
    const path = join(await temporaryFolder(), 'notes.tif');
    await writeFile(path, 'these are notes');
    await expect(openGeotiffSource(path)).rejects.toMatchObject({ code: 'SOURCE_INVALID' });
    await expect(openPmtilesSource(path)).rejects.toThrow(/is no PMTiles archive/);
    expect(() => openMbtilesSource(path)).toThrow(/is no MBTiles archive/);
  });

  const CROP = { centre: CENTRE, sizeM: 70, sizePx: 32, upDeg: 0 };

  test('a PMTiles archive of shapes, one that is cut off in its header, its directory or its tiles, and a folder', async () => {
    const dir = await temporaryFolder();
    const path = join(dir, 'ground.pmtiles');
    await writePmtiles(path, tiles, GROUND);
    const whole = await readFile(path);
    const open = async (content: Uint8Array) => {
      await writeFile(path, content);
      return imagery(openPmtilesSource(path));
    };
    const shapes = Uint8Array.from(whole);
    shapes[99] = 1; // the header's type of tiles: MVT
    await expect(open(shapes)).rejects.toThrow(/ground\.pmtiles holds no PNG, JPEG or WebP tiles/);
    await expect(open(whole.subarray(0, 60))).rejects.toThrow(/is no PMTiles archive of version 3: copy it again/);
    const tilesAt = Number(whole.readBigUInt64LE(56));
    for (const kept of [150, tilesAt + 10]) {
      const crop = open(whole.subarray(0, kept)).then((source) => source.crop(CROP));
      await expect(crop).rejects.toMatchObject({
        code: 'SOURCE_INVALID',
        message: expect.stringMatching(/ground\.pmtiles.*(copy (it|the archive) again|is no JPEG, PNG or WebP image)/),
      });
    }
    await expect(openPmtilesSource(dir)).rejects.toMatchObject({ code: 'SOURCE_INVALID' });
  });

  test('an MBTiles archive that is damaged', async () => {
    const path = join(await temporaryFolder(), 'ground.mbtiles');
    writeMbtiles(path, tiles);
    const pages = await readFile(path);
    await writeFile(path, pages.fill(255, pages.length / 4));
    const crop = async () => (await imagery(openMbtilesSource(path))).crop(CROP);
    await expect(crop()).rejects.toMatchObject({ code: 'SOURCE_INVALID', message: expect.stringContaining(path) });
  });

  test('a tile that is no image, and one that is cut off', async () => {
    const dir = await temporaryFolder();
    const crop = async (change: (bytes: Uint8Array) => Uint8Array) => {
      const changed = tiles.map(({ tile, bytes }) => ({ tile, bytes: change(bytes) }));
      await writeXyz(dir, changed);
      return (await imagery(openXyzFolder(dir))).crop(CROP);
    };
    await expect(crop(() => new TextEncoder().encode('{"error":"no tile"}'))).rejects.toThrow(
      /The tile \d+\/\d+\/\d+ of .* is no JPEG, PNG or WebP image/,
    );
    await expect(crop((bytes) => bytes.subarray(0, bytes.length / 2))).rejects.toThrow(
      /is cut off or damaged: fetch or copy it again/,
    );
  });

  test('a URL template without a row, and an address that is not for us', async () => {
    const bounds = GROUND;
    expect(() => openXyzUrl({ template: 'http://a/{z}/{x}.png', bounds, zoom: 1, fetcher })).toThrow(/lacks \{y\}/);
    const strict = createPinnedFetcher({ isAllowed: createAddressPolicy([]), resolveHost: async () => [] });
    const template = 'http://127.0.0.1:1/{z}/{x}/{y}.png';
    const source = await imagery(openXyzUrl({ template, bounds, zoom: ZOOM, fetcher: strict }));
    await expect(source.crop({ centre: CENTRE, sizeM: 70, sizePx: 32, upDeg: 0 })).rejects.toThrow(
      /not a public address/,
    );
  });
});
