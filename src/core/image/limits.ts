/** What one image may cost before it is refused. Checked on the bytes, then on the header, never by decoding first. */
export interface ImageLimits {
  /** Encoded size in bytes. */
  readonly maxBytes: number;
  /** Width x height of the encoded image in pixels. */
  readonly maxPixels: number;
  /** Shorter side of the encoded image in pixels: below it there is nothing to look at. */
  readonly minSidePx: number;
  /** Wall-clock seconds that decoding may take. */
  readonly timeoutS: number;
  /**
   * The longer side of the decoded image in pixels; larger images are reduced while they are decoded, which is what makes
   * a 12 MP JPEG cheap. Left out: full resolution.
   */
  readonly fitWithinPx?: number;
}

/** For queries: twice the canvas' 384 px, so that the reduction to the canvas is still ours to anti-alias. */
export const DEFAULT_IMAGE_LIMITS: ImageLimits = {
  maxBytes: 20 * 1024 * 1024,
  maxPixels: 50_000_000,
  minSidePx: 16,
  timeoutS: 10,
  fitWithinPx: 768,
};

/** For imagery that becomes reference tiles: every pixel is kept. */
export const FULL_RESOLUTION_LIMITS: ImageLimits = {
  maxBytes: DEFAULT_IMAGE_LIMITS.maxBytes,
  maxPixels: DEFAULT_IMAGE_LIMITS.maxPixels,
  minSidePx: DEFAULT_IMAGE_LIMITS.minSidePx,
  timeoutS: 30,
};
