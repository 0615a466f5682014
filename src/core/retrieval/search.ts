import { type Bounds, centreOf, toBbox } from '../geo/bounds.ts';
import type { Prior } from '../geo/prior.ts';
import type { LonLat } from '../geo/units.ts';
import { boundsOfTile, type Region } from './region.ts';
import { partInside, rectangleAround, tilesTouched } from './tile-selection.ts';

/** What is judged of a reference tile that a query was compared with. */
export interface TileMatch {
  readonly bounds: Bounds;
  /** Middle of the tile, or of that part of it where the prior may lie. */
  readonly centre: LonLat;
  /** Cosine, at the orientation that fits best. */
  readonly similarity: number;
  /** Similarity of each orientation, R of them; only for the best tiles of a query of unknown heading. */
  readonly bank?: Float32Array;
}

export interface Hit extends TileMatch {
  readonly region: Region;
  /** Ordinal in the region. */
  readonly tile: number;
  /** Azimuth of the canvas' middle that the best orientation implies, degrees; 0 for an aligned query. */
  readonly headingDeg: number;
}

/** What a search found. */
export interface Finding<Match extends TileMatch = TileMatch> {
  /** Best first, each tile once. */
  readonly hits: readonly Match[];
  /** Tiles that competed, also those that are not among the hits. */
  readonly searchedTiles: number;
}

export interface Search {
  readonly query: Float32Array;
  /** Whether the canvas is north up: then one orientation is searched, otherwise all. */
  readonly aligned: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A region, and the part of it that the prior allows. */
export interface Scope {
  readonly region: Region;
  /** Ordinals; undefined: all. */
  readonly tiles?: Int32Array | undefined;
  /** Holds everything that the prior allows; undefined: there is none. */
  readonly rectangle?: Bounds | undefined;
}

/** Tiles that a search lists. What is beyond them has less weight than the last one has, and that is next to none. */
const MAX_HITS = 256;
/** Rows asked for to find so many tiles when each has several orientations. */
const ROWS_PER_HIT = 4;
/** Tiles whose whole bank is read; a place has at most nine tiles that overlap its strongest by half. */
const BANKS = 16;

/** What the prior leaves of the regions; empty when it touches none. CANCELED. */
export async function scopesOf(
  regions: readonly Region[],
  prior: Prior | undefined,
  signal?: AbortSignal,
): Promise<Scope[]> {
  if (prior === undefined) return regions.map((region) => ({ region }));
  const scopes: Scope[] = [];
  for (const region of regions) {
    const tiles = await tilesTouched(region, prior, signal);
    if (tiles?.length !== 0) scopes.push({ region, tiles, rectangle: rectangleAround(prior) });
  }
  return scopes;
}

/** The nearest tiles of all scopes together. Errors: those of the index. */
export async function searchScopes(scopes: readonly Scope[], search: Search): Promise<Finding<Hit>> {
  const found = await Promise.all(scopes.map((scope) => searchOne(scope, search)));
  const ranked = found.flat().sort((a, b) => b.similarity - a.similarity);
  const hits = (scopes.length > 1 ? withoutTwins(ranked) : ranked).slice(0, MAX_HITS);
  return {
    hits: search.aligned ? hits : await withBanks(hits, search),
    searchedTiles: scopes.reduce((sum, { region, tiles }) => sum + (tiles?.length ?? region.tiles.count), 0),
  };
}

async function searchOne({ region, tiles, rectangle }: Scope, { query, aligned, signal }: Search): Promise<Hit[]> {
  const { headings } = region.manifest;
  const neighbours = await region.index.search(query, {
    k: aligned ? MAX_HITS : MAX_HITS * Math.min(headings, ROWS_PER_HIT),
    rows: { rowsPerTile: headings, tiles, orientation: aligned ? 0 : undefined },
    signal,
  });
  const hits = new Map<number, Hit>();
  for (const { row, similarity } of neighbours) {
    const tile = Math.floor(row / headings);
    if (hits.has(tile)) continue; // neighbours come best first: this one is turned worse
    const bounds = boundsOfTile(region.tiles, tile);
    const centre = centreOf(rectangle === undefined ? bounds : partInside(bounds, rectangle));
    hits.set(tile, { region, tile, bounds, centre, similarity, headingDeg: ((row % headings) * 360) / headings });
  }
  return [...hits.values()];
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

/** Reads every orientation of the best tiles. */
async function withBanks(hits: readonly Hit[], { query, signal }: Search): Promise<Hit[]> {
  const best = hits.slice(0, BANKS);
  const banks = new Map<Region, Map<number, Float32Array>>();
  for (const region of new Set(best.map((hit) => hit.region))) {
    const tiles = Int32Array.from(
      best.filter((hit) => hit.region === region),
      (hit) => hit.tile,
    );
    banks.set(region, await banksOf(region, tiles, { query, signal }));
  }
  return hits.map((hit) => {
    const bank = banks.get(hit.region)?.get(hit.tile);
    return bank === undefined ? hit : { ...hit, bank };
  });
}

async function banksOf(
  { index, manifest: { headings } }: Region,
  tiles: Int32Array,
  { query, signal }: Pick<Search, 'query' | 'signal'>,
): Promise<Map<number, Float32Array>> {
  const banks = new Map<number, Float32Array>(Array.from(tiles, (tile) => [tile, new Float32Array(headings)]));
  const rows = { rowsPerTile: headings, tiles };
  for (const { row, similarity } of await index.search(query, { k: tiles.length * headings, rows, signal })) {
    banks.get(Math.floor(row / headings))?.set([similarity], row % headings);
  }
  return banks;
}
