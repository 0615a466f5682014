import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseModelManifest, readModelManifest } from '#core/inference/manifest.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyManifest } from './tiny-model.ts';

const sha256 = 'a'.repeat(64);
const files = ['ground.onnx', 'satellite.onnx', 'golden/golden.json'].map((path) => ({ path, sha256, sizeBytes: 1 }));
const valid = { ...tinyManifest(), files };
const parse = (manifest: unknown) => parseModelManifest(JSON.stringify(manifest), 'manifest.json');

test('a complete manifest is read', () => {
  expect(parse(valid)).toMatchObject({ name: 'tiny', embedding: { width: 8 }, calibration: { temperature: 0.03 } });
});

describe('a manifest is refused with a sentence that names the place', () => {
  test.each([
    ['an unknown key', { ...valid, surprise: 1 }, /surprise/],
    ['another schema version', { ...valid, schemaVersion: 2 }, /schemaVersion/],
    ['no calibration', { ...valid, calibration: undefined }, /calibration/],
    ['a temperature of zero', { ...valid, calibration: { ...valid.calibration, temperature: 0 } }, /temperature/],
    ['an unknown profile', { ...valid, calibration: { ...valid.calibration, profiles: { drone: {} } } }, /drone/],
    ['no ground graph', { ...valid, graphs: { satellite: valid.graphs.satellite } }, /ground/],
    ['a graph that is not among the files', { ...valid, files: files.slice(1) }, /ground\.onnx is not listed/],
    [
      'a file outside its folder',
      { ...valid, files: [...files, { path: '../secret', sha256, sizeBytes: 1 }] },
      /stay inside/,
    ],
    ['an absolute path', { ...valid, files: [...files, { path: '/etc/passwd', sha256, sizeBytes: 1 }] }, /relative/],
    ['a half hash', { ...valid, files: [{ ...files[0], sha256: 'abc' }, ...files.slice(1)] }, /sha256/],
    ['a version that is none', { ...valid, version: 'latest' }, /version/],
  ])('%s', (_, manifest, sentence) => {
    expect(() => parse(manifest)).toThrow(
      expect.objectContaining({ code: 'MANIFEST_INVALID', message: expect.stringMatching(sentence) }),
    );
  });

  test('text that is not JSON', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'manifest.json'), '{"schemaVersion": 1,');
    await expect(readModelManifest(dir)).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });

  test('no file at all', async () => {
    await expect(readModelManifest(await temporaryFolder())).rejects.toMatchObject({ code: 'FILE_MISSING' });
  });
});
