import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BLUE, COLOURS, colourImage, prepareFiles, type ServiceFiles } from '../e2e/service.ts';
import { hasMilvus, type MilvusServer, startMilvus } from '../milvus.ts';
import { geo2 } from './run.ts';

/** A tile of 70 m at the equator, in degrees. */
const TILE_DEG = 70 / 111_195;

describe.runIf(hasMilvus())('a region that is built into Milvus', () => {
  let files: ServiceFiles;
  let server: MilvusServer | undefined;
  beforeAll(async () => {
    files = await prepareFiles({ regions: [] });
    server = await startMilvus();
  }, 600_000);
  afterAll(async () => {
    await server?.stop();
    await rm(files.root, { recursive: true, force: true });
  }, 60_000);

  test('is searched there, verified by its file, and unavailable while the server is away', async () => {
    const env = {
      GEO2_STORE: pathToFileURL(files.storeDir).href,
      GEO2_MODEL_DIR: files.modelDir,
      GEO2_THREADS: '1',
      GEO2_DATA_DIR: join(files.root, 'data'),
    };
    const source = join(files.root, 'imagery');
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

    const url = `milvus://${server?.address}/squares`;
    const built = await geo2(
      ['region', 'build', '--from', source, '--id', 'squares', '--version', 'v1', '--index', url],
      { env },
    );
    expect(built.code, built.stderr).toBe(0);
    const manifest = JSON.parse(await readFile(join(files.storeDir, 'regions/squares/v1/manifest.json'), 'utf8'));
    expect(manifest.index.servedBy).toEqual({ type: 'milvus', url });
    expect((await geo2(['region', 'verify', 'squares'], { env })).code).toBe(0);

    const photo = ['locate', '--json', join(files.root, 'blue.png')];
    const located = await geo2(photo, { env });
    expect(located.code, located.stderr).toBe(0);
    expect(JSON.parse(located.stdout).candidates[0]).toMatchObject({ tileId: 'square-1', regionId: 'squares' });

    await server?.stop();
    const away = await geo2(photo, { env });
    expect(away.code).toBe(1);
    expect(away.stderr).toMatch(/Milvus: 127\.0\.0\.1:\d+ cannot be reached: start Milvus there/);
  }, 240_000);
});
