import { Geo2Error } from './errors.ts';
import { decodeImage } from './image/decode.ts';
import { type GroundReason, readGroundQuery } from './image/ground-query.ts';
import type { ImageLimits } from './image/limits.ts';
import { satelliteTile } from './image/tile.ts';
import type { EmbedTiming, Model } from './inference/model.ts';
import { NO_TRACER, type Tracer } from './tracing/tracer.ts';

/** Images to vectors of the shared space: a ground view and the tile it was taken on point the same way. */
export interface EmbedRequest {
  readonly view: 'ground' | 'satellite';
  readonly images: readonly EmbedImage[];
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the answer is of no use. */
  readonly deadlineMs?: number | undefined;
}

export interface EmbedImage {
  readonly bytes: Uint8Array;
  /** Ground view only: azimuth of the image's middle, degrees clockwise from north; it turns the canvas north up. */
  readonly headingDeg?: number | undefined;
  /** Ground view only: horizontal field of view in degrees. */
  readonly fovDeg?: number | undefined;
}

export interface EmbedAnswer {
  readonly view: 'ground' | 'satellite';
  readonly model: { readonly name: string; readonly version: string };
  /** Floats per embedding. */
  readonly width: number;
  readonly items: readonly EmbeddedImage[];
  readonly timingMs: {
    readonly decode: number;
    readonly queue: number;
    readonly inference: number;
    readonly total: number;
  };
}

export interface EmbeddedImage {
  /** Unit length. */
  readonly embedding: Float32Array;
  readonly reasons: readonly GroundReason[];
  /** The heading that the canvas was turned by, when anything told it. */
  readonly headingDeg?: number;
}

export interface EmbedDeps {
  readonly model: Model;
  readonly limits: ImageLimits;
  /** Images in one request. */
  readonly maxImages: number;
  readonly nowMs: () => number;
  readonly tracer?: Tracer | undefined;
}

export type Embed = (request: EmbedRequest) => Promise<EmbedAnswer>;

/**
 * Errors: BATCH_TOO_LARGE, INVALID_REQUEST (no image), those of `decodeImage` (with `data.index`, the image's place in the
 * request) and those of the model.
 */
export function createEmbed({ model, limits, maxImages, nowMs, tracer = NO_TRACER }: EmbedDeps): Embed {
  return async (request) => {
    const startedAtMs = nowMs();
    checkCount(request.images.length, maxImages);
    const { signal } = request;

    const prepare = request.view === 'ground' ? prepareGround : prepareSatellite;
    const prepared = await tracer.span('decode', () => prepare(request), {
      attributes: { 'geo2.images': request.images.length },
    });
    const decodedAtMs = nowMs();

    let timing: EmbedTiming = { queueMs: 0, computeMs: 0 };
    const embeddings = await prepared.embed({
      signal,
      deadlineMs: request.deadlineMs === undefined ? undefined : request.deadlineMs - (decodedAtMs - startedAtMs),
      onTiming: (measured) => {
        timing = measured;
      },
    });
    const { name, version, embedding } = model.manifest;
    return {
      view: request.view,
      model: { name, version },
      width: embedding.width,
      items: embeddings.map((vector, index) => ({ embedding: vector, ...(prepared.notes[index] ?? { reasons: [] }) })),
      timingMs: {
        decode: decodedAtMs - startedAtMs,
        queue: timing.queueMs,
        inference: timing.computeMs,
        total: nowMs() - startedAtMs,
      },
    };
  };

  async function prepareGround({ images, signal }: EmbedRequest): Promise<Prepared> {
    const minFovDeg = model.manifest.geometry.ground.fovDeg.min;
    const queries = await eachOf(images, ({ bytes, headingDeg, fovDeg }) =>
      readGroundQuery(bytes, { limits, headingDeg, fovDeg, minFovDeg, signal }),
    );
    const canvases = queries.map((query) => query.canvas);
    return {
      embed: async (options) => (await model.embedGround(canvases, options)).map(({ embedding }) => embedding),
      notes: queries.map(({ reasons, headingDeg }) => ({
        reasons,
        ...(headingDeg === undefined ? {} : { headingDeg }),
      })),
    };
  }

  async function prepareSatellite({ images, signal }: EmbedRequest): Promise<Prepared> {
    const tiles = await eachOf(images, async ({ bytes }) =>
      satelliteTile(await decodeImage(bytes, limits, { signal })),
    );
    return {
      embed: (options) => model.embedSatellite(tiles, options),
      notes: tiles.map(() => ({ reasons: [] })),
    };
  }
}

interface Prepared {
  readonly embed: (options: Parameters<Model['embedGround']>[1]) => Promise<Float32Array[]>;
  readonly notes: readonly Omit<EmbeddedImage, 'embedding'>[];
}

function checkCount(count: number, maxImages: number): void {
  if (count === 0) throw new Geo2Error('INVALID_REQUEST', 'There is no image to embed.');
  if (count <= maxImages) return;
  throw new Geo2Error('BATCH_TOO_LARGE', `A request embeds at most ${maxImages} images; this one has ${count}.`, {
    data: { count, maxImages },
  });
}

/** All at once (decoding waits for room by itself); the first failure says which image it was. */
async function eachOf<T>(images: readonly EmbedImage[], work: (image: EmbedImage) => Promise<T>): Promise<T[]> {
  return Promise.all(
    images.map((image, index) =>
      work(image).catch((error: unknown) => {
        if (!(error instanceof Geo2Error)) throw error;
        throw new Geo2Error(error.code, error.message, { data: { ...error.data, index }, cause: error.cause });
      }),
    ),
  );
}
