import { type Bounds, centreOf, widthDeg } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import { type LonLat, METRES_PER_DEGREE, toRad, wrap180 } from '../geo/units.ts';

/** RGB pixels, row by row. */
export interface Pixels {
  readonly rgb: Uint8Array;
  readonly widthPx: number;
  readonly heightPx: number;
}

/** North-up pixels with their place. */
export interface Raster {
  readonly bounds: Bounds;
  readonly pixels: Pixels;
}

/** Pixels, and where a point of the ground lies in them, in pixels from their north-west corner. */
export interface PlacedPixels {
  readonly pixels: Pixels;
  toPixel(point: LonLat): { readonly x: number; readonly y: number };
}

/** A square of ground, turned. */
export interface Square {
  readonly centre: LonLat;
  /** Side of the square in metres. */
  readonly sizeM: number;
  readonly sizePx: number;
  /** Azimuth that is up, degrees clockwise from north. */
  readonly upDeg: number;
}

/** North-south extent in metres. */
export function heightM(bounds: Bounds): number {
  return (bounds.north - bounds.south) * METRES_PER_DEGREE;
}

/** East-west extent in metres at the middle latitude. */
export function widthM(bounds: Bounds): number {
  return widthDeg(bounds) * METRES_PER_DEGREE * Math.cos(toRad(centreOf(bounds)[1]));
}

/**
 * Cuts a square out of rasters: each pixel from the first raster that covers it, else from the nearest pixel of the nearest
 * raster. The rasters' resolution should be about that of the square; there must be at least one.
 */
export function cutSquare(rasters: readonly Raster[], square: Square): Pixels {
  const { sizePx } = square;
  const corners = cornersOf(square);
  const layers = rasters.map((raster) => affineLayer(raster, corners, sizePx));
  const rgb = new Uint8Array(sizePx * sizePx * 3);
  for (let row = 0; row < sizePx; row++) {
    for (let column = 0; column < sizePx; column++) {
      const [across, down] = [column + 0.5, row + 0.5];
      let best: AffineLayer | undefined;
      let bestBeyond = Number.POSITIVE_INFINITY;
      for (const layer of layers) {
        const x = layer.x0 + layer.xAcross * across + layer.xDown * down;
        const y = layer.y0 + layer.yAcross * across + layer.yDown * down;
        const beyond = layer.metresPerPx * (beyondPx(x, layer.pixels.widthPx) + beyondPx(y, layer.pixels.heightPx));
        if (beyond >= bestBeyond) continue;
        best = layer;
        bestBeyond = beyond;
        if (beyond === 0) break;
      }
      if (best === undefined) continue;
      const x = best.x0 + best.xAcross * across + best.xDown * down;
      const y = best.y0 + best.yAcross * across + best.yDown * down;
      samplePixel(best.pixels, x, y, rgb, (row * sizePx + column) * 3);
    }
  }
  return { rgb, widthPx: sizePx, heightPx: sizePx };
}

/**
 * Cuts a square out of pixels that cover it. Within a square, any projection that maps are made in is linear to a fraction of a
 * pixel, so that three corners tell where all of its pixels lie.
 */
export function cutPlaced({ pixels, toPixel }: PlacedPixels, square: Square): Pixels {
  const { sizePx } = square;
  const corners = cornersOf(square);
  const [origin, right, below] = [toPixel(corners[0]), toPixel(corners[1]), toPixel(corners[2])];
  const rgb = new Uint8Array(sizePx * sizePx * 3);
  const [xAcross, yAcross] = [(right.x - origin.x) / sizePx, (right.y - origin.y) / sizePx];
  const [xDown, yDown] = [(below.x - origin.x) / sizePx, (below.y - origin.y) / sizePx];
  for (let row = 0; row < sizePx; row++) {
    const startX = origin.x + xDown * (row + 0.5);
    const startY = origin.y + yDown * (row + 0.5);
    for (let column = 0; column < sizePx; column++) {
      const across = column + 0.5;
      samplePixel(pixels, startX + xAcross * across, startY + yAcross * across, rgb, (row * sizePx + column) * 3);
    }
  }
  return { rgb, widthPx: sizePx, heightPx: sizePx };
}

/** North-west, north-east and south-west of a square, as it is turned. */
function cornersOf({ centre, sizeM, sizePx, upDeg }: Square): readonly [LonLat, LonLat, LonLat] {
  const frame = createLocalFrame(centre);
  const [sine, cosine] = [Math.sin(toRad(upDeg)), Math.cos(toRad(upDeg))];
  const metresPerPx = sizeM / sizePx;
  const placeOf = (column: number, row: number): LonLat => {
    const rightM = (column - sizePx / 2) * metresPerPx;
    const aheadM = (sizePx / 2 - row) * metresPerPx;
    return frame.toLonLat({ eastM: aheadM * sine + rightM * cosine, northM: aheadM * cosine - rightM * sine });
  };
  return [placeOf(0, 0), placeOf(sizePx, 0), placeOf(0, sizePx)];
}

/** Colours of a lattice of meridians and parallels: RGBA, row by row; alpha 0 where no raster covers. */
export function drawLattice(
  rasters: readonly Raster[],
  { lons, lats }: { readonly lons: Float64Array; readonly lats: Float64Array },
): Uint8Array {
  const layers = rasters.map(({ bounds, pixels }) => ({
    pixels,
    xs: lons.map((lon) => (wrap180(lon - bounds.west) / widthDeg(bounds)) * pixels.widthPx),
    ys: lats.map((lat) => ((bounds.north - lat) / (bounds.north - bounds.south)) * pixels.heightPx),
  }));
  const rgba = new Uint8Array(lons.length * lats.length * 4);
  for (let row = 0; row < lats.length; row++) {
    for (let column = 0; column < lons.length; column++) {
      for (const { pixels, xs, ys } of layers) {
        const x = xs[column] ?? Number.NaN;
        const y = ys[row] ?? Number.NaN;
        if (!(x >= 0 && y >= 0 && x <= pixels.widthPx && y <= pixels.heightPx)) continue;
        const offset = (row * lons.length + column) * 4;
        samplePixel(pixels, x, y, rgba, offset);
        rgba[offset + 3] = 255;
        break;
      }
    }
  }
  return rgba;
}

/** Where a square's pixels lie in a raster: x = x0 + xAcross * column + xDown * row, from its north-west corner in pixels. */
interface AffineLayer {
  readonly pixels: Pixels;
  readonly metresPerPx: number;
  readonly x0: number;
  readonly xAcross: number;
  readonly xDown: number;
  readonly y0: number;
  readonly yAcross: number;
  readonly yDown: number;
}

/** Longitude and latitude are linear in a local frame, so that three corners tell it all. */
function affineLayer(
  { bounds, pixels }: Raster,
  [origin, right, below]: readonly [LonLat, LonLat, LonLat],
  sizePx: number,
): AffineLayer {
  const perLon = pixels.widthPx / widthDeg(bounds);
  const perLat = pixels.heightPx / (bounds.north - bounds.south);
  return {
    pixels,
    metresPerPx: heightM(bounds) / pixels.heightPx,
    x0: wrap180(origin[0] - bounds.west) * perLon,
    xAcross: (wrap180(right[0] - origin[0]) * perLon) / sizePx,
    xDown: (wrap180(below[0] - origin[0]) * perLon) / sizePx,
    y0: (bounds.north - origin[1]) * perLat,
    yAcross: ((origin[1] - right[1]) * perLat) / sizePx,
    yDown: ((origin[1] - below[1]) * perLat) / sizePx,
  };
}

/** How far a coordinate lies outside of 0..size; a millionth of a pixel is rounding. */
function beyondPx(coordinate: number, size: number): number {
  if (coordinate < -1e-6) return -coordinate;
  return coordinate > size + 1e-6 ? coordinate - size : 0;
}

/** Bilinear at x, y from the north-west corner (a pixel's middle is at .5); outside, the edge is repeated. */
export function samplePixel(
  { rgb, widthPx, heightPx }: Pixels,
  x: number,
  y: number,
  out: Uint8Array,
  offset: number,
): void {
  const inX = Math.min(Math.max(x - 0.5, 0), widthPx - 1);
  const inY = Math.min(Math.max(y - 0.5, 0), heightPx - 1);
  const [left, top] = [Math.floor(inX), Math.floor(inY)];
  const [fx, fy] = [inX - left, inY - top];
  const right = Math.min(left + 1, widthPx - 1) * 3;
  const upper = top * widthPx * 3;
  const lower = Math.min(top + 1, heightPx - 1) * widthPx * 3;
  for (let c = 0; c < 3; c++) {
    const above = (rgb[upper + left * 3 + c] ?? 0) * (1 - fx) + (rgb[upper + right + c] ?? 0) * fx;
    const below = (rgb[lower + left * 3 + c] ?? 0) * (1 - fx) + (rgb[lower + right + c] ?? 0) * fx;
    out[offset + c] = Math.floor(above * (1 - fy) + below * fy + 0.5);
  }
}
