import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { tinyManifest, writeManifest, writeTinyModel } from './tiny-model.ts';

/**
 * Graphs of synthesis with random weights, as `python -m geo2.export` writes them for the config `tiny` with seed 0: without the graphs that
 * embed, and with the golden cases of the four.
 */
const EXPORTED = join(import.meta.dirname, '../../golden/tiny-synthesis');

/** Of the embedding that the exported flow takes as its condition. */
export const TINY_SYNTHESIS_WIDTH = 32;

const PartsSchema = z.object({
  latent: z.record(z.string(), z.unknown()),
  graphs: z.record(z.string(), z.looseObject({ file: z.string() })),
});
const GoldenSchema = z.looseObject({ cases: z.array(z.unknown()) });

/** The tiny model (a black image gives NaN) with graphs of synthesis that Python exported. */
export async function writeTinySynthesisModel(dir: string, overrides: Record<string, unknown> = {}): Promise<void> {
  await writeTinyModel(dir, { width: TINY_SYNTHESIS_WIDTH, slow: false }); // views that were made have pixels that nobody chose
  const parts = PartsSchema.parse(await readJson(join(EXPORTED, 'graphs.json')));
  const own = GoldenSchema.parse(await readJson(join(dir, 'golden/golden.json')));
  const exported = GoldenSchema.parse(await readJson(join(EXPORTED, 'golden/golden.json')));
  for (const { file } of Object.values(parts.graphs)) await cp(join(EXPORTED, file), join(dir, file));
  await cp(join(EXPORTED, 'golden'), join(dir, 'golden'), { recursive: true });
  const golden = { ...exported, cases: [...own.cases, ...exported.cases] };
  await writeFile(join(dir, 'golden/golden.json'), JSON.stringify(golden));
  const manifest = tinyManifest(TINY_SYNTHESIS_WIDTH);
  const graphs = { ...manifest.graphs, ...parts.graphs };
  await writeManifest(dir, { ...manifest, graphs, latent: parts.latent, ...overrides });
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}
