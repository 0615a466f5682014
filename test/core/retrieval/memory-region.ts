import { type Bounds, unionOf } from '#core/geo/bounds.ts';
import { createLocalFrame } from '#core/geo/local-frame.ts';
import type { LonLat } from '#core/geo/units.ts';
import type { Calibration } from '#core/inference/manifest.ts';
import type { Region, RegionSource } from '#core/retrieval/region.ts';
import { createExactIndex } from '#core/retrieval/vector-index.exact.ts';
import { TILE_M } from './simulated-search.ts';

export const CALIBRATION: Calibration = {
  source: 'none',
  temperature: 0.03,
  notHereSimilarity: 0.6,
  matchedMinProbability: 0.6,
  ambiguousMinProbability: 0.4,
  tileSigmaM: 14,
  radiusScale: 1,
  profiles: {},
  headingSigmaDeg: 12,
};

/** A tile of 70 m, and how similar each orientation of it is to the query. */
export interface MemoryTile {
  readonly id: string;
  readonly centre: LonLat;
  readonly similarities: readonly number[];
}

/** A region in memory whose index gives exactly these similarities to `query`, a unit vector. */
export function memoryRegion(
  query: Float32Array,
  {
    id = 'test',
    tiles,
    calibration = {},
  }: { id?: string; tiles: readonly MemoryTile[]; calibration?: Partial<Calibration> },
): Region {
  const headings = tiles[0]?.similarities.length ?? 1;
  const boundsOfTiles = tiles.map(({ centre }) => squareAround(centre));
  const bounds = unionOf(boundsOfTiles) ?? { west: 0, south: 0, east: 0, north: 0 };
  const vectors = Float32Array.from(
    tiles.flatMap(({ similarities }) => similarities.flatMap((similarity) => vectorAt(query, similarity))),
  );
  const index = createExactIndex({ width: query.length, vectors });
  return {
    id,
    version: '1',
    manifest: {
      schemaVersion: 1,
      id,
      version: '1',
      createdAt: '2026-01-01T00:00:00Z',
      licence: 'CC0-1.0',
      attribution: 'nobody',
      capturedAt: null,
      model: { name: 'tiny', version: '0.0.1' },
      embeddingWidth: query.length,
      metresPerTile: TILE_M,
      overlap: 0.5,
      headings,
      tileCount: tiles.length,
      index: { type: 'IndexFlatIP', parameters: {}, file: 'index.faiss' },
      imagery: { file: 'imagery.pmtiles', minZoom: 15, maxZoom: 19, tileType: 'webp' },
      tiles: { file: 'tiles.parquet' },
      collection: { file: 'collection.json' },
      calibration: { file: 'calibration.json' },
      files: [],
    },
    collection: {
      type: 'Collection',
      stac_version: '1.1.0',
      id,
      description: 'a test',
      license: 'CC0-1.0',
      extent: {
        spatial: { bbox: [[bounds.west, bounds.south, bounds.east, bounds.north]] },
        temporal: { interval: [[null, null]] },
      },
      links: [],
    },
    tiles: {
      count: tiles.length,
      ids: tiles.map((tile) => tile.id),
      bounds: Float64Array.from(boundsOfTiles.flatMap(({ west, south, east, north }) => [west, south, east, north])),
    },
    index,
    calibration: { ...CALIBRATION, ...calibration },
    dir: 'nowhere',
    bounds,
    close: () => index.close(),
  };
}

/** A point so many metres east and north of the origin. */
export function at(eastM: number, northM: number, origin: LonLat = [0, 0]): LonLat {
  return createLocalFrame(origin).toLonLat({ eastM, northM });
}

function squareAround(centre: LonLat): Bounds {
  const half = TILE_M / 2;
  const [west, south] = at(-half, -half, centre);
  const [east, north] = at(half, half, centre);
  return { west, south, east, north };
}

/** A unit vector with a given inner product with a unit vector. */
function vectorAt(query: Float32Array, similarity: number): number[] {
  // what is left of an axis that is not parallel to the query, made orthogonal to it
  const axis = Math.abs(query[0] ?? 0) < 0.9 ? 0 : 1;
  const along = query[axis] ?? 0;
  const other = Array.from(query, (value, i) => (i === axis ? 1 : 0) - along * value);
  const length = Math.hypot(...other);
  const rest = Math.sqrt(Math.max(0, 1 - similarity ** 2));
  return Array.from(query, (value, i) => similarity * value + (rest * (other[i] ?? 0)) / length);
}

/** Regions that are open, all of them, as long as the test. */
export function regionsOf(regions: readonly Region[]): RegionSource {
  return {
    list: () => regions,
    hold: async (ids) => ({ regions: regions.filter(({ id }) => ids.includes(id)), release() {} }),
    coverage: ({ bounds: { west, south, east, north } }) => [[west, south, east, north]],
  };
}
