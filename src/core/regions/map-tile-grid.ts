import sharp from 'sharp';
import { Geo2Error } from '../errors.ts';
import type { Bounds } from '../geo/bounds.ts';
import { isMapTile, MAP_TILE_PX, type MapTile, metresPerPixel, toWorld } from '../geo/web-mercator.ts';
import { sniffFormat } from '../image/format.ts';
import type { Block, GridLevel, PixelGrid } from './pixel-grid.ts';

export interface MapTileGridOptions {
  /** How messages call the source. */
  readonly name: string;
  readonly bounds: Bounds;
  readonly minZoom: number;
  readonly maxZoom: number;
  /** The encoded tile; undefined where there is none. */
  read(tile: MapTile, signal?: AbortSignal): Promise<Uint8Array | undefined>;
  close?(): Promise<void>;
}

/** A pixel that lets more through than this shows nothing. */
const OPAQUE = 128;

/** Web Mercator tiles (XYZ, y southward) as one picture. Transparent pixels are missing; tiles of another size are brought to 256. */
export function mapTileGrid(options: MapTileGridOptions): PixelGrid {
  const { bounds, minZoom, maxZoom, close } = options;
  const coarser = Array.from({ length: maxZoom - minZoom }, (_, i) => levelAt(maxZoom - 1 - i, options));
  return { bounds, levels: [levelAt(maxZoom, options), ...coarser], close: async () => close?.() };
}

function levelAt(z: number, { name, read }: MapTileGridOptions): GridLevel {
  const sidePx = MAP_TILE_PX * 2 ** z;
  return {
    blockPx: MAP_TILE_PX,
    toPixel(point) {
      const { x, y } = toWorld(point);
      return { x: x * sidePx, y: y * sidePx };
    },
    metresPerPx: (latDeg) => metresPerPixel(latDeg, z),
    async block(x, y, signal) {
      const tile = { z, x, y };
      const bytes = isMapTile(tile) ? await read(tile, signal) : undefined;
      return bytes === undefined ? undefined : decodeTile(bytes, `tile ${z}/${x}/${y} of ${name}`);
    },
  };
}

async function decodeTile(bytes: Uint8Array, what: string): Promise<Block> {
  if (sniffFormat(bytes) === undefined) {
    throw new Geo2Error('SOURCE_INVALID', `The ${what} is no JPEG, PNG or WebP image; imagery is made of these.`, {
      data: { file: what },
    });
  }
  const { data, info } = await sharp(bytes, { failOn: 'error', pages: 1 })
    .toColourspace('srgb')
    .ensureAlpha()
    .resize({ width: MAP_TILE_PX, height: MAP_TILE_PX, fit: 'fill', kernel: 'linear' })
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw new Geo2Error('SOURCE_INVALID', `The ${what} is cut off or damaged: fetch or copy it again.`, {
        data: { file: what },
        cause,
      });
    });
  const count = info.width * info.height;
  const rgb = new Uint8Array(count * 3);
  const missing = new Uint8Array(count);
  let absent = 0;
  for (let i = 0; i < count; i++) {
    const from = i * 4;
    if ((data[from + 3] ?? 0) < OPAQUE) {
      missing[i] = 1;
      absent++;
      continue;
    }
    rgb[i * 3] = data[from] ?? 0;
    rgb[i * 3 + 1] = data[from + 1] ?? 0;
    rgb[i * 3 + 2] = data[from + 2] ?? 0;
  }
  return { rgb, widthPx: info.width, heightPx: info.height, missing: absent === 0 ? undefined : missing };
}
