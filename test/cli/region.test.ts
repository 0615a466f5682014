import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { prepareFiles, type ServiceFiles } from '../e2e/service.ts';
import { geo2 } from './run.ts';

let files: ServiceFiles;
let env: Record<string, string>;
let regionDir: string;

beforeEach(async () => {
  files = await prepareFiles();
  env = { GEO2_STORE: pathToFileURL(files.storeDir).href, GEO2_MODEL_DIR: files.modelDir };
  regionDir = join(files.storeDir, 'regions/test');
});

afterEach(() => rm(files.root, { recursive: true, force: true }));

/** A copy of version 1 under another name; its manifest still says 1 unless it is told to say otherwise. */
async function addVersion(version: string): Promise<void> {
  await cp(join(regionDir, '1'), join(regionDir, version), { recursive: true });
  const path = join(regionDir, version, 'manifest.json');
  await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), version }));
}

describe('geo2 region list', () => {
  test('shows every version and which one is served', async () => {
    await addVersion('2');
    const { code, stdout, stderr } = await geo2(['region', 'list', '--json'], { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const about = {
      tiles: 6,
      headings: 4,
      model: 'tiny 0.0.1',
      createdAt: '2026-01-01T00:00:00Z',
      sizeBytes: expect.any(Number),
    };
    expect(JSON.parse(stdout)).toEqual([
      {
        id: 'test',
        served: '1',
        versions: [
          { version: '1', served: true, ...about },
          { version: '2', served: false, ...about },
        ],
      },
    ]);
    const table = await geo2(['region', 'list'], { env });
    expect(table.stdout).toMatch(/^test +1 +yes +6 +4 .*tiny 0\.0\.1/m);
    expect(table.stdout).toMatch(/^test +2 {2,}6 +4 /m);
  });

  test('shows the others beside a version whose manifest is damaged', async () => {
    await addVersion('2');
    await writeFile(join(regionDir, '2/manifest.json'), '{');
    const { code, stdout } = await geo2(['region', 'list', '--json'], { env });
    expect(code).toBe(0);
    const [{ versions }] = JSON.parse(stdout);
    expect(versions[0]).toMatchObject({ version: '1', tiles: 6 });
    expect(versions[1]).toEqual({ version: '2', served: false, problem: expect.stringContaining('is not JSON') });
  });

  test('says that a store is empty', async () => {
    const empty = pathToFileURL(join(files.root, 'nothing')).href;
    const { code, stdout } = await geo2(['region', 'list'], { env: { ...env, GEO2_STORE: empty } });
    expect(code).toBe(0);
    expect(stdout).toContain('holds no region');
  });
});

describe('geo2 region verify', () => {
  test('looks beyond the checksums: a tile without imagery is told', async () => {
    const { code, stdout } = await geo2(['region', 'verify', 'test', '--json'], { env });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toEqual({
      error: {
        code: 'REGION_INVALID',
        message: expect.stringMatching(/^imagery\.pmtiles has no imagery .*where tile tile-\d is/),
      },
    });
  });

  test.each(['index.faiss', 'tiles.parquet', 'imagery.pmtiles'])(
    'names %s when one of its bytes is flipped',
    async (file) => {
      const path = join(regionDir, '1', file);
      const content = await readFile(path);
      content[content.length >> 1] = (content[content.length >> 1] ?? 0) ^ 1;
      await writeFile(path, content);
      const { code, stdout, stderr } = await geo2(['region', 'verify', 'test@1', '--json'], { env });
      expect(code).toBe(1);
      expect(stderr).toContain(file);
      expect(JSON.parse(stdout).error.code).toBe('FILE_CORRUPT');
    },
  );

  test('says what is missing', async () => {
    const region = await geo2(['region', 'verify', 'mars'], { env });
    expect(region.code).toBe(1);
    expect(region.stderr).toContain('regions/mars has no published version');
    const version = await geo2(['region', 'verify', 'test@9'], { env });
    expect(version.code).toBe(1);
    expect(version.stderr).toContain('regions/test/9/manifest.json is missing');
  });
});

describe('geo2 region publish', () => {
  test('moves the pointer there and back', async () => {
    await addVersion('2');
    const there = await geo2(['region', 'publish', 'test@2', '--json'], { env });
    expect({ code: there.code, answer: JSON.parse(there.stdout) }).toEqual({
      code: 0,
      answer: { id: 'test', version: '2', replaced: '1' },
    });
    expect(JSON.parse(await readFile(join(regionDir, 'current.json'), 'utf8'))).toEqual({
      version: '2',
      previous: '1',
    });
    expect((await geo2(['region', 'publish', 'test@1'], { env })).stdout).toBe('test: 1 is served (before: 2)\n');
    expect((await geo2(['region', 'publish', 'test@1'], { env })).code).toBe(0);
  });

  test('refuses a version with a damaged file, and the pointer stays', async () => {
    await addVersion('2');
    await writeFile(join(regionDir, '2/index.faiss'), 'nothing');
    const { code, stderr } = await geo2(['region', 'publish', 'test@2'], { env });
    expect(code).toBe(1);
    expect(stderr).toContain('index.faiss');
    expect(JSON.parse(await readFile(join(regionDir, 'current.json'), 'utf8'))).toEqual({ version: '1' });
  });

  test.each([['test'], ['test@1@2'], ['Test@1'], ['test@../x'], []])('is a usage error for %j', async (...args) => {
    const { code, stderr } = await geo2(['region', 'publish', ...args], { env });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^geo2: ./);
  });
});
