import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { copyVersion, replaceFile } from './region-bundle.ts';
import { colourImage, GREEN, metricOf, prepareFiles, startService, tileOf } from './service.ts';

/** Turns one bit of one byte in the middle of a file. */
async function flipByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  await writeFile(path, bytes);
}

describe('a model with one flipped byte', () => {
  test.each(['ground.onnx', 'satellite.onnx', 'golden/ground.embedding.bin'])('in %s is not served', async (file) => {
    const files = await prepareFiles();
    await flipByte(join(files.modelVersionDir, file));
    await expect(startService({}, { files })).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      message: expect.stringContaining(file),
      data: { file },
    });
  });
});

describe('a region with one flipped byte', () => {
  test.each(['index.faiss', 'tiles.parquet', 'imagery.pmtiles', 'calibration.json', 'collection.json'])(
    'in %s is not searched, the reason names the file, and the other region serves',
    async (file) => {
      const files = await prepareFiles({ regions: ['good', 'bad'] });
      await flipByte(join(files.regionDirs.bad ?? '', file));
      const service = await startService({}, { files });
      onTestFinished(() => service.stop());

      const health = await service.client.ready();
      expect(health).toMatchObject({
        ready: true,
        regions: [
          { id: 'bad', status: 'UNAVAILABLE', reason: expect.stringContaining(file), file },
          { id: 'good', status: 'READY' },
        ],
      });
      const answer = await service.client.geolocate(await colourImage(GREEN));
      expect(answer.candidates[0]).toMatchObject({ tileId: tileOf(GREEN), regionId: 'good' });
      await expect(service.client.regions.get('bad')).rejects.toMatchObject({ status: 404 });
    },
  );

  test('that is the only one leaves the service unready, with the reason', async () => {
    const files = await prepareFiles();
    await flipByte(join(files.regionDirs.test ?? '', 'index.faiss'));
    const service = await startService({}, { files });
    onTestFinished(() => service.stop());
    const { response, error } = await service.client.api.GET('/v2/health/ready');
    expect(response.status).toBe(503);
    expect(error).toMatchObject({ ready: false, reason: 'no region could be loaded' });
  });
});

describe('a version that is published and answers its golden queries otherwise', () => {
  test('is told on health and metrics, and the one before is served', async () => {
    const files = await prepareFiles();
    const regionDir = join(files.storeDir, 'regions/test');
    const service = await startService({ pollMs: 200 }, { files });
    onTestFinished(() => service.stop());
    const dir = await copyVersion(regionDir, { to: '2' });
    const text = await readFile(join(dir, 'golden-queries.json'), 'utf8');
    await replaceFile(dir, 'golden-queries.json', Buffer.from(text.replaceAll('"tile-0"', '"tile-9"')));
    await writeFile(join(regionDir, 'current.json'), '{"version":"2","previous":"1"}');

    const health = async () => (await service.client.ready()).regions;
    await expect.poll(health, { timeout: 60_000, interval: 200 }).toEqual([
      {
        id: 'test',
        status: 'READY',
        version: '1',
        file: 'golden-queries.json',
        reason: expect.stringMatching(
          /^2 is published and cannot be served: golden-queries\.json expects another answer/,
        ),
      },
    ]);
    const failures = 'region_reloads_total{region="test",outcome="failure",reason="REGION_INVALID"}';
    expect(await metricOf(service, failures)).toBeGreaterThan(0);
    const { region } = await service.client.geolocate(await colourImage(GREEN));
    expect(region).toMatchObject({ id: 'test', version: '1' });

    // what is right is taken over by the thread that reads beside requests
    await copyVersion(regionDir, { to: '3' });
    await writeFile(join(regionDir, 'current.json'), '{"version":"3","previous":"1"}');
    await expect
      .poll(health, { timeout: 60_000, interval: 200 })
      .toEqual([{ id: 'test', status: 'READY', version: '3' }]);
    const successes = 'region_reloads_total{region="test",outcome="success",reason=""}';
    expect(await metricOf(service, successes)).toBeGreaterThan(1);
  });
});

describe('a region of another model', () => {
  test('is refused with the reason, never searched', async () => {
    const files = await prepareFiles({ regionModelVersion: '9.9.9' });
    const service = await startService({}, { files });
    onTestFinished(() => service.stop());
    const health = await service.client.ready();
    expect(health).toMatchObject({
      regions: [{ id: 'test', status: 'UNAVAILABLE', reason: expect.stringMatching(/9\.9\.9/) }],
    });
  });
});

describe('what is not there', () => {
  test('a model folder without a model says what to set', async () => {
    const files = await prepareFiles();
    await expect(startService({ modelDir: join(files.modelDir, 'nothing') }, { files })).rejects.toMatchObject({
      code: 'FILE_MISSING',
      message: expect.stringMatching(/GEO2_MODEL_DIR/),
    });
  });

  test('a region that is asked for and not published is told by name', async () => {
    const service = await startService({ regions: ['test', 'atlantis'] });
    onTestFinished(() => service.stop());
    const health = await service.client.ready();
    expect(health).toMatchObject({ ready: true, regions: [{ id: 'atlantis', status: 'UNAVAILABLE' }, { id: 'test' }] });
  });

  test('a port that is taken is told as that', async () => {
    const first = await startService();
    onTestFinished(() => first.stop());
    const port = Number(new URL(first.url).port);
    await expect(startService({ port })).rejects.toMatchObject({ message: expect.stringMatching(/set PORT/) });
  });
});
