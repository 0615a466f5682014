import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import * as z from 'zod';
import { DEFAULT_IMAGE_LIMITS } from '#core/image/limits.ts';
import { loadOnnxModel } from '#core/inference/model.onnx.ts';
import { loadRegion, type Region } from '#core/retrieval/region.ts';
import { RegionManifestSchema } from '#core/retrieval/region-manifest.ts';
import { openExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { createSynthesize, type Synthesize } from '#core/synthesize.ts';
import { createImageryReader } from '../src/region-imagery.ts';
import { writeTinySynthesisModel } from './core/inference/tiny-synthesis.ts';
import { regionsOf } from './core/retrieval/memory-region.ts';

const DEMO_REGION = join(import.meta.dirname, '../demo/store/regions/null-island-demo');

/** A tiny model that makes views, in its process, and the demo's region for its imagery. */
export interface SynthesisUnderTest {
  readonly model: Awaited<ReturnType<typeof loadOnnxModel>>;
  readonly region: Region;
  readonly synthesize: Synthesize;
  /** The middle of the region's first tile. */
  readonly covered: readonly [number, number];
  stop(): Promise<void>;
}

export async function synthesisUnderTest(): Promise<SynthesisUnderTest> {
  const dir = await mkdtemp(join(tmpdir(), 'geo2-'));
  await writeTinySynthesisModel(dir);
  const model = await loadOnnxModel({ dir, threads: 1 });
  const region = await demoRegion();
  const [west = 0, south = 0, east = 0, north = 0] = region.tiles.bounds;
  return {
    model,
    region,
    covered: [(west + east) / 2, (south + north) / 2],
    synthesize: createSynthesize({
      model,
      regions: regionsOf([region]),
      readImageryTile: createImageryReader(),
      limits: DEFAULT_IMAGE_LIMITS,
      nowMs: () => performance.now(),
      now: () => new Date(),
    }),
    async stop() {
      await model.stop();
      await region.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Only its imagery and its tiles are of use: another model embedded it. */
async function demoRegion(): Promise<Region> {
  const { version } = z.object({ version: z.string() }).parse(await readJson(join(DEMO_REGION, 'current.json')));
  const dir = join(DEMO_REGION, version);
  const manifest = RegionManifestSchema.parse(await readJson(join(dir, 'manifest.json')));
  const model = { ...manifest.model, width: manifest.embeddingWidth };
  return loadRegion({ dir, version }, { openIndex: (path) => openExactIndex(path), model, expectedId: manifest.id });
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}

/** A picture of two colours, so that nothing of it is flat. */
export async function pictureOf(widthPx: number, heightPx: number): Promise<Uint8Array<ArrayBuffer>> {
  const rgb = Buffer.alloc(widthPx * heightPx * 3);
  for (let i = 0; i < widthPx * heightPx; i++) {
    const isDark = ((i % widthPx) >> 4) % 2 === (Math.floor(i / widthPx) >> 4) % 2;
    rgb.set(isDark ? [30, 80, 60] : [190, 170, 120], i * 3);
  }
  const picture = sharp(rgb, { raw: { width: widthPx, height: heightPx, channels: 3 } });
  return new Uint8Array(await picture.png().toBuffer());
}
