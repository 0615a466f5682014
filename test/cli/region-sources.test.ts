import { execFile } from 'node:child_process';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import { mapTileAt } from '#core/geo/web-mercator.ts';
import { openImagery } from '#core/regions/imagery-archive.ts';
import { RegionManifestSchema } from '#core/retrieval/region-manifest.ts';
import { PROGRAM_DIR } from '../../src/config.ts';
import { CENTRE, groundOf, mapTilesOf, writePmtiles } from '../core/regions/imagery-files.ts';
import { prepareFiles, type ServiceFiles } from '../e2e/service.ts';
import { geo2, start } from './run.ts';

let files: ServiceFiles;
let env: Record<string, string>;
let archive: string;
const TIMEOUT_MS = 240_000;

beforeAll(async () => {
  files = await prepareFiles({ regions: [] });
  env = {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_VECTOR_INDEX: 'exact',
    GEO2_DATA_DIR: join(files.root, 'data'),
  };
  const ground = groundOf(900);
  archive = join(files.root, 'ground.pmtiles');
  // a hole in the north-west: its tiles are left out
  const [west, north] = createLocalFrame(CENTRE).toLonLat({ eastM: -250, northM: 250 });
  const tiles = await mapTilesOf(ground, 17, ([lon, lat]) => lon > west || lat < north);
  await writePmtiles(archive, tiles, ground);
}, TIMEOUT_MS);

afterAll(() => rm(files.root, { recursive: true, force: true }));

function build(id: string, ...more: string[]): string[] {
  return ['region', 'build', '--from', archive, '--id', id, '--headings', '2', '--processes', '1', ...more];
}

const bundleOf = (id: string, version: string): string => join(files.storeDir, 'regions', id, version);

async function manifestOf(id: string, version: string) {
  return RegionManifestSchema.parse(JSON.parse(await readFile(join(bundleOf(id, version), 'manifest.json'), 'utf8')));
}

/** The map tile of the middle. */
async function mapTileOf(id: string, zoom: number): Promise<Uint8Array | undefined> {
  const archive = await openImagery(join(bundleOf(id, 'v1'), 'imagery.pmtiles'));
  const tile = await archive.tile(mapTileAt(CENTRE, zoom));
  await archive.close();
  return tile;
}

/** Everything but what says when and as what it was built. */
async function contentOf(id: string, version: string) {
  const { files: facts, tileCount, leftOutTiles } = await manifestOf(id, version);
  const same = facts.filter(({ path }) => path !== 'collection.json' && path !== 'imagery.pmtiles');
  return { tileCount, leftOutTiles, files: same };
}

describe('a region of a PMTiles archive', () => {
  let whole: Awaited<ReturnType<typeof contentOf>>;

  test(
    'leaves out and counts tiles without imagery, verifies, and opens in pystac, geopandas and pmtiles',
    async () => {
      const built = await geo2(build('whole', '--version', 'v1', '--json'), { env });
      expect(built.code, built.stderr).toBe(0);
      whole = await contentOf('whole', 'v1');
      // 25 x 25 tiles, of which those that touch the 200 m of the hole are missing
      expect(JSON.parse(built.stdout)).toMatchObject({ tiles: whole.tileCount, leftOutTiles: whole.leftOutTiles });
      expect(whole.tileCount + (whole.leftOutTiles ?? 0)).toBe(625);
      expect(whole.leftOutTiles).toBe(36);
      const verified = await geo2(['region', 'verify', 'whole', '--json'], { env });
      expect(verified.code, verified.stderr).toBe(0);

      const python = join(PROGRAM_DIR, '.venv/bin/python');
      const reader = join(import.meta.dirname, '../core/regions/read_bundle.py');
      const { stdout } = await promisify(execFile)(python, [reader, bundleOf('whole', 'v1')]);
      const found = JSON.parse(stdout);
      const { imagery } = await manifestOf('whole', 'v1');
      expect(found).toMatchObject({
        id: 'whole',
        assets: ['imagery', 'index', 'tiles'],
        rows: whole.tileCount,
        all_valid: true,
        tile_type: 'WEBP',
        zooms: Array.from({ length: imagery.maxZoom - imagery.minZoom + 1 }, (_, i) => imagery.minZoom + i),
      });
      for (const [i, edge] of found.total_bounds.entries()) expect(edge).toBeCloseTo(found.bbox[i], 9);
    },
    TIMEOUT_MS,
  );

  test(
    'that was killed in the middle goes on, is the same byte for byte, and nobody can build beside it',
    async () => {
      const { child, ended } = start(build('killed', '--version', 'v1'), { env });
      const work = join(files.root, 'builds/killed');
      const finished = async () => (await readdir(work).catch(() => [])).filter((name) => /^tiles-.*json$/.test(name));
      await expect.poll(async () => (await finished()).length, { timeout: 60_000, interval: 5 }).toBeGreaterThan(2);
      // while it is at work, whoever builds the same is told who does, and spoils nothing
      child.kill('SIGSTOP');
      const second = await geo2(build('killed', '--version', 'v2'), { env });
      expect(second).toMatchObject({ code: 1, stdout: '' });
      expect(second.stderr).toMatch(
        /builds\/killed is in use: process \d+ on \S+ builds there\. Wait until it has ended .* --work/,
      );
      child.kill('SIGKILL');
      await ended;
      const before = await finished();
      expect(before.length).toBeLessThan(10); // of ten chunks

      const resumed = await geo2(build('killed'), { env });
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(resumed.stderr).toContain('goes on with killed@v1');
      expect(await contentOf('killed', 'v1')).toEqual(whole);
      expect(await readdir(join(files.root, 'builds'))).not.toContain('killed');
    },
    TIMEOUT_MS,
  );

  test(
    'built by four processes and merged is the same byte for byte, map tiles too',
    async () => {
      const shard = (i: number) => build('parts', '--version', 'v1', '--shard', `${i}/4`, '--json');
      const early = await geo2(['region', 'merge', 'parts@v1'], { env });
      expect({ code: early.code, told: early.stderr }).toMatchObject({
        code: 1,
        told: expect.stringContaining('--shard'),
      });
      const some = await Promise.all([1, 2, 4].map((i) => geo2(shard(i), { env })));
      expect(some.map(({ code }) => code)).toEqual([0, 0, 0]);
      const lacking = await geo2(['region', 'merge', 'parts@v1'], { env });
      expect(lacking.stderr).toContain('lacks 3-of-4');
      const last = await geo2(shard(3), { env });
      expect(last.code, last.stderr).toBe(0);
      const merged = await geo2(['region', 'merge', 'parts@v1', '--json'], { env });
      expect(merged.code, merged.stderr).toBe(0);
      expect(await contentOf('parts', 'v1')).toEqual(whole);
      const { minZoom, maxZoom } = (await manifestOf('whole', 'v1')).imagery;
      for (let zoom = minZoom; zoom <= maxZoom; zoom++) {
        expect(await mapTileOf('parts', zoom)).toEqual(await mapTileOf('whole', zoom));
      }
      expect(await readdir(join(files.storeDir, 'shards')).catch(() => [])).not.toContain('parts');
    },
    TIMEOUT_MS,
  );

  test(
    'in an area without imagery, or beside it, says so',
    async () => {
      const [w, n] = createLocalFrame(CENTRE).toLonLat({ eastM: -440, northM: 440 });
      const hole = await geo2(build('hole', '--area', `${w},${n - 0.0005},${w + 0.001},${n}`), { env });
      expect(hole.code).toBe(1);
      expect(hole.stderr).toMatch(/There is no imagery in the area: all of its \d+ tiles are empty or have holes/);
      const beside = await geo2(build('beside', '--area', '2,48,2.01,48.01'), { env });
      expect(beside.code).toBe(1);
      expect(beside.stderr).toContain('No tile of the imagery has its centre in the area');
    },
    TIMEOUT_MS,
  );
});
