import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { COLOURS, environmentOf, prepareFiles, type ServiceFiles, slowImage } from '../e2e/service.ts';
import { childOf, geo2, start } from './run.ts';

const HEAD = 'query_id,image,kind,lon,lat,heading_deg,fov_deg,split';
/** Where the fixture's reference tiles lie: one each 0.002 degrees, 0.0006 wide. */
const centreLon = (tile: number): number => tile * 0.002 + 0.0003;

let files: ServiceFiles;
let env: Record<string, string>;
let dir: string;

beforeAll(async () => {
  files = await prepareFiles();
  env = environmentOf(files);
  dir = join(files.root, 'views');
  await mkdir(join(dir, 'images'), { recursive: true });
  const lines = [HEAD];
  for (const [tile, [r, g, b]] of COLOURS.entries()) {
    // low: its canvas is empty at the first pixel, whose red would slow the tiny model down
    const image = sharp({ create: { width: 512, height: 64, channels: 3, background: { r, g, b } } });
    await image.png().toFile(join(dir, `images/${tile}.png`));
    // 11 m east of the tile's middle, but the last query lies beside it: the model will be wrong there
    const lon = tile === COLOURS.length - 1 ? centreLon(0) : centreLon(tile) + 0.0001;
    lines.push(`pano-${tile},images/${tile}.png,panorama,${lon},0.0003,90,360,town`);
    lines.push(`photo-${tile},images/${tile}.png,photo,${lon},0.0003,90,70,town`);
  }
  lines.push('away,images/0.png,panorama,5,5,0,360,elsewhere');
  await writeFile(join(dir, 'queries.csv'), `${lines.join('\n')}\n`);
});

afterAll(() => rm(files.root, { recursive: true, force: true }));

interface Row {
  split: string;
  condition: string;
  metric: string;
  value: number;
  n: number;
}

describe('geo2 evaluate', () => {
  test('holds the engine’s answers against the truth, condition by condition', async () => {
    const out = join(files.root, 'reports/report.json');
    const diagrams = join(files.root, 'reports/diagrams');
    const args = ['evaluate', dir, '--region', 'test', '--out', out, '--diagrams', diagrams, '--json'];
    const { code, stdout, stderr } = await geo2(args, { env });
    expect(code, stderr).toBe(0);
    const rows: Row[] = JSON.parse(stdout);
    expect(JSON.parse(await readFile(out, 'utf8'))).toEqual(rows);
    const value = (split: string, condition: string, metric: string) => {
      const found = rows.find((row) => row.split === split && row.condition === condition && row.metric === metric);
      return found === undefined ? undefined : [found.value, found.n];
    };
    for (const condition of ['aligned', 'unknown_heading', 'photo', 'photo_unknown_heading']) {
      expect(value('town', condition, 'top1_right'), condition).toEqual([83.333, 6]);
    }
    expect(value('town', 'aligned', 'matched')).toEqual([100, 6]);
    expect(value('town', 'aligned', 'matched_right')).toEqual([83.333, 6]);
    const [median = Number.NaN] = value('town', 'aligned', 'error_m_p50') ?? [];
    expect(median).toBeGreaterThan(10);
    expect(median).toBeLessThan(13); // 0.0001 degrees are 11.1 m
    expect(value('elsewhere', 'aligned', 'false_match')).toEqual([100, 1]);
    expect(value('elsewhere', 'near300', 'out_of_coverage')).toEqual([100, 1]);
    expect(value('town', 'near300', 'top1_right')).toEqual([100, 6]); // the prior leaves out the tile it would confuse
    expect(stderr).toContain('33 questions answered');
    expect(await readFile(join(diagrams, 'town-aligned.svg'), 'utf8')).toContain('(6 answers)');
    expect(await readdir(diagrams)).toHaveLength(new Set(rows.map((row) => `${row.split} ${row.condition}`)).size);
  });

  test('prints a table, of some conditions only', async () => {
    const args = ['evaluate', dir, '--condition', 'photo,aligned', '--limit', '2'];
    const { code, stdout } = await geo2(args, { env });
    expect(code).toBe(0);
    const [, ...lines] = stdout.trimEnd().split('\n');
    expect(lines.map((line) => line.split(/ +/).slice(0, 3))).toEqual([
      ['town', 'photo', '2'],
      ['town', 'aligned', '2'],
    ]);
  });

  test('goes on where an image is missing, and says so', async () => {
    const partial = join(files.root, 'partial');
    await mkdir(partial);
    await writeFile(join(partial, 'a.png'), await readFile(join(dir, 'images/0.png')));
    const row = (image: string) => `${image},${image},panorama,0.0003,0.0003,0,360,town`;
    await writeFile(join(partial, 'queries.csv'), [HEAD, row('gone.png'), row('a.png'), ''].join('\n'));
    const { code, stderr } = await geo2(['evaluate', partial, '--condition', 'aligned'], { env });
    expect(code).toBe(0);
    expect(stderr).toContain('1 question answered; 1 question failed');
    expect(stderr).toContain('gone.png: cannot be read');
  });

  test('stops where not the image but the engine fails: its figures would mean nothing', async () => {
    const slow = join(files.root, 'slow');
    await mkdir(slow);
    await writeFile(join(slow, 'slow.png'), await slowImage(100));
    await writeFile(join(slow, 'queries.csv'), `${HEAD}\nq,slow.png,panorama,0.0003,0.0003,0,360,town\n`);
    const { child, ended } = start(['evaluate', slow, '--condition', 'aligned'], { env });
    await expect.poll(() => childOf(child).catch(() => undefined), { timeout: 20_000 }).toBeDefined();
    process.kill(await childOf(child), 'SIGKILL');
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^geo2: .*inference process/m);
  });

  test('says what is wrong with a folder that is no view set', async () => {
    const { code, stderr } = await geo2(['evaluate', files.root], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('There is no queries.csv in ');
  });
});
