import { Geo2Error } from '../errors.ts';
import { containsPoint } from '../geo/bounds.ts';
import type { LonLat } from '../geo/units.ts';
import { type MapTile, mapTileBounds, mapTilesIn, metresPerPixel } from '../geo/web-mercator.ts';
import { decodeImage } from '../image/decode.ts';
import { FULL_RESOLUTION_LIMITS } from '../image/limits.ts';
import { boundsOfTile, type Region, type RegionFacts, type RegionSource } from '../retrieval/region.ts';
import { type AerialImage, createImagerySource, squareAround } from './imagery-source.ts';
import type { Pixels } from './raster.ts';

/** One encoded map tile of a region's imagery; undefined where the imagery has none. */
export type ReadImageryTile = (
  region: Region,
  tile: MapTile,
  options: { readonly signal?: AbortSignal | undefined },
) => Promise<{ readonly bytes: Uint8Array; readonly contentType: string } | undefined>;

/** A square of ground, north up, and where its picture is from. */
export interface PlaceImagery {
  readonly region: RegionFacts;
  readonly pixels: Pixels;
  /** `edge_of_coverage`: part of the square lies beyond the region, and repeats its edge. */
  readonly reasons: readonly 'edge_of_coverage'[];
}

export interface PlaceQuery {
  readonly location: LonLat;
  /** Metres of the square's side. */
  readonly sizeM: number;
  readonly sizePx: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The first region one of whose tiles shows the point, open until `use` has ended. Errors: OUT_OF_COVERAGE, those of
 * `RegionSource.hold` and of `use`.
 */
export async function withRegionAt<T>(
  regions: RegionSource,
  { location, signal }: { readonly location: LonLat; readonly signal?: AbortSignal | undefined },
  use: (region: Region) => Promise<T>,
): Promise<T> {
  const near = regions.list().filter(({ bounds }) => containsPoint(bounds, location));
  const ids = near.map(({ id }) => id);
  const held = await regions.hold(ids, { signal });
  try {
    const region = held.regions.find((candidate) => covers(candidate, location));
    if (region === undefined) throw outOfCoverage(location);
    return await use(region);
  } finally {
    held.release();
  }
}

/**
 * The square around a place out of the imagery of the region that covers it. Errors: OUT_OF_COVERAGE, REGION_INVALID (imagery that
 * cannot be read), CANCELED.
 */
export async function readPlace(
  query: PlaceQuery,
  { regions, readTile }: { readonly regions: RegionSource; readonly readTile: ReadImageryTile },
): Promise<PlaceImagery> {
  return withRegionAt(regions, query, (region) => readPlaceOf(region, query, readTile));
}

async function readPlaceOf(
  region: Region,
  { location, sizeM, sizePx, signal }: PlaceQuery,
  readTile: ReadImageryTile,
): Promise<PlaceImagery> {
  const bounds = squareAround(location, sizeM);
  const { minZoom, maxZoom } = region.manifest.imagery;
  let z = minZoom;
  while (z < maxZoom && metresPerPixel(location[1], z) > sizeM / sizePx) z++;

  const images: AerialImage[] = [];
  for (const tile of mapTilesIn(bounds, z)) {
    const found = await readTile(region, tile, { signal });
    if (found === undefined) continue;
    images.push({
      id: `${tile.z}/${tile.x}/${tile.y}`,
      bounds: mapTileBounds(tile),
      read: () => decodeImage(found.bytes, FULL_RESOLUTION_LIMITS, { signal }),
    });
  }
  if (images.length === 0) throw outOfCoverage(location);
  const pixels = await createImagerySource(images).crop({ centre: location, sizeM, sizePx, upDeg: 0, signal });
  if (pixels === undefined) throw outOfCoverage(location);
  const corners: LonLat[] = [
    [bounds.west, bounds.south],
    [bounds.east, bounds.south],
    [bounds.west, bounds.north],
    [bounds.east, bounds.north],
  ];
  return { region, pixels, reasons: corners.every((corner) => covers(region, corner)) ? [] : ['edge_of_coverage'] };
}

function covers(region: Region, point: LonLat): boolean {
  for (let ordinal = 0; ordinal < region.tiles.count; ordinal++) {
    if (containsPoint(boundsOfTile(region.tiles, ordinal), point)) return true;
  }
  return false;
}

function outOfCoverage([lon, lat]: LonLat): Geo2Error {
  const place = `${lon.toFixed(6)}, ${lat.toFixed(6)}`;
  return new Geo2Error(
    'OUT_OF_COVERAGE',
    `No region has imagery of ${place}; /v1/coverage shows where there is some.`,
    {
      data: { location: [lon, lat] },
    },
  );
}
