import { visibleRegions } from './accounts/visible-regions.ts';
import { Geo2Error } from './errors.ts';
import { type LonLat, wrap360 } from './geo/units.ts';
import { aerialTile } from './image/aerial.ts';
import { decodeImage } from './image/decode.ts';
import { encodeSynthetic } from './image/encode.ts';
import type { ImageFormat } from './image/format.ts';
import { readGroundQuery } from './image/ground-query.ts';
import type { ImageLimits } from './image/limits.ts';
import { lookInto, turnedPanorama } from './image/look.ts';
import type { GroundCanvas } from './image/panorama.ts';
import { reduceTo } from './image/reduce.ts';
import { canvasOfSquare, groundSquare, satelliteSquare, tileOfSquare } from './image/square.ts';
import { type SatelliteTile, satelliteTile } from './image/tile.ts';
import type { SolverName } from './inference/manifest.ts';
import type { EmbedOptions, EmbedTiming, Model } from './inference/model.ts';
import { type ReadImageryTile, readPlace } from './regions/place-imagery.ts';
import type { RegionFacts, RegionSource } from './retrieval/region.ts';
import { type Direction, translate } from './synthesis/flow.ts';
import { createTurns } from './synthesis/turns.ts';
import { NO_TRACER, type Tracer } from './tracing/tracer.ts';

/** One view of a place, to be turned into the other. */
export interface SynthesizeRequest {
  readonly direction: Direction;
  /** A place has imagery from above only, so that it is for `satellite_to_ground`. */
  readonly source:
    | { readonly type: 'image'; readonly bytes: Uint8Array }
    | { readonly type: 'location'; readonly location: LonLat };
  /**
   * Degrees clockwise from north. Of a ground image: the azimuth of its middle. To the ground: where the picture's middle looks,
   * 0 unless asked.
   */
  readonly headingDeg?: number | undefined;
  /** Horizontal, degrees. Of a ground image: its own. To the ground: of a perspective picture; the whole panorama unless asked. */
  readonly fovDeg?: number | undefined;
  /** Of a satellite image: what its shorter side measures on the ground; a tile of the model unless told. */
  readonly groundSizeM?: number | undefined;
  /** 1..100; the model's own unless asked. */
  readonly steps?: number | undefined;
  readonly solver?: SolverName | undefined;
  /** Of the picture; what the model makes unless asked. */
  readonly widthPx?: number | undefined;
  readonly format?: ImageFormat | undefined;
  /** The only regions whose imagery may be read, as if there were no others; undefined is all of them. */
  readonly allowedRegions?: readonly string[] | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the answer is of no use. */
  readonly deadlineMs?: number | undefined;
  /** Told after each step of the solver; it is not waited for. */
  readonly onStep?: ((done: StepProgress) => void) | undefined;
}

/** How far a view is. */
export interface StepProgress {
  /** Of the way, 0..1. */
  readonly share: number;
  /** Steps done and all of them, where the solver takes equal ones. */
  readonly step?: number;
  readonly of?: number;
}

export interface SynthesizeAnswer {
  readonly direction: Direction;
  readonly image: {
    readonly bytes: Uint8Array;
    readonly format: ImageFormat;
    readonly widthPx: number;
    readonly heightPx: number;
    /** `tile`: from above; `panorama`: all round, 45 degrees up and down; `perspective`: what a level camera sees. */
    readonly kind: 'tile' | 'panorama' | 'perspective';
    /** Azimuth of a ground picture's middle, or of what is up in a tile; left out where nothing told it. */
    readonly headingDeg?: number;
    /** Of a ground picture. */
    readonly fovDeg?: number;
    /** Of a tile: what its side measures on the ground. */
    readonly groundSizeM?: number;
  };
  /** Cosine of the new view's embedding with the source's. */
  readonly consistency: number;
  /** Why the answer deserves less trust. */
  readonly reasons: readonly string[];
  readonly model: { readonly name: string; readonly version: string };
  readonly solver: { readonly name: SolverName; readonly steps: number; readonly evaluations: number };
  /** Whose imagery was read. */
  readonly region?: { readonly id: string; readonly version: string; readonly attribution: string };
  readonly source: SynthesizeRequest['source']['type'];
  readonly createdAt: Date;
  readonly timingMs: {
    readonly decode: number;
    readonly queue: number;
    readonly inference: number;
    readonly encode: number;
    readonly total: number;
  };
}

export interface SynthesizeDeps {
  readonly model: Model;
  readonly regions: RegionSource;
  readonly readImageryTile: ReadImageryTile;
  readonly limits: ImageLimits;
  readonly nowMs: () => number;
  readonly now: () => Date;
  readonly tracer?: Tracer | undefined;
}

export type Synthesize = (request: SynthesizeRequest) => Promise<SynthesizeAnswer>;

/** Longer side of an aerial image as decoded: a tile is often the middle of something larger. */
const AERIAL_FIT_PX = 2048;
/** Of a perspective picture unless asked. */
const LOOK_WIDTH_PX = 384;

/** A view ready for the model. */
type Source = { readonly reasons: readonly string[] } & (
  | { readonly view: 'ground'; readonly canvas: GroundCanvas; readonly headingDeg?: number | undefined }
  | { readonly view: 'satellite'; readonly tile: SatelliteTile; readonly region?: RegionFacts | undefined }
);

/** The other view, as the model made it. */
type Made =
  | { readonly view: 'satellite'; readonly tile: SatelliteTile }
  | { readonly view: 'ground'; readonly canvas: GroundCanvas };

/**
 * The other view of a place: read the source, embed it, encode it, carry its latent to the other view, decode, embed what came out. Errors:
 * NO_SYNTHESIS (the model makes no views), INVALID_REQUEST (an image of too little ground), OUT_OF_COVERAGE, those of `decodeImage` and of the model; INFERENCE_FAILED for values that
 * are not finite anywhere on the way.
 */
export function createSynthesize(deps: SynthesizeDeps): Synthesize {
  const { model, regions, readImageryTile, limits, nowMs, now, tracer = NO_TRACER } = deps;
  const { name, version, geometry, latent } = model.manifest;
  const tileM = geometry.satellite.metresPerTile;
  const turns = createTurns();

  return async (request) => {
    const startedAtMs = nowMs();
    const { direction, signal, deadlineMs } = request;
    const graphs = model.synthesis;
    if (graphs === undefined || latent === null) throw noSynthesis(`${name} ${version}`);
    const { name: solver, steps, conditionEvery, guidance } = { ...latent.solver, ...asked(request) };

    checkGroundSize(request.groundSizeM, tileM);

    const source = await tracer.span('decode', () => readSource(request));
    const decodedAtMs = nowMs();

    let queueMs = 0;
    let computeMs = 0;
    const remainingMs = () => (deadlineMs === undefined ? undefined : deadlineMs - (nowMs() - startedAtMs));
    const onTiming = (timing: EmbedTiming): void => {
      queueMs += timing.queueMs;
      computeMs += timing.computeMs;
    };
    const call = (): EmbedOptions => ({ signal, deadlineMs: remainingMs(), onTiming });

    const make = async () => {
      queueMs += nowMs() - decodedAtMs;
      const condition = await embed(source, call());
      const square = await squareOf(source);
      const start = await graphs.encode(square, call());
      const { end, evaluations } = await translate(graphs, {
        ...{
          latent: start,
          condition,
          direction,
          solver,
          steps,
          conditionEvery,
          guidance,
          signal,
          remainingMs,
          onTiming,
        },
        onStep: (share) => request.onStep?.(solver === 'dopri5' ? { share } : { share, ...stepOf(share, steps) }),
      });
      const made = await viewOf(await graphs.decode(end, call()), direction);
      return { made, evaluations, consistency: cosine(condition, await embed(made, call())) };
    };
    const attributes = { 'geo2.model': `${name} ${version}`, 'geo2.solver': solver, 'geo2.steps': steps };
    const { made, evaluations, consistency } = await turns.take(() => tracer.span('synthesis', make, { attributes }), {
      signal,
    });

    const madeAtMs = nowMs();
    const createdAt = now();
    const image = await tracer.span('encode', () => render(made, source, request, createdAt));
    const endedAtMs = nowMs();
    return {
      direction,
      image,
      consistency,
      reasons: source.reasons,
      model: { name, version },
      solver: { name: solver, steps, evaluations },
      ...(source.view === 'satellite' && source.region !== undefined ? { region: regionOf(source.region) } : {}),
      source: request.source.type,
      createdAt,
      timingMs: {
        decode: decodedAtMs - startedAtMs,
        queue: queueMs,
        inference: computeMs,
        encode: endedAtMs - madeAtMs,
        total: endedAtMs - startedAtMs,
      },
    };
  };

  async function readSource({ source, ...options }: SynthesizeRequest): Promise<Source> {
    const { signal, allowedRegions, headingDeg, fovDeg, groundSizeM } = options;
    if (source.type === 'location') {
      const { location } = source;
      const visible = visibleRegions(regions, { regions: allowedRegions });
      const place = await readPlace(
        { location, sizeM: tileM, sizePx: geometry.satellite.widthPx, signal },
        { regions: visible, readTile: readImageryTile },
      );
      return { view: 'satellite', tile: await satelliteTile(place.pixels), ...place };
    }
    if (options.direction === 'satellite_to_ground') {
      const image = await decodeImage(source.bytes, { ...limits, fitWithinPx: AERIAL_FIT_PX }, { signal });
      return { view: 'satellite', ...(await aerialTile(image, { groundSizeM, tileM })) };
    }
    const minFovDeg = geometry.ground.fovDeg.min;
    const query = await readGroundQuery(source.bytes, { limits, headingDeg, fovDeg, minFovDeg, signal });
    const reasons = query.headingDeg === undefined ? [...query.reasons, 'unknown_heading'] : query.reasons;
    return { view: 'ground', canvas: query.canvas, headingDeg: query.headingDeg, reasons };
  }

  async function embed(view: Source | Made, call: EmbedOptions): Promise<Float32Array> {
    const [embedding] =
      view.view === 'ground'
        ? (await model.embedGround([view.canvas], call)).map((found) => found.embedding)
        : await model.embedSatellite([view.tile], call);
    if (embedding === undefined) throw new Geo2Error('INFERENCE_FAILED', 'The model gave no embedding.');
    return embedding;
  }

  function squareOf(source: Source) {
    const sizePx = latent?.sizePx ?? 0;
    return source.view === 'ground' ? groundSquare(source.canvas, sizePx) : satelliteSquare(source.tile, sizePx);
  }

  /** The picture that is asked for of the view that was made. */
  async function render(
    made: Made,
    source: Source,
    { headingDeg, fovDeg, widthPx, format = 'webp' }: SynthesizeRequest,
    createdAt: Date,
  ): Promise<SynthesizeAnswer['image']> {
    const encoded = async (pixels: SatelliteTile) => ({
      bytes: await encodeSynthetic(pixels, { format, mark: { model: { name, version }, createdAt } }),
      format,
      widthPx: pixels.widthPx,
      heightPx: pixels.heightPx,
    });
    if (made.view === 'satellite') {
      const sidePx = widthPx ?? made.tile.widthPx;
      const picture = await encoded(await reduceTo(made.tile, { widthPx: sidePx, heightPx: sidePx }));
      const isNorthUp = source.view === 'ground' && source.headingDeg !== undefined;
      return { ...picture, kind: 'tile', ...(isNorthUp ? { headingDeg: 0 } : {}), groundSizeM: tileM };
    }
    const heading = wrap360(headingDeg ?? 0);
    if (fovDeg !== undefined && fovDeg < 360) {
      const look = lookInto(made.canvas, { headingDeg: heading, fovDeg, widthPx: widthPx ?? LOOK_WIDTH_PX });
      return { ...(await encoded(look)), kind: 'perspective', headingDeg: heading, fovDeg };
    }
    const { canvas } = made;
    const size = { widthPx: widthPx ?? canvas.widthPx, heightPx: Math.round((widthPx ?? canvas.widthPx) / 4) };
    const picture = await encoded(await reduceTo(turnedPanorama(canvas, heading), size));
    return { ...picture, kind: 'panorama', headingDeg: heading, fovDeg: 360 };
  }
}

/** The error of a model that makes no views. */
export function noSynthesis(model: string): Geo2Error {
  return new Geo2Error(
    'NO_SYNTHESIS',
    `The served model, ${model}, has no graphs of synthesis: it locates and embeds images, and makes no views.`,
    { data: { retryable: false } },
  );
}

/** Of equal steps. */
function stepOf(share: number, steps: number): { step: number; of: number } {
  return { step: Math.round(share * steps), of: steps };
}

/** A little less than a tile is stretched; much less would be another world. */
const MIN_GROUND_SHARE = 0.9;

/** Throws INVALID_REQUEST. */
function checkGroundSize(groundSizeM: number | undefined, tileM: number): void {
  if (groundSizeM === undefined || groundSizeM >= MIN_GROUND_SHARE * tileM) return;
  const detail = `the model needs to see ${tileM} m of ground; this image shows ${groundSizeM} m`;
  throw new Geo2Error('INVALID_REQUEST', `#/groundSizeM: ${detail}`, {
    data: { errors: [{ detail, pointer: '#/groundSizeM' }] },
  });
}

function asked({ solver, steps }: SynthesizeRequest) {
  return { ...(solver === undefined ? {} : { name: solver }), ...(steps === undefined ? {} : { steps }) };
}

async function viewOf(square: SatelliteTile, direction: Direction): Promise<Made> {
  return direction === 'ground_to_satellite'
    ? { view: 'satellite', tile: await tileOfSquare(square) }
    : { view: 'ground', canvas: await canvasOfSquare(square) };
}

function regionOf({ id, version, manifest }: RegionFacts): SynthesizeAnswer['region'] & {} {
  return { id, version, attribution: manifest.attribution };
}

/** Of two unit vectors. */
function cosine(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}
