import { setTimeout as wait } from 'node:timers/promises';
import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import { type Bounds, centreOf, widthDeg } from '../geo/bounds.ts';
import { wrap180 } from '../geo/units.ts';
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

/** Tiles that imagery covers, and their vectors: `headings` for each, one after another. */
export interface EmbeddedTiles {
  readonly tiles: readonly PlannedTile[];
  readonly vectors: Float32Array;
}

/** Embeds tiles on several processes of the same model at once. */
export interface TileEmbedder {
  /**
   * Cuts the tiles' views; resolves when all are cut, so that those of the next tiles can be, while these are still embedded.
   * Tiles without imagery are left out. Errors: SOURCE_INVALID, CANCELED.
   */
  cut(tiles: readonly PlannedTile[], options?: { onTile?: () => void }): Promise<{ done: Promise<EmbeddedTiles> }>;
}

/** Crops per call of a model, which runs them together: what is in a run must not hang on which model is free. */
const BATCH = 8;
const PATIENCE_MS = 200;
/** Places on a side at which a tile is looked at for imagery: one of them is a hundredth of it. */
const LOOKS = 10;

/**
 * Errors of the work: SOURCE_INVALID, CANCELED, INFERENCE_FAILED (a vector that is no unit vector), those of the model except
 * OVERLOADED. `models` has one at least; each gets one batch at a time, and one waits cut for each.
 */
export function createTileEmbedder(models: readonly [Model, ...Model[]], bank: Bank): TileEmbedder {
  const [{ manifest }] = models;
  const { width } = manifest.embedding;
  const { headings, signal } = bank;
  const free: Model[] = [...models];
  const waiting: ((model: Model) => void)[] = [];

  async function withModel<T>(work: (model: Model) => Promise<T>): Promise<T> {
    const model = free.pop() ?? (await new Promise<Model>((resolve) => waiting.push(resolve)));
    try {
      return await work(model);
    } finally {
      const next = waiting.shift();
      if (next === undefined) free.push(model);
      else next(model);
    }
  }

  /** Unknown how many there will be: those of a batch are kept together until all are there. */
  async function embed(batch: readonly SatelliteTile[], first: PlannedTile): Promise<Float32Array> {
    const vectors = await withModel((model) => embedPatiently(model, batch, signal));
    const joined = new Float32Array(batch.length * width);
    for (const [i, vector] of vectors.entries()) {
      checkUnit(vector, first.id);
      joined.set(vector, i * width);
    }
    return joined;
  }

  return {
    async cut(tiles, { onTile } = {}) {
      const kept: PlannedTile[] = [];
      const batches: Promise<Float32Array>[] = [];
      const running = new Set<Promise<unknown>>();
      let batch: SatelliteTile[] = [];
      const dispatch = async (tile: PlannedTile): Promise<void> => {
        const work = embed(batch, tile);
        batch = [];
        batches.push(work);
        running.add(work);
        const settle = (): void => void running.delete(work);
        work.then(settle, settle);
        // as many again may wait as run
        while (running.size > 2 * models.length) await Promise.race(running).catch(() => {}); // told by `done`
      };
      for (const tile of tiles) {
        throwIfCanceled(signal);
        const views = await viewsOf(tile, bank, manifest.geometry.satellite.widthPx);
        onTile?.();
        if (views === undefined) continue;
        kept.push(tile);
        for (const view of views) {
          batch.push(view);
          if (batch.length === BATCH) await dispatch(tile);
        }
      }
      const last = kept.at(-1);
      if (batch.length > 0 && last !== undefined) await dispatch(last);
      const done = Promise.all(batches).then((parts) => {
        const vectors = new Float32Array(kept.length * headings * width);
        let end = 0;
        for (const part of parts) {
          vectors.set(part, end);
          end += part.length;
        }
        return { tiles: kept, vectors };
      });
      done.catch(() => {}); // told when it is awaited
      return { done };
    },
  };
}

/** A tile with azimuth 360 r / headings up, for every r, at the model's size; undefined where imagery is missing. */
async function viewsOf(tile: PlannedTile, bank: Bank, sizePx: number): Promise<SatelliteTile[] | undefined> {
  const { source, tileM, headings, signal } = bank;
  if (tile.image === undefined && !isFilled(tile.bounds, source)) return undefined;
  const views: SatelliteTile[] = [];
  for (let orientation = 0; orientation < headings; orientation++) {
    if (orientation === 0 && tile.image !== undefined) {
      views.push(await satelliteTile(await tile.image.read()));
      continue;
    }
    const upDeg = (360 * orientation) / headings;
    const view = await source.crop({ centre: centreOf(tile.bounds), sizeM: tileM, sizePx, upDeg, signal });
    if (view === undefined) return undefined;
    views.push(view);
  }
  return views;
}

/** Whether no more than a hundredth of a tile lies beside all imagery, where a crop would only repeat its edge. */
function isFilled(bounds: Bounds, source: ImagerySource): boolean {
  const { west, south, north } = bounds;
  let beside = 0;
  for (let row = 0; row < LOOKS; row++) {
    const lat = south + ((north - south) * (row + 0.5)) / LOOKS;
    for (let column = 0; column < LOOKS; column++) {
      const lon = wrap180(west + (widthDeg(bounds) * (column + 0.5)) / LOOKS);
      if (!source.touches({ west: lon, south: lat, east: lon, north: lat })) beside++;
    }
  }
  return beside <= (LOOKS * LOOKS) / 100;
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
