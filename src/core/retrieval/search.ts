import { type Bounds, centreOf, toBbox } from '../geo/bounds.ts';
import { type Prior, priorTouches } from '../geo/prior.ts';
import type { LonLat } from '../geo/units.ts';
import { boundsOfTile, type Region } from './region.ts';

/** A reference tile that a query was compared with, at the orientation that fits best. */
export interface Hit {
  readonly region: Region;
  /** Ordinal in the region. */
  readonly tile: number;
  readonly centre: LonLat;
  readonly bounds: Bounds;
  /** Cosine. */
  readonly similarity: number;
  /** Azimuth of the canvas' middle that this orientation implies, degrees; 0 for an aligned query. */
  readonly headingDeg: number;
  /** Similarities of the other orientations of this tile that came up, by row of the bank. */
  readonly bank: ReadonlyMap<number, number>;
}

export interface Search {
  readonly query: Float32Array;
  /** Whether the canvas is north up: then one orientation is searched, otherwise all. */
  readonly aligned: boolean;
  readonly prior?: Prior | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Reference tiles that a search looks at; more never change an answer that anybody could notice. */
const TILES = 256;

/** A region, and the tiles of it that the prior allows (undefined: all of them). */
export interface Scope {
  readonly region: Region;
  readonly tiles?: Int32Array | undefined;
}

/** What the prior leaves of the regions; empty when it touches none. */
export function scopeOf(regions: readonly Region[], prior: Prior | undefined): Scope[] {
  if (prior === undefined) return regions.map((region) => ({ region }));
  return regions.flatMap((region) => {
    if (!priorTouches(prior, region.bounds)) return [];
    const tiles = tilesOf(region, prior);
    if (tiles.length === 0) return [];
    return [tiles.length === region.tiles.count ? { region } : { region, tiles }];
  });
}

function tilesOf(region: Region, prior: Prior): Int32Array {
  const touched: number[] = [];
  for (let tile = 0; tile < region.tiles.count; tile++) {
    if (priorTouches(prior, boundsOfTile(region.tiles, tile))) touched.push(tile);
  }
  return Int32Array.from(touched);
}

/** The nearest tiles of all scopes, best first, each once at its best orientation. Errors: those of the index. */
export async function searchScopes(scopes: readonly Scope[], search: Search): Promise<Hit[]> {
  const found = await Promise.all(scopes.map((scope) => searchOne(scope, search)));
  return withoutTwins(found.flat().sort((a, b) => b.similarity - a.similarity)).slice(0, TILES);
}

async function searchOne({ region, tiles }: Scope, { query, aligned, signal }: Search): Promise<Hit[]> {
  const { headings } = region.manifest;
  const neighbours = await region.index.search(query, {
    k: aligned ? TILES : TILES * Math.min(headings, 4),
    rows: { rowsPerTile: headings, tiles, orientation: aligned ? 0 : undefined },
    signal,
  });
  const byTile = new Map<number, Map<number, number>>();
  for (const { row, similarity } of neighbours) {
    const tile = Math.floor(row / headings);
    const bank = byTile.get(tile) ?? new Map<number, number>();
    bank.set(row % headings, similarity);
    byTile.set(tile, bank);
  }
  return [...byTile].map(([tile, bank]) => {
    const [orientation, similarity] = best(bank);
    const bounds = boundsOfTile(region.tiles, tile);
    const headingDeg = (orientation * 360) / headings;
    return { region, tile, centre: centreOf(bounds), bounds, similarity, headingDeg, bank };
  });
}

function best(bank: ReadonlyMap<number, number>): [orientation: number, similarity: number] {
  let top: [number, number] = [0, Number.NEGATIVE_INFINITY];
  for (const [orientation, similarity] of bank) if (similarity > top[1]) top = [orientation, similarity];
  return top;
}

/** Overlapping regions may hold the same tile of ground: the better one stays. */
function withoutTwins(hits: readonly Hit[]): Hit[] {
  const seen = new Set<string>();
  return hits.filter((hit) => {
    const place = toBbox(hit.bounds)
      .map((edge) => edge.toFixed(6))
      .join(',');
    if (seen.has(place)) return false;
    seen.add(place);
    return true;
  });
}
