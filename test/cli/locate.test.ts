import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AnswerSchema } from '../../src/handlers/geolocate.ts';
import {
  BLUE,
  colourImage,
  GREEN,
  prepareFiles,
  type Service,
  type ServiceFiles,
  slowImage,
  startService,
} from '../e2e/service.ts';
import { childOf, geo2, start } from './run.ts';

let files: ServiceFiles;
let photos: string;
let env: Record<string, string>;

beforeAll(async () => {
  files = await prepareFiles({ regions: ['test', 'other'] });
  env = {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
  };
  photos = join(files.root, 'photos');
  await mkdir(photos);
  await writeFile(join(photos, 'green.png'), await colourImage(GREEN));
  await writeFile(join(photos, 'blue.png'), await colourImage(BLUE));
  await writeFile(join(photos, 'note.txt'), 'no image');
});

afterAll(() => rm(files.root, { recursive: true, force: true }));

describe('geo2 locate', () => {
  test('prints the answer of the API for each file, a line each', async () => {
    const args = ['locate', '--json', '--region', 'test', 'green.png', 'blue.png'];
    const { code, stdout, stderr } = await geo2(args, { env, cwd: photos });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const answers = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(answers.map(({ file, candidates }) => [file, candidates[0].tileId])).toEqual([
      ['green.png', 'tile-0'],
      ['blue.png', 'tile-1'],
    ]);
    for (const { file: _, ...answer } of answers) AnswerSchema.omit({ requestId: true }).strict().parse(answer);
  });

  test('tells a person status, place and candidates', async () => {
    const { code, stdout } = await geo2(['locate', '--heading', '0', '--top', '2', 'green.png'], { env, cwd: photos });
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^green\.png: (matched|ambiguous) \(probability 0\.\d{3}\)\n {2}lon 0\.\d{6}, lat 0\.\d{6}, within \d+ m \(68 %\)/,
    );
    expect(stdout).toMatch(/^ *1 +0\.\d+ +1\.000 .* tile-0 +(test|other)$/m);
    expect(stdout).toContain('Coloured squares');
    expect(stdout).toContain('model tiny 0.0.1');
  });

  test('searches only where the prior points', async () => {
    const near = await geo2(['locate', '--json', '--near', '0.0023,0.0003,20', 'green.png'], { env, cwd: photos });
    expect(JSON.parse(near.stdout).candidates.map(({ tileId }: { tileId: string }) => tileId)).toEqual(['tile-1']);
    const west = await geo2(['locate', '--json', '--bbox', '-3,-3,-2,-2', 'green.png'], { env, cwd: photos });
    expect(west.code).toBe(0);
    expect(JSON.parse(west.stdout)).toMatchObject({ status: 'out_of_coverage', candidates: [] });
  });

  test('reads the standard input', async () => {
    const { stdout } = await geo2(['locate', '--json', '-'], { env, stdin: await colourImage(BLUE) });
    const { file, candidates } = JSON.parse(stdout);
    expect([file, candidates[0].tileId]).toEqual(['-', 'tile-1']);
  });

  test('goes on after a file that is no image, and fails in the end', async () => {
    const args = ['locate', '--json', 'note.txt', 'gone.png', '.', 'green.png'];
    const { code, stdout, stderr } = await geo2(args, { env, cwd: photos });
    expect(code).toBe(1);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ error }) => error?.code)).toEqual([
      'IMAGE_UNSUPPORTED',
      'FILE_MISSING',
      'FILE_MISSING',
      undefined,
    ]);
    expect(stderr).toContain('geo2: gone.png: gone.png cannot be read: there is no such file.');
  });

  test('says which region cannot be searched, and why', async () => {
    const { code, stdout, stderr } = await geo2(['locate', '--json', '--region', 'mars', 'green.png'], {
      env,
      cwd: photos,
    });
    expect(code).toBe(1);
    expect(JSON.parse(stdout).error.code).toBe('UNKNOWN_REGION');
    expect(stderr).toMatch(/Region mars cannot be searched: .*no published version/);
  });

  test('says how to get a region where the store has none', async () => {
    const empty = { ...env, GEO2_STORE: pathToFileURL(join(files.root, 'empty')).href };
    const { code, stderr } = await geo2(['locate', 'green.png'], { env: empty, cwd: photos });
    expect(code).toBe(1);
    expect(stderr).toContain('geo2 region build');
  });

  test('stops at once when it is interrupted, and leaves no process behind', async () => {
    await writeFile(join(photos, 'slow.png'), await slowImage(200));
    const { child, ended, printed } = start(['locate', '--json', 'green.png', 'slow.png'], { env, cwd: photos });
    child.stdin?.end();
    await expect.poll(() => printed().stdout, { timeout: 20_000 }).toContain('green.png');
    await setTimeout(500); // the slow photo is with the model now
    const model = await childOf(child);
    const startedMs = performance.now();
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'geo2: interrupted\n' });
    expect(performance.now() - startedMs).toBeLessThan(5_000); // the photo alone takes the model 20 s
    expect(() => process.kill(model, 0)).toThrow('ESRCH');
  });
});

describe('geo2 locate and embed --url', () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  test('sends the photo with its options and prints what the server answers', async () => {
    const args = ['locate', '--json', '--url', service.url, '--near', '-0.001,0,5000', '--top', '2', 'green.png'];
    const { code, stdout, stderr } = await geo2(args, { cwd: photos });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { file, ...answer } = JSON.parse(stdout);
    expect(file).toBe('green.png');
    expect(
      AnswerSchema.strict()
        .parse(answer)
        .candidates.map(({ tileId }) => tileId)[0],
    ).toBe('tile-0');
    expect(answer.candidates).toHaveLength(2);
  });

  test('takes the address from the environment too', async () => {
    const { stdout } = await geo2(['embed', '--json', '--view', 'ground', 'green.png'], {
      env: { GEO2_URL: service.url },
      cwd: photos,
    });
    expect(JSON.parse(stdout)).toMatchObject({ file: 'green.png', view: 'ground', width: 8 });
  });

  test('passes on what the server refuses', async () => {
    const { code, stdout } = await geo2(['locate', '--json', '--url', service.url, 'note.txt'], { cwd: photos });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      file: 'note.txt',
      error: { code: 'IMAGE_UNSUPPORTED', message: expect.any(String) },
    });
  });

  test('says so when nothing listens there, or something else', async () => {
    const closed = await geo2(['locate', '--url', 'http://127.0.0.1:1', 'green.png'], { cwd: photos });
    expect(closed.code).toBe(1);
    expect(closed.stderr).toContain('http://127.0.0.1:1 cannot be reached');
    const other = await geo2(['locate', '--url', `${service.url}/docs`, 'green.png'], { cwd: photos });
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('There is nothing at /docs/v1/geolocate');
  });
});

describe('geo2 embed', () => {
  test('gives unit vectors in which both views of a place agree', async () => {
    const [ground, satellite] = await Promise.all(
      ['ground', 'satellite'].map(async (view) => {
        const { code, stdout } = await geo2(['embed', '--json', '--view', view, 'green.png'], { env, cwd: photos });
        expect(code).toBe(0);
        return JSON.parse(stdout);
      }),
    );
    expect(Math.hypot(...ground.embedding)).toBeCloseTo(1, 5);
    const cosine = ground.embedding.reduce(
      (sum: number, value: number, i: number) => sum + value * satellite.embedding[i],
      0,
    );
    expect(cosine).toBeGreaterThan(0.999);
  });

  test('tells a person the first numbers', async () => {
    const { stdout } = await geo2(['embed', '--view', 'satellite', 'green.png'], { env, cwd: photos });
    expect(stdout).toMatch(/^green\.png: satellite, 8 numbers by tiny 0\.0\.1: (-?0\.\d{4} ){6}…\n$/);
  });
});
