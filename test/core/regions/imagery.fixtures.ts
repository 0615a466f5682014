import type { Bounds } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { AerialImage, ImagerySource } from '#core/regions/imagery-source.ts';
import type { Pixels, Square } from '#core/regions/raster.ts';

/** A square of ground `sizeM` wide whose south-west corner lies `eastM`, `northM` metres from `origin`. */
export function squareAt(
  eastM: number,
  northM: number,
  sizeM: number,
  origin: readonly [number, number] = [0, 0],
): Bounds {
  const frame = createLocalFrame(origin);
  const [west, south] = frame.toLonLat({ eastM, northM });
  const [east, north] = frame.toLonLat({ eastM: eastM + sizeM, northM: northM + sizeM });
  return { west, south, east, north };
}

/** An image painted by `colour(x, y)`, x and y in pixels from the north-west corner. */
export function painted(sizePx: number, colour: (x: number, y: number) => readonly [number, number, number]): Pixels {
  const rgb = new Uint8Array(sizePx * sizePx * 3);
  for (let y = 0; y < sizePx; y++) {
    for (let x = 0; x < sizePx; x++) rgb.set(colour(x, y), (y * sizePx + x) * 3);
  }
  return { rgb, widthPx: sizePx, heightPx: sizePx };
}

export function imageOf(id: string, bounds: Bounds, pixels: Pixels): AerialImage {
  return { id, bounds, read: async () => pixels };
}

/** A crop where there must be imagery. */
export async function cropOf(source: ImagerySource, square: Square): Promise<Pixels> {
  const crop = await source.crop(square);
  if (crop === undefined) throw new Error(`there is no imagery at ${square.centre.join(', ')}`);
  return crop;
}

/** Mean position of the pixels whose red exceeds 128, in pixels from the crop's middle, x right and y down. */
export function brightSpot({ rgb, widthPx, heightPx }: Pixels): { x: number; y: number } {
  let [sumX, sumY, count] = [0, 0, 0];
  for (let i = 0; i < widthPx * heightPx; i++) {
    if ((rgb[i * 3] ?? 0) <= 128) continue;
    sumX += (i % widthPx) + 0.5;
    sumY += Math.floor(i / widthPx) + 0.5;
    count++;
  }
  return { x: sumX / count - widthPx / 2, y: sumY / count - heightPx / 2 };
}
