import { setTimeout as wait } from 'node:timers/promises';
import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import { centreOf } from '../geo/bounds.ts';
import { type SatelliteTile, satelliteTile } from '../image/tile.ts';
import type { Model } from '../inference/model.ts';
import type { ImagerySource } from './imagery-source.ts';
import type { PlannedTile } from './tile-grid.ts';

/** How a tile is shown to the model: `headings` times, each time with another azimuth up. */
export interface Bank {
  readonly source: ImagerySource;
  /** Metres of a tile's side. */
  readonly tileM: number;
  readonly headings: number;
  readonly signal?: AbortSignal | undefined;
}

export interface EmbedTilesOptions extends Bank {
  readonly tiles: readonly PlannedTile[];
  /** Told how many tiles are done. */
  readonly onTile?: ((done: number) => void) | undefined;
}

/** Crops per call of the model. */
const BATCH = 16;
const PATIENCE_MS = 200;

/**
 * Every tile at every orientation, tile by tile, one vector after another; the next batch is cut while one is embedded.
 * Errors: SOURCE_INVALID, CANCELED, INFERENCE_FAILED (a vector that is no unit vector), those of the model except OVERLOADED.
 */
export async function embedTiles(options: EmbedTilesOptions, model: Model): Promise<Float32Array> {
  const { tiles, headings, signal, onTile } = options;
  const { width } = model.manifest.embedding;
  const views = tiles.flatMap((tile) => Array.from({ length: headings }, (_, orientation) => ({ tile, orientation })));
  const vectors = new Float32Array(views.length * width);
  const cut = (start: number): Promise<SatelliteTile[]> => {
    const batch = views.slice(start, start + BATCH);
    const cutting = Promise.all(batch.map(({ tile, orientation }) => viewOf(tile, orientation, options, model)));
    cutting.catch(() => {}); // told when it is awaited
    return cutting;
  };
  let next = cut(0);
  for (let start = 0; start < views.length; start += BATCH) {
    throwIfCanceled(signal);
    const batch = await next;
    const embedding = embedPatiently(model, batch, signal);
    next = cut(start + BATCH);
    for (const [i, vector] of (await embedding).entries()) {
      checkUnit(vector, views[start + i]?.tile.id ?? '');
      vectors.set(vector, (start + i) * width);
    }
    onTile?.(Math.floor((start + batch.length) / headings));
  }
  return vectors;
}

/** A tile with azimuth 360 * orientation / headings up, at the model's size. */
async function viewOf(tile: PlannedTile, orientation: number, bank: Bank, model: Model): Promise<SatelliteTile> {
  const { source, tileM, headings, signal } = bank;
  throwIfCanceled(signal);
  if (orientation === 0 && tile.image !== undefined) return satelliteTile(await tile.image.read());
  const sizePx = model.manifest.geometry.satellite.widthPx;
  const upDeg = (360 * orientation) / headings;
  return source.crop({ centre: centreOf(tile.bounds), sizeM: tileM, sizePx, upDeg, signal });
}

/** Where a serving process would answer 503, goes on with half as much, and waits for its turn when that is a single crop. */
async function embedPatiently(
  model: Model,
  batch: readonly SatelliteTile[],
  signal: AbortSignal | undefined,
): Promise<Float32Array[]> {
  for (;;) {
    try {
      return await model.embedSatellite(batch, { signal });
    } catch (error) {
      if (!(error instanceof Geo2Error) || error.code !== 'OVERLOADED') throw error;
    }
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      const first = await embedPatiently(model, batch.slice(0, half), signal);
      return [...first, ...(await embedPatiently(model, batch.slice(half), signal))];
    }
    await wait(PATIENCE_MS, undefined, { signal }).catch(() => {
      throw canceled(signal);
    });
  }
}

function checkUnit(vector: Float32Array, tile: string): void {
  const length = Math.hypot(...vector);
  if (Math.abs(length - 1) < 1e-3) return;
  throw new Geo2Error('INFERENCE_FAILED', `The embedding of tile ${tile} has the length ${length}, not 1.`, {
    data: { tile },
  });
}
