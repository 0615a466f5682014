import { basename } from 'node:path';
import { fromFile, type GeoTIFF, type GeoTIFFImage } from 'geotiff';
import { Geo2Error } from '../errors.ts';
import { type Bounds, centreOf, unionOf } from '../geo/bounds.ts';
import { distanceM } from '../geo/great-circle.ts';
import type { LonLat } from '../geo/units.ts';
import type { Block, GridLevel, PixelGrid, PixelPoint } from './pixel-grid.ts';
import { KNOWN_PROJECTIONS, type Projection, projectionOf } from './projection.ts';

const BLOCK_PX = 512;
/** Each block of an image in strips decodes whole rows: wider ones would be decoded again and again. */
const MAX_STRIP_PX = 20_000;
const USER_DEFINED = 32_767;
const PIXEL_IS_POINT = 2;
/** NewSubfileType: a smaller copy of another image. */
const REDUCED = 1;
/** Of its ratio of sides, for an overview. */
const SAME_SHAPE = 0.02;

/** Where the picture lies in its projection's plane. */
interface Placement {
  readonly projection: Projection;
  readonly originX: number;
  readonly originY: number;
  readonly widthUnits: number;
  readonly heightUnits: number;
}

/**
 * A GeoTIFF, best a cloud-optimised one: 8-bit grey, RGB or RGBA, north up, in one of KNOWN_PROJECTIONS; its overviews are
 * used. Pixels of its nodata value, or transparent ones, are missing. Errors: SOURCE_INVALID, naming the file and what to do.
 */
export async function openGeotiffSource(path: string): Promise<PixelGrid> {
  const invalid = refusalOf(path);
  const file = await fromFile(path).catch((cause: unknown) => {
    throw invalid('is no TIFF file that can be read', cause);
  });
  try {
    const image = await file.getImage(0);
    checkPixels(image, invalid);
    const placement = placementOf(image, invalid);
    const levels = (await overviewsOf(file, image)).map((level) => levelOf(level, placement, invalid));
    return {
      bounds: boundsOf(placement),
      levels: [levelOf(image, placement, invalid), ...levels],
      close: async () => {
        await file.close();
      },
    };
  } catch (error) {
    await file.close();
    throw error instanceof Geo2Error ? error : invalid('is damaged', error);
  }
}

type Refuse = (why: string, cause?: unknown) => Geo2Error;

function refusalOf(path: string): Refuse {
  return (why, cause) => new Geo2Error('SOURCE_INVALID', `${path} ${why}.`, { data: { file: basename(path) }, cause });
}

function checkPixels(image: GeoTIFFImage, invalid: Refuse): void {
  const samples = image.getSamplesPerPixel();
  if (image.getBitsPerSample() !== 8 || image.getSampleFormat() !== 1) {
    throw invalid(
      `has ${image.getBitsPerSample()}-bit samples: bring it to 8 bits with gdal_translate -ot Byte -scale`,
    );
  }
  if (samples === 2 || samples > 4) {
    throw invalid(`has ${samples} bands: keep red, green and blue with gdal_translate -b 1 -b 2 -b 3`);
  }
  if (!image.isTiled && image.getWidth() > MAX_STRIP_PX) {
    throw invalid(`has ${image.getWidth()} px wide strips: make tiles of it with gdal_translate -of COG`);
  }
}

function placementOf(image: GeoTIFFImage, invalid: Refuse): Placement {
  const keys = image.getGeoKeys();
  const directory = image.getFileDirectory();
  const transform = directory.getValue('ModelTransformation');
  const isPlaced = transform !== undefined || directory.getValue('ModelTiepoint') !== undefined;
  if (keys === null || Object.keys(keys).length === 0 || !isPlaced) {
    throw invalid('has no georeference: give it one with gdal_translate -a_srs EPSG:… -a_ullr WEST NORTH EAST SOUTH');
  }
  if (transform !== undefined && (transform[1] !== 0 || transform[4] !== 0)) {
    throw invalid('is turned against its grid: bring it north up with gdalwarp');
  }
  const epsg = Number(keys.ProjectedCSTypeGeoKey ?? keys.GeographicTypeGeoKey ?? USER_DEFINED);
  const projection = projectionOf(epsg);
  if (projection === undefined) {
    const found = epsg === USER_DEFINED ? 'a projection of its own' : `EPSG:${epsg}`;
    throw invalid(`is in ${found}; known are ${KNOWN_PROJECTIONS}: convert it with gdalwarp -t_srs EPSG:3857`);
  }
  const [originX = Number.NaN, originY = Number.NaN] = image.getOrigin();
  const [stepX = Number.NaN, stepY = Number.NaN] = image.getResolution();
  if (!(stepX > 0 && stepY < 0)) throw invalid('is not north up: bring it so with gdalwarp');
  // a point is the middle of its pixel
  const shift = keys.GTRasterTypeGeoKey === PIXEL_IS_POINT ? 0.5 : 0;
  return {
    projection,
    originX: originX - shift * stepX,
    originY: originY - shift * stepY,
    widthUnits: stepX * image.getWidth(),
    heightUnits: -stepY * image.getHeight(),
  };
}

/** Smaller copies of the first image, finest first. */
async function overviewsOf(file: GeoTIFF, image: GeoTIFFImage): Promise<GeoTIFFImage[]> {
  const shape = image.getWidth() / image.getHeight();
  const found: GeoTIFFImage[] = [];
  for (let i = 1; i < (await file.getImageCount()); i++) {
    const other = await file.getImage(i);
    const isReduced = other.getFileDirectory().getValue('NewSubfileType') === REDUCED;
    const isSame = Math.abs(other.getWidth() / other.getHeight() / shape - 1) <= SAME_SHAPE;
    if (isReduced && isSame && other.getWidth() < image.getWidth()) found.push(other);
  }
  return found.sort((a, b) => b.getWidth() - a.getWidth());
}

function levelOf(image: GeoTIFFImage, placement: Placement, invalid: Refuse): GridLevel {
  const { projection, originX, originY, widthUnits, heightUnits } = placement;
  const [widthPx, heightPx] = [image.getWidth(), image.getHeight()];
  const toPixel = (point: LonLat): PixelPoint => {
    const { x, y } = projection.toPlane(point);
    return { x: ((x - originX) / widthUnits) * widthPx, y: ((originY - y) / heightUnits) * heightPx };
  };
  return {
    blockPx: BLOCK_PX,
    toPixel,
    metresPerPx(latDeg) {
      const [lon] = centreOf(boundsOf(placement));
      const stepDeg = 1e-4;
      const [from, to] = [toPixel([lon, latDeg]), toPixel([lon, latDeg + stepDeg])];
      return distanceM([lon, latDeg], [lon, latDeg + stepDeg]) / Math.hypot(to.x - from.x, to.y - from.y);
    },
    async block(column, row, signal) {
      const [left, top] = [column * BLOCK_PX, row * BLOCK_PX];
      const right = Math.min(widthPx, left + BLOCK_PX);
      const bottom = Math.min(heightPx, top + BLOCK_PX);
      if (left < 0 || top < 0 || left >= widthPx || top >= heightPx) return undefined;
      try {
        return await readBlock(image, [left, top, right, bottom], signal);
      } catch (cause) {
        if (signal?.aborted === true) throw cause;
        throw invalid(`is cut off or damaged around its pixel ${left}, ${top}`, cause);
      }
    },
  };
}

async function readBlock(
  image: GeoTIFFImage,
  window: readonly [left: number, top: number, right: number, bottom: number],
  signal: AbortSignal | undefined,
): Promise<Block> {
  const [left, top, right, bottom] = window;
  const options = { window: [...window], interleave: true as const, ...(signal === undefined ? {} : { signal }) };
  const colours = await image.readRGB(options);
  const isTransparent = image.getSamplesPerPixel() === 4;
  const alphas = isTransparent ? await image.readRasters({ ...options, samples: [3] }) : undefined;
  const nodata = image.getGDALNoData();
  const rgb = new Uint8Array(BLOCK_PX * BLOCK_PX * 3);
  const missing = new Uint8Array(BLOCK_PX * BLOCK_PX).fill(1);
  const widthPx = right - left;
  for (let y = 0; y < bottom - top; y++) {
    for (let x = 0; x < widthPx; x++) {
      const from = y * widthPx + x;
      const to = y * BLOCK_PX + x;
      const [r = 0, g = 0, b = 0] = [colours[from * 3], colours[from * 3 + 1], colours[from * 3 + 2]];
      if (alphas !== undefined ? alphas[from] === 0 : r === nodata && g === nodata && b === nodata) continue;
      rgb[to * 3] = r;
      rgb[to * 3 + 1] = g;
      rgb[to * 3 + 2] = b;
      missing[to] = 0;
    }
  }
  return { rgb, widthPx: BLOCK_PX, heightPx: BLOCK_PX, missing };
}

/** Of the picture's corners and the middles of its sides. */
function boundsOf({ projection, originX, originY, widthUnits, heightUnits }: Placement): Bounds {
  const shares = [0, 0.5, 1];
  const points = shares.flatMap((down) =>
    shares.map((across) => projection.toLonLat({ x: originX + across * widthUnits, y: originY - down * heightUnits })),
  );
  const all = unionOf(points.map(([lon, lat]) => ({ west: lon, south: lat, east: lon, north: lat })));
  if (all === undefined) throw new RangeError('a picture has corners');
  return all;
}
