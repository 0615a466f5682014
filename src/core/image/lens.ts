const FULL_FRAME_DIAGONAL_MM = Math.hypot(36, 24);

/**
 * Horizontal field of view in degrees of an upright `widthPx` x `heightPx` photo. The 35 mm equivalence is by the
 * diagonal of a 36 x 24 mm frame (CIPA DCG-001), so the same lens gives a portrait its narrower width.
 */
export function fovFromFocalLength(focalLength35mm: number, widthPx: number, heightPx: number): number {
  const focalPx = (focalLength35mm * Math.hypot(widthPx, heightPx)) / FULL_FRAME_DIAGONAL_MM;
  return (2 * Math.atan(widthPx / 2 / focalPx) * 180) / Math.PI;
}
