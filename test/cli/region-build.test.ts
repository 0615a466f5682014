import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BLUE, COLOURS, colourImage, prepareFiles, type Service, type ServiceFiles } from '../e2e/service.ts';
import { geo2, start } from './run.ts';

/** A tile of 70 m at the equator, in degrees. */
const TILE_DEG = 70 / 111_195;

let files: ServiceFiles;
let env: Record<string, string>;
let source: string;

beforeAll(async () => {
  files = await prepareFiles({ regions: [] });
  env = {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
    GEO2_DATA_DIR: join(files.root, 'data'),
  };
  source = join(files.root, 'imagery');
  await mkdir(source);
  const lines = ['tile_id,image,west,south,east,north'];
  for (const [i, [r, g, b]] of COLOURS.entries()) {
    await sharp({ create: { width: 128, height: 128, channels: 3, background: { r, g, b } } })
      .png()
      .toFile(join(source, `${i}.png`));
    const west = 0.3 + i * TILE_DEG;
    lines.push(`square-${i},${i}.png,${west},0,${west + TILE_DEG},${TILE_DEG}`);
  }
  await writeFile(join(source, 'tiles.csv'), `${lines.join('\n')}\n`);
  await writeFile(join(files.root, 'blue.png'), await colourImage(BLUE));
});

afterAll(() => rm(files.root, { recursive: true, force: true }));

describe('geo2 region build', () => {
  test('makes a region that locate finds photos in, and serves the first version at once', async () => {
    const built = await geo2(['region', 'build', '--from', source, '--id', 'squares', '--version', 'v1', '--json'], {
      env,
    });
    expect(built.code, built.stderr).toBe(0);
    expect(JSON.parse(built.stdout)).toMatchObject({
      id: 'squares',
      version: 'v1',
      published: true,
      tiles: 6,
      headings: 8,
      model: { name: 'tiny', version: '0.0.1' },
    });
    const verified = await geo2(['region', 'verify', 'squares', '--json'], { env });
    expect(JSON.parse(verified.stdout)).toMatchObject({ version: 'v1', ok: true, tiles: 6, goldenQueries: true });
    const located = await geo2(['locate', '--json', join(files.root, 'blue.png')], { env });
    const [best] = JSON.parse(located.stdout).candidates;
    expect(best).toMatchObject({ tileId: 'square-1', regionId: 'squares' });

    const second = await geo2(
      [
        'region',
        'build',
        '--from',
        source,
        '--id',
        'squares',
        '--version',
        'v2',
        '--headings',
        '2',
        '--area',
        `0.3,0,${0.3 + 3 * TILE_DEG},1`,
      ],
      { env },
    );
    expect(second.stdout).toMatch(
      /^squares@v2: 3 tiles with 2 headings by tiny 0\.0\.1, .*; not served yet: geo2 region publish squares@v2\n$/,
    );
    const listed = JSON.parse((await geo2(['region', 'list', '--json'], { env })).stdout);
    expect(listed).toMatchObject([{ id: 'squares', served: 'v1', versions: [{ version: 'v1' }, { version: 'v2' }] }]);

    const again = await geo2(['region', 'build', '--from', source, '--id', 'squares', '--version', 'v2', '--json'], {
      env,
    });
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout).error.code).toBe('STORE_CONFLICT');
  });

  test('takes a polygon from a GeoJSON file', async () => {
    const [west, east] = [0.3 + TILE_DEG, 0.3 + 3 * TILE_DEG];
    const ring = [
      [west, -1, 0],
      [east, -1, 0],
      [east, 1, 0],
      [west, 1, 0],
      [west, -1, 0],
    ];
    const geometry = { type: 'Polygon', coordinates: [ring] };
    const area = join(files.root, 'area.geojson');
    await writeFile(
      area,
      JSON.stringify({ type: 'FeatureCollection', features: [{ type: 'Feature', properties: {}, geometry }] }),
    );
    const args = ['region', 'build', '--from', source, '--id', 'part', '--headings', '1', '--area', area, '--json'];
    const { code, stdout, stderr } = await geo2(args, { env });
    expect(code, stderr).toBe(0);
    const { tiles, version } = JSON.parse(stdout);
    expect(tiles).toBe(2);
    expect(version).toMatch(/^\d{8}T\d{6}Z$/);
    const collection = await readFile(join(files.storeDir, 'regions/part', version, 'collection.json'), 'utf8');
    expect(JSON.parse(collection).providers[0].name).toBe('imagery');
  });

  test('refuses GeoJSON that is no single polygon', async () => {
    const area = join(files.root, 'line.json');
    await writeFile(
      area,
      JSON.stringify({
        type: 'LineString',
        coordinates: [
          [0, 0],
          [1, 1],
        ],
      }),
    );
    const { code, stderr } = await geo2(['region', 'build', '--from', source, '--id', 'x', '--area', area], { env });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('must hold one GeoJSON Polygon') });
  });

  test.each([
    ['south above north', '24,61,25,60', /--area.*south is above north: a bbox is \[west, south, east, north\]/],
    ['west east of east', '25,60,24,61', /--area.*west is east of east/],
    ['latitudes first', '60,124,61,125', /--area/],
    ['three numbers', '24,60,25', /--area must be W,S,E,N/],
  ])('refuses an area with %s', async (_name, area, message) => {
    const { code, stderr } = await geo2(['region', 'build', '--from', source, '--id', 'x', '--area', area], { env });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });

  const ring = (...points: number[][]) => JSON.stringify({ type: 'Polygon', coordinates: [points] });
  test.each([
    ['is cut off', '{"type": "Polygon", "coordinates": [[[0', /area\.geojson is not JSON/],
    ['has a ring that is open', ring([0, 0], [1, 0], [1, 1], [0, 1]), /a ring ends where it starts/],
    ['has latitudes first', ring([60, 124], [61, 124], [61, 125], [60, 124]), /--area: .*area\.geojson/],
    [
      'has two polygons',
      JSON.stringify({
        type: 'FeatureCollection',
        features: [0, 1].map(() => ({ type: 'Feature', geometry: JSON.parse(ring([0, 0], [1, 0], [1, 1], [0, 0])) })),
      }),
      /must hold one GeoJSON Polygon/,
    ],
  ])('refuses GeoJSON that %s', async (_name, content, message) => {
    const area = join(files.root, 'area.geojson');
    await writeFile(area, content);
    const { code, stderr } = await geo2(['region', 'build', '--from', source, '--id', 'x', '--area', area], { env });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });

  test.each([
    ['0', 2, /--tile-m must be more than 0 metres/],
    ['-70', 2, /--tile-m/],
    ['1e9', 2, /--tile-m must be at most 100000 metres/],
    ['seventy', 2, /--tile-m/],
  ])('refuses tiles of %s m', async (size, code, message) => {
    const args = ['region', 'build', '--from', source, '--id', 'x', `--tile-m=${size}`];
    const run = await geo2(args, { env });
    expect({ code: run.code, stderr: run.stderr }).toEqual({ code, stderr: expect.stringMatching(message) });
  });

  /** Six squares of one colour, so far apart that none fills up another. */
  async function writeSquares(name: string, sideM: number): Promise<string> {
    const dir = join(files.root, name);
    await cp(source, dir, { recursive: true });
    const side = sideM / 111_195;
    const lines = COLOURS.map((_, i) => {
      const west = 0.3 + i * 0.01;
      return `square-${i},${i}.png,${west},0,${west + side},${side}`;
    });
    await writeFile(join(dir, 'tiles.csv'), `tile_id,image,west,south,east,north\n${lines.join('\n')}\n`);
    return dir;
  }
  const buildOf = (from: string, id: string, ...more: string[]) =>
    geo2(['region', 'build', '--from', from, '--id', id, '--version', 'v1', '--headings', '1', '--json', ...more], {
      env,
    });
  const manifestOf = async (id: string) =>
    JSON.parse(await readFile(join(files.storeDir, 'regions', id, 'v1/manifest.json'), 'utf8'));

  test.each([
    // 70 m is the model's own size
    { sideM: 70, args: [], metresPerTile: 70, tiles: 6 },
    { sideM: 70, args: ['--tile-m', '35', '--overlap', '0'], metresPerTile: 35, tiles: 6 * 4 },
    { sideM: 140, args: [], metresPerTile: 70, tiles: 6 * 9 },
    { sideM: 140, args: ['--tile-m', '140'], metresPerTile: 140, tiles: 6 },
  ])(
    'of images of $sideM m with $args makes tiles of $metresPerTile m',
    async ({ sideM, args, metresPerTile, tiles }) => {
      const id = ['sized', sideM, ...args].join('').replaceAll('--', '-');
      const from = await writeSquares(id, sideM);
      const built = await buildOf(from, id, ...args);
      expect(built.code, built.stderr).toBe(0);
      expect(JSON.parse(built.stdout)).toMatchObject({ tiles, leftOutTiles: 0 });
      expect(await manifestOf(id)).toMatchObject({ metresPerTile, tileCount: tiles });
    },
  );

  test.each([
    { sideM: 50, args: [], tileM: 70 },
    { sideM: 70, args: ['--tile-m', '100'], tileM: 100 },
  ])('refuses images of $sideM m that fill no tile of $tileM m', async ({ sideM, args, tileM }) => {
    const id = `small-${sideM}`;
    const { code, stdout } = await buildOf(await writeSquares(id, sideM), id, ...args);
    expect({ code, error: JSON.parse(stdout).error }).toMatchObject({
      code: 1,
      error: {
        code: 'SOURCE_INVALID',
        message: expect.stringMatching(new RegExp(`all of its 6 tiles .* fill a tile of ${tileM} m`)),
      },
    });
  });

  test('says what is wrong with a source', async () => {
    const gone = await geo2(['region', 'build', '--from', join(source, 'gone'), '--id', 'x'], { env });
    expect(gone.code).toBe(1);
    expect(gone.stderr).toContain('is not there: --from takes the folder of a view set');
    const empty = await geo2(['region', 'build', '--from', files.root, '--id', 'x'], { env });
    expect(empty.code).toBe(1);
    expect(empty.stderr).toContain('tiles.csv');
  });
});

describe('geo2 serve', () => {
  test('says where it listens, answers, and ends cleanly on Ctrl-C', async () => {
    const { child, ended, printed } = start(['serve', '--port', '0'], { env: { ...env, GEO2_LOG_LEVEL: 'error' } });
    await expect.poll(() => printed().stderr, { timeout: 25_000 }).toMatch(/ready: http/);
    const url: Service['url'] = /http:\/\/[\d.]+:\d+/.exec(printed().stderr)?.[0] ?? '';
    expect((await fetch(`${url}/v2/health/ready`)).status).toBe(200);
    child.kill('SIGINT');
    const { code, stdout } = await ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  test('says what to do when the port is taken', async () => {
    const { child, ended, printed } = start(['serve', '--port', '0', '--json'], {
      env: { ...env, GEO2_LOG_LEVEL: 'error' },
    });
    await expect.poll(() => printed().stdout, { timeout: 25_000 }).toContain('"url"');
    const { port } = new URL(JSON.parse(printed().stdout).url);
    const { code, stderr } = await geo2(['serve', '--port', port], { env: { ...env, GEO2_LOG_LEVEL: 'silent' } });
    expect(code).toBe(1);
    expect(stderr).toContain('another program uses it');
    child.kill('SIGTERM');
    await ended;
  });
});
