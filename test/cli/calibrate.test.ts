import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CalibrationSchema } from '#core/inference/manifest.ts';
import type { Colour } from '../e2e/region-bundle.ts';
import { COLOURS, environmentOf, prepareFiles, type ServiceFiles } from '../e2e/service.ts';
import { geo2 } from './run.ts';

const HEAD = 'query_id,image,kind,lon,lat,heading_deg,fov_deg,split';
const PER_COLOUR = 6;

let files: ServiceFiles;
let env: Record<string, string>;

beforeAll(async () => {
  files = await prepareFiles();
  env = environmentOf(files);
});

afterAll(() => rm(files.root, { recursive: true, force: true }));

/** Panoramas of one colour each, some metres beside the middle of that colour's tile; without a place where there is none. */
async function writeViews(name: string, colours: readonly Colour[], hasPlace: boolean): Promise<string> {
  const dir = join(files.root, name);
  await mkdir(dir);
  const lines = [HEAD];
  for (const [tile, [r, g, b]] of colours.entries()) {
    await sharp({ create: { width: 512, height: 64, channels: 3, background: { r, g, b } } })
      .png()
      .toFile(join(dir, `${tile}.png`));
    for (let i = 0; i < PER_COLOUR; i++) {
      const place = hasPlace ? `${tile * 0.002 + 0.0003},${0.0003 + (i - 2.5) * 0.00005}` : ',';
      lines.push(`${tile}-${i},${tile}.png,panorama,${place},0,360,${name}`);
    }
  }
  await writeFile(join(dir, 'queries.csv'), `${lines.join('\n')}\n`);
  return dir;
}

describe('geo2 calibrate', () => {
  test('fits the profiles that have samples and writes what a manifest takes', async () => {
    const inside = await writeViews('inside', COLOURS, true);
    const others: Colour[] = [
      [250, 250, 250],
      [10, 10, 10],
      [128, 60, 60],
      [90, 90, 200],
      [60, 128, 90],
      [255, 128, 0],
    ];
    const outside = await writeViews('outside', others, false);
    const out = join(files.root, 'fitted/calibration.json');
    const to = ['--out', out, '--version', 'fitted'];
    const args = ['calibrate', inside, '--region', 'test', '--outside', outside, ...to, '--json'];
    const { code, stdout, stderr } = await geo2(args, { env });
    expect(code, stderr).toBe(0);
    const { calibration, reports } = JSON.parse(stdout);
    const written: unknown = JSON.parse(await readFile(out, 'utf8'));
    expect(written).toEqual(calibration);
    const parsed = CalibrationSchema.strict().parse(written);
    expect(Object.keys(parsed.profiles).sort()).toEqual(['panorama', 'panorama_unknown_heading']);
    expect(parsed.source).toBe('fitted on inside and, outside the region, outside with tiny 0.0.1');
    expect(reports).toHaveLength(2);
    expect(reports[0]).toMatchObject({ profile: 'panorama', inside: 36, outside: 36 });
    // 36 answers on the tile's middle, up to 14 m beside it
    expect(parsed.profiles.panorama?.tileSigmaM).toBeGreaterThan(3);
    expect(parsed.profiles.panorama?.tileSigmaM).toBeLessThan(14);

    const photo = ['locate', '--json', '--region', 'test', '--heading', '0', join(inside, '0.png')];
    const reasonsOfAnswer = async () => JSON.parse((await geo2(photo, { env })).stdout).reasons;
    expect(await reasonsOfAnswer()).toContain('default_calibration');

    // the same in a new version of the region, whose checksums hold, and whose answers are judged by its own numbers
    const published = await geo2(['region', 'publish', 'test@fitted'], { env });
    expect(published.code, published.stderr).toBe(0);
    const bundle = join(files.storeDir, 'regions/test/fitted');
    const own = { ...calibration, fittedOnRegion: 'test' };
    expect(JSON.parse(await readFile(join(bundle, 'calibration.json'), 'utf8'))).toEqual(own);
    expect(await reasonsOfAnswer()).not.toContain('default_calibration');
    const diagram = await readFile(join(bundle, 'calibration.svg'), 'utf8');
    expect(diagram).toBe(await readFile(join(files.root, 'fitted/calibration.svg'), 'utf8'));
    expect(diagram).toContain('(144 answers)');
    const { width = 0 } = await sharp(Buffer.from(diagram)).metadata();
    expect(width).toBe(432);
  });

  test('refuses too few samples and writes nothing', async () => {
    const few = await writeViews('few', COLOURS.slice(0, 1), true);
    const out = join(files.root, 'few.json');
    const { code, stderr } = await geo2(['calibrate', few, '--region', 'test', '--out', out], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('too few queries');
    await expect(readFile(out)).rejects.toThrow('ENOENT');
  });
});
