interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** Widest view of a 4:3 picture that the canvas' 45 degrees above and below the horizon fill. */
export const MAX_LOOK_FOV_DEG = 100;
export const MIN_LOOK_FOV_DEG = 30;

const TOP_DEG = 45;
const RAD = Math.PI / 180;

/** What a level camera sees of a panorama whose middle is north; a 4:3 picture. */
export interface Look {
  /** Azimuth of the picture's middle, degrees clockwise from north. */
  readonly headingDeg: number;
  /** Horizontal field of view, MIN_LOOK_FOV_DEG to MAX_LOOK_FOV_DEG. */
  readonly fovDeg: number;
  readonly widthPx: number;
}

/** A perspective picture out of a canvas: 360 degrees across, 45 above the horizon to 45 below, north in the middle. */
export function lookInto(panorama: Pixels, { headingDeg, fovDeg, widthPx }: Look): Pixels {
  const heightPx = Math.round((widthPx * 3) / 4);
  const focalPx = widthPx / 2 / Math.tan((fovDeg / 2) * RAD);
  const rgb = new Uint8Array(widthPx * heightPx * 3);
  for (let i = 0; i < widthPx; i++) {
    const right = (i + 0.5 - widthPx / 2) / focalPx;
    const azimuthDeg = headingDeg + Math.atan(right) / RAD;
    const x = (azimuthDeg / 360 + 0.5) * panorama.widthPx - 0.5;
    for (let j = 0; j < heightPx; j++) {
      const up = (heightPx / 2 - j - 0.5) / focalPx;
      const elevationDeg = Math.atan(up / Math.hypot(1, right)) / RAD;
      const y = ((TOP_DEG - elevationDeg) / (2 * TOP_DEG)) * panorama.heightPx - 0.5;
      sample(panorama, { x, y }, rgb, (j * widthPx + i) * 3);
    }
  }
  return { rgb, widthPx, heightPx };
}

/** The same panorama with another azimuth in its middle, to the nearest column. */
export function turnedPanorama({ rgb, widthPx, heightPx }: Pixels, middleDeg: number): Pixels {
  const columns = modulo(Math.round((middleDeg / 360) * widthPx), widthPx);
  if (columns === 0) return { rgb, widthPx, heightPx };
  const turned = new Uint8Array(rgb.length);
  for (let y = 0; y < heightPx; y++) {
    const start = y * widthPx * 3;
    const cut = start + columns * 3;
    turned.set(rgb.subarray(cut, start + widthPx * 3), start);
    turned.set(rgb.subarray(start, cut), start + (widthPx - columns) * 3);
  }
  return { rgb: turned, widthPx, heightPx };
}

/** Bilinear; left and right edges meet, above and below the edge is repeated. */
function sample(
  { rgb, widthPx, heightPx }: Pixels,
  at: { x: number; y: number },
  out: Uint8Array,
  offset: number,
): void {
  const left = Math.floor(at.x);
  const inY = Math.min(Math.max(at.y, 0), heightPx - 1);
  const top = Math.floor(inY);
  const [fx, fy] = [at.x - left, inY - top];
  const [x0, x1] = [modulo(left, widthPx), modulo(left + 1, widthPx)];
  const [row0, row1] = [top * widthPx, Math.min(top + 1, heightPx - 1) * widthPx];
  for (let c = 0; c < 3; c++) {
    const upper = (rgb[(row0 + x0) * 3 + c] ?? 0) * (1 - fx) + (rgb[(row0 + x1) * 3 + c] ?? 0) * fx;
    const lower = (rgb[(row1 + x0) * 3 + c] ?? 0) * (1 - fx) + (rgb[(row1 + x1) * 3 + c] ?? 0) * fx;
    out[offset + c] = Math.floor(upper * (1 - fy) + lower * fy + 0.5);
  }
}

function modulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}
