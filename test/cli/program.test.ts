import { spawnSync } from 'node:child_process';
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { temporaryFolder } from '../temporary.ts';
import { GEO2, geo2 } from './run.ts';

const COMMANDS = [
  ['serve'],
  ['locate'],
  ['embed'],
  ['region', 'build'],
  ['region', 'verify'],
  ['region', 'list'],
  ['region', 'publish'],
  ['evaluate'],
  ['calibrate'],
];

describe('the launcher', () => {
  test('runs from any folder and through a link', async () => {
    const dir = await temporaryFolder();
    await symlink(GEO2, join(dir, 'geo2'));
    const ran = spawnSync(join(dir, 'geo2'), ['--version'], { cwd: '/', encoding: 'utf8' });
    expect(ran.stderr).toBe('');
    expect(ran.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test('says what to run where nothing is installed', async () => {
    const dir = await temporaryFolder();
    await mkdir(join(dir, 'bin'));
    await cp(GEO2, join(dir, 'bin/geo2'));
    const ran = spawnSync(join(dir, 'bin/geo2'), ['serve'], { encoding: 'utf8' });
    expect(ran.status).toBe(1);
    expect(ran.stderr).toContain('make -C ');
    expect(ran.stderr).toContain(' setup');
  });
});

describe('help', () => {
  test('lists every command', async () => {
    const { code, stdout } = await geo2(['--help']);
    expect(code).toBe(0);
    for (const words of COMMANDS) expect(stdout).toContain(`  ${words.join(' ')}  `);
  });

  test.each(COMMANDS.map((words) => [words.join(' '), words] as const))(
    'of %s shows usage, options and an example',
    async (name, words) => {
      const { code, stdout, stderr } = await geo2([...words, '--help']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toContain(`Usage:\n  geo2 ${name} `);
      expect(stdout).toMatch(/^ {2}--json +\S/m);
      expect(stdout).toMatch(new RegExp(`Examples:\n(.*\n)*.*geo2 ${name}`));
      expect(await geo2(['help', ...words])).toEqual({ code, stdout, stderr });
    },
  );

  test('of a group lists its commands', async () => {
    const { code, stdout } = await geo2(['region', '--help']);
    expect(code).toBe(0);
    expect(stdout).toContain('region publish');
    expect(stdout).not.toContain('locate');
  });
});

describe('a wrong command line', () => {
  test.each([
    [[], 'Usage:'],
    [['lokate'], 'There is no command "lokate"'],
    [['region'], 'region build, region merge, region verify, region list, region publish, region rollback'],
    [['region', 'destroy'], 'has no "destroy"'],
    [['locate'], 'geo2 locate FILE...'],
    [['locate', 'a.jpg', '--colour', 'red'], "'--colour'"],
    [['locate', 'a.jpg', '--heading'], '--heading'],
    [['locate', 'a.jpg', '--heading', 'north'], '--heading must be a number'],
    [['locate', 'a.jpg', '--heading', '400'], '--heading a heading is from 0 to 360 degrees'],
    [['locate', 'a.jpg', '--fov', '0'], '--fov'],
    [['locate', 'a.jpg', '--near', '1,2'], '--near must be LON,LAT,RADIUS_M'],
    [['locate', 'a.jpg', '--near', '200,0,100'], '--near a longitude is from -180 to 180'],
    [['locate', 'a.jpg', '--near', '0,0,-5'], '--near must be more than 0 metres'],
    [['locate', 'a.jpg', '--bbox', '0,2,1,1'], 'south is above north'],
    [['locate', 'a.jpg', '--bbox', '0,0,1,1', '--near', '0,0,5'], 'exclude each other'],
    [['locate', 'a.jpg', '--top', '51'], '--top is from 1 to 50'],
    [['locate', 'a.jpg', '--confidence', '68'], '--confidence'],
    [['locate', 'a.jpg', '--region', 'Not An Id'], '--region'],
    [['locate', 'a.jpg', '--url', 'ftp://example.org'], '--url must be the address of a server'],
    [['embed', 'a.jpg'], '--view must be one of ground, satellite'],
    [['embed', 'a.jpg', '--view', 'satellite', '--heading', '3'], '--heading and --fov are for --view ground'],
    [['serve', '--port', '99999'], '--port'],
    [['region', 'build', '--id', 'x'], '--from is needed'],
    [['region', 'build', '--from', '.', '--id', 'No Id'], '--id lower-case letters'],
    [['region', 'build', '.', '--id', 'x'], 'the source goes after --from'],
    [['region', 'build', '--from', '.', '--id', 'x', '--overlap', '1'], '--overlap is from 0 to 0.95'],
    [['region', 'build', '--from', '.', '--id', 'x', '--headings', '2.5'], '--headings must be a whole number'],
    [['region', 'build', '--from', '.', '--id', 'x', '--tile-m', '-70'], '--tile-m must be more than 0 metres'],
    [['region', 'build', '--from', '.', '--id', 'x', '--area', '1,2,3'], '--area must be W,S,E,N'],
    [['region', 'build', '--from', '.', '--id', 'x', '--area', 'gone.geojson'], 'gone.geojson cannot be read'],
    [['region', 'build', '--from', '.', '--id', 'x', '--version', '../up'], '--version'],
    [['calibrate', '.'], '--region is needed'],
    [['evaluate'], 'Name one folder'],
    [['evaluate', '.', '--condition', 'upside_down'], '--condition must be one of aligned'],
  ])('%j exits with 2 and says why', async (args, reason) => {
    const { code, stdout, stderr } = await geo2(args);
    expect(stderr).toContain(reason);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  test('is JSON on the standard output when JSON was asked for', async () => {
    const { code, stdout } = await geo2(['locate', '--json']);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toEqual({ error: { code: 'USAGE', message: expect.stringContaining('FILE') } });
  });

  test('is not a negative coordinate after an option', async () => {
    const { stderr } = await geo2(['locate', 'a.jpg', '--near', '-500,0,100']);
    expect(stderr).toContain('a longitude is from -180 to 180');
  });
});

describe('the environment', () => {
  test('is checked before anything starts', async () => {
    const { code, stderr } = await geo2(['locate', 'a.jpg'], { env: { GEO2_THREADS: 'many', GEO2_STOER: 'x' } });
    expect(code).toBe(1);
    expect(stderr).toContain('GEO2_THREADS="many"');
    expect(stderr).toContain('GEO2_STOER');
  });
});
