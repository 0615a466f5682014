import type { GroundCanvas } from '../image/panorama.ts';
import type { SatelliteTile } from '../image/tile.ts';
import type { ModelManifest } from './manifest.ts';

/** What a ground view is embedded to. */
export interface GroundEmbedding {
  /** Of a camera that stands at the centre of what a tile shows. */
  readonly embedding: Float32Array;
  /** One vector for each of `manifest.hypotheses`, in that order. */
  readonly hypotheses: readonly Float32Array[];
}

/** A loaded model, wherever it runs. Embeddings are unit vectors of `manifest.embedding.width` floats, one per item, in order. */
export interface Model {
  readonly manifest: ModelManifest;
  readonly state: ModelState;
  /** Loads and checks; resolves when READY. Calls while it starts share one promise. Rejects with the reason it cannot load. */
  start(): Promise<void>;
  /** Refuses new work, finishes what is queued or running (within `drainMs`), and ends every process it started. */
  stop(): Promise<void>;
  embedGround(batch: readonly GroundCanvas[], options?: EmbedOptions): Promise<GroundEmbedding[]>;
  embedSatellite(batch: readonly SatelliteTile[], options?: EmbedOptions): Promise<Float32Array[]>;
  /** Undefined for a model that makes no views (`manifest.latent` is null). */
  readonly synthesis?: SynthesisGraphs | undefined;
}

/**
 * The graphs that turn one view into the other, a view at a time. They are loaded at their first use and run between the batches of
 * `embedGround` and `embedSatellite`, each run by itself: nobody waits for more than one of them. Latents are C x H x W floats
 * (`manifest.latent`), row by row. Errors: those of EmbedOptions; INFERENCE_FAILED for values that are not finite.
 */
export interface SynthesisGraphs {
  /** A view resized to the square of `manifest.latent.sizePx` as its latent. */
  encode(view: Square, options?: EmbedOptions): Promise<Float32Array>;
  /** A latent as the view it stands for. */
  decode(latent: Float32Array, options?: EmbedOptions): Promise<Square>;
  /** What the velocity is told at `x` and `t` (0 is ground, 1 is satellite) on the way of a view whose embedding is `condition`. */
  condition(at: FlowPoint & { readonly condition: Float32Array }, options?: EmbedOptions): Promise<Float32Array>;
  /** dx/dt at `x` and `t`, `z` being what `condition` gave. */
  velocity(at: FlowPoint & { readonly z: Float32Array }, options?: EmbedOptions): Promise<Float32Array>;
}

/** A latent on its way from one view to the other. */
export interface FlowPoint {
  readonly x: Float32Array;
  readonly t: number;
}

/** sizePx x sizePx x 3. */
export interface Square {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/**
 * Errors of a call: OVERLOADED (`data.retryAfterS`), DEADLINE_EXCEEDED, CANCELED, INFERENCE_CRASHED (`data.retryable`),
 * INFERENCE_FAILED, MODEL_UNAVAILABLE (`data.retryAfterS`).
 */
export interface EmbedOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the answer is of no use. */
  readonly deadlineMs?: number | undefined;
  /** Told once, just before the call resolves. */
  readonly onTiming?: ((timing: EmbedTiming) => void) | undefined;
  /** Told of each run that the call took part in, when it has ended well. */
  readonly onRun?: ((run: ModelRun) => void) | undefined;
}

/** A run of a graph in its process, which images of several calls may share. */
export interface ModelRun {
  /** Of the process that ran it. */
  readonly pid: number;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly computeMs: number;
  readonly images: number;
}

export interface EmbedTiming {
  /** From the call to the start of its first batch. */
  readonly queueMs: number;
  /** Inside the graph, summed over the batches that the call took part in. */
  readonly computeMs: number;
}

export type ModelStatus = 'LOADING' | 'READY' | 'UNLOADING' | 'UNAVAILABLE';

export interface ModelState {
  readonly status: ModelStatus;
  /** Why it is not READY, for an operator. */
  readonly reason?: string;
}
