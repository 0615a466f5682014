import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SynthesizeBodySchema } from '../../src/handlers/synthesize.ts';
import { prepareFiles, type Service, type ServiceFiles, startService } from '../e2e/service.ts';
import { pictureOf } from '../synthesis-under-test.ts';
import { geo2 } from './run.ts';

let files: ServiceFiles;
let folder: string;
let env: Record<string, string>;

beforeAll(async () => {
  files = await prepareFiles({ makesViews: true });
  env = {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
  };
  folder = join(files.root, 'pictures');
  await mkdir(folder);
  await writeFile(join(folder, 'photo.png'), await pictureOf(256, 192));
});
afterAll(() => rm(files.root, { recursive: true, force: true }));

const ToldSchema = SynthesizeBodySchema.omit({ requestId: true }).extend({
  image: SynthesizeBodySchema.shape.image.omit({ base64: true }),
});

describe('geo2 synthesize', { timeout: 120_000 }, () => {
  test('makes the aerial tile of a photo, and tells of it all but the picture', async () => {
    const args = ['synthesize', 'photo.png', '--to', 'satellite', '--fov', '75', '--steps', '2', '--out', 'above.png'];
    const { code, stdout, stderr } = await geo2([...args, '--json'], { env, cwd: folder });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const told: unknown = JSON.parse(stdout);
    expect(told).toMatchObject({ file: 'above.png', solver: { steps: 2 } });
    expect(ToldSchema.parse(told).image).toMatchObject({ kind: 'tile', widthPx: 128 });
    const { format, xmp } = await sharp(await readFile(join(folder, 'above.png'))).metadata();
    expect(format).toBe('png');
    expect(xmp?.toString()).toContain('trainedAlgorithmicMedia');
  });

  test('makes the street at a covered place, and says what it made to a person', async () => {
    const place = ['--location', '0.0003,0.0003', '--heading', '90', '--fov', '80'];
    const args = ['synthesize', ...place, '--to', 'ground', '--steps', '1', '--out', 'street.jpg'];
    const { code, stdout } = await geo2(args, { env, cwd: folder });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^street\.jpg: perspective, 384 x 288 px by tiny 0\.0\.1 \(heun, 1 steps, \d+ ms\); consistency /,
    );
  });

  test.each([
    ['nothing to make it of', ['--to', 'ground', '--out', 'a.png']],
    ['an image and a place', ['photo.png', '--location', '0,0', '--to', 'ground', '--out', 'a.png']],
    ['a place to look down on', ['--location', '0,0', '--to', 'satellite', '--out', 'a.png']],
    ['a file of no kind', ['photo.png', '--to', 'satellite', '--out', 'a.gif']],
    ['no steps', ['photo.png', '--to', 'satellite', '--out', 'a.png', '--steps', '0']],
    ['a solver that is none', ['photo.png', '--to', 'satellite', '--out', 'a.png', '--solver', 'magic']],
  ])('%s is a mistake of usage', async (_name, args) => {
    const { code, stderr } = await geo2(['synthesize', ...args], { env, cwd: folder });
    expect(code).toBe(2);
    expect(stderr).not.toContain('#/');
  });

  test('a place outside coverage fails with what is wrong', async () => {
    const args = ['synthesize', '--location', '10,50', '--to', 'ground', '--out', 'a.png'];
    const { code, stderr } = await geo2(args, { env, cwd: folder });
    expect(code).toBe(1);
    expect(stderr).toContain('No region has imagery');
  });
});

describe('through a server', { timeout: 120_000 }, () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService({ requestTimeoutMs: 60_000 }, { files: await prepareFiles({ makesViews: true }) });
  });
  afterAll(() => service.stop());

  test('the same picture comes of the same photo and of the same place', async () => {
    for (const args of [
      ['photo.png', '--to', 'satellite'],
      ['--location', '0.0003,0.0003', '--to', 'ground'],
    ]) {
      const pixels = async (out: string, extra: string[]): Promise<Buffer> => {
        const { code, stderr } = await geo2(['synthesize', ...args, '--steps', '1', '--out', out, ...extra], {
          env,
          cwd: folder,
        });
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        return sharp(await readFile(join(folder, out)))
          .raw()
          .toBuffer();
      };
      expect(await pixels('there.png', ['--url', service.url])).toEqual(await pixels('here.png', []));
    }
  });

  test('the client makes views of files and of places, at once and later', async () => {
    const { client } = service;
    const asked = { direction: 'satellite_to_ground', steps: 1, format: 'png' } as const;
    const street = await client.synthesize({ location: [0.0003, 0.0003] }, asked);
    expect(street.image.kind).toBe('panorama');
    const above = await client.synthesize(new Blob([await pictureOf(256, 192)]), {
      ...asked,
      direction: 'ground_to_satellite',
    });
    expect(above).toMatchObject({ image: { kind: 'tile' }, provenance: { synthetic: true } });
    const job = await client.later.synthesize({ location: [0.0003, 0.0003] }, asked);
    const ended = await client.jobs.wait(job.id);
    expect(ended).toMatchObject({ task: 'synthesize', status: 'succeeded', result: { image: { kind: 'panorama' } } });
  });
});
