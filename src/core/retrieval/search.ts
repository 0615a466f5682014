import { type Bounds, centreOf, nearestPoint } from '../geo/bounds.ts';
import { createLocalFrame } from '../geo/local-frame.ts';
import type { Prior } from '../geo/prior.ts';
import { type LonLat, toRad, wrap360 } from '../geo/units.ts';
import type { Hypothesis } from '../inference/manifest.ts';
import type { HeadingProfile } from './heading.ts';
import { boundsOfTile, type Region } from './region.ts';
import { countTiles, withoutTwins } from './shared-ground.ts';
import { partInside, rectangleAround, tilesTouched } from './tile-selection.ts';

/** What is judged of a reference tile that a query was compared with. */
export interface TileMatch {
  readonly bounds: Bounds;
  /** Where the camera stands if the view shows this tile: by the hypothesis that fits best, within what the prior leaves of the tile. */
  readonly centre: LonLat;
  /** Cosine, at the hypothesis and orientation that fit best. */
  readonly similarity: number;
  /** How well each heading fits; only for the best tiles of a query of unknown heading. */
  readonly headings?: HeadingProfile;
}

export interface Hit extends TileMatch {
  readonly region: Region;
  /** Ordinal in the region. */
  readonly tile: number;
  /** Azimuth of the canvas' middle that hypothesis and orientation imply, degrees; 0 for an aligned query. */
  readonly headingDeg: number;
}

/** What a search found. */
export interface Finding<Match extends TileMatch = TileMatch> {
  /** Best first, each tile once; of regions that overlap, each ground once. */
  readonly hits: readonly Match[];
  /** Tiles that competed, also those that are not among the hits; the same ground in two regions is one. */
  readonly searchedTiles: number;
}

export interface Search {
  /** One vector for each of `hypotheses`. */
  readonly query: readonly Float32Array[];
  readonly hypotheses: readonly Hypothesis[];
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

/** The nearest tiles of all scopes together, with their headings where that of the query is unknown. Errors: those of the index. */
export async function searchScopes(scopes: readonly Scope[], search: Search): Promise<Finding<Hit>> {
  const found = await nearestTiles(scopes, search, MAX_HITS);
  return search.aligned ? found : { ...found, hits: await withHeadings(found.hits, search) };
}

/** The nearest `maxHits` tiles of all scopes together. Errors: those of the index. */
export async function nearestTiles(scopes: readonly Scope[], search: Search, maxHits: number): Promise<Finding<Hit>> {
  const found = await Promise.all(scopes.map((scope) => searchOne(scope, search, maxHits)));
  const ranked = found.flat().sort((a, b) => b.similarity - a.similarity);
  return {
    hits: (scopes.length > 1 ? withoutTwins(ranked) : ranked).slice(0, maxHits),
    searchedTiles: await countTiles(scopes, search.signal),
  };
}

async function searchOne(scope: Scope, search: Search, maxHits: number): Promise<Hit[]> {
  const { region, tiles, rectangle } = scope;
  const { headings } = region.manifest;
  const asked = competing(search);
  const found = await region.index.searchGroups(
    asked.map(({ vector }) => vector),
    {
      k: maxHits,
      rowsPerGroup: headings,
      rows: { rowsPerTile: headings, tiles, orientation: search.aligned ? 0 : undefined },
      signal: search.signal,
    },
  );
  return found.flatMap(({ row, similarity, query }): Hit[] => {
    const hypothesis = asked[query]?.hypothesis;
    if (hypothesis === undefined) return [];
    const tile = Math.floor(row / headings);
    const bounds = boundsOfTile(region.tiles, tile);
    const upDeg = ((row % headings) * 360) / headings;
    const centre = nearestPoint(
      rectangle === undefined ? bounds : partInside(bounds, rectangle),
      cameraOf(bounds, hypothesis, upDeg),
    );
    return [{ region, tile, bounds, centre, similarity, headingDeg: wrap360(upDeg + hypothesis.turnDeg) }];
  });
}

/** The hypotheses that are tried: the canvas of an aligned query is turned by nothing. */
function competing({ query, hypotheses, aligned }: Search): { vector: Float32Array; hypothesis: Hypothesis }[] {
  return hypotheses.flatMap((hypothesis, i) => {
    const vector = query[i];
    return vector === undefined || (aligned && hypothesis.turnDeg !== 0) ? [] : [{ vector, hypothesis }];
  });
}

/** Where the camera stands when the tile, with azimuth `upDeg` up, is where the hypothesis has it. */
function cameraOf(bounds: Bounds, { rightM, aheadM }: Hypothesis, upDeg: number): LonLat {
  const [sine, cosine] = [Math.sin(toRad(upDeg)), Math.cos(toRad(upDeg))];
  const frame = createLocalFrame(centreOf(bounds));
  return frame.toLonLat({
    eastM: -(rightM * cosine + aheadM * sine),
    northM: -(aheadM * cosine - rightM * sine),
  });
}

/** Reads how well every heading fits the best tiles. */
async function withHeadings(hits: readonly Hit[], search: Search): Promise<Hit[]> {
  const best = hits.slice(0, BANKS);
  const profiles = new Map<Region, Map<number, HeadingProfile>>();
  for (const region of new Set(best.map((hit) => hit.region))) {
    const tiles = Int32Array.from(
      best.filter((hit) => hit.region === region),
      (hit) => hit.tile,
    );
    profiles.set(region, await profilesOf(region, tiles, search));
  }
  return hits.map((hit) => {
    const headings = profiles.get(hit.region)?.get(hit.tile);
    return headings === undefined ? hit : { ...hit, headings };
  });
}

/** Of each tile the best similarity at every heading that a hypothesis and an orientation make. */
async function profilesOf(
  { index, manifest: { headings } }: Region,
  tiles: Int32Array,
  search: Search,
): Promise<Map<number, HeadingProfile>> {
  const best = new Map<number, Map<number, number>>(Array.from(tiles, (tile) => [tile, new Map()]));
  const options = {
    k: tiles.length * headings,
    rowsPerGroup: 1,
    rows: { rowsPerTile: headings, tiles },
    signal: search.signal,
  };
  const searches = Array.from(
    Map.groupBy(competing(search), ({ hypothesis }) => hypothesis.turnDeg),
    async ([turnDeg, turned]) => {
      const vectors = turned.map(({ vector }) => vector);
      return { turnDeg, found: await index.searchGroups(vectors, options) };
    },
  );
  for (const { turnDeg, found } of await Promise.all(searches)) {
    for (const { row, similarity } of found) {
      const ofTile = best.get(Math.floor(row / headings));
      const headingDeg = wrap360(((row % headings) * 360) / headings + turnDeg);
      if (similarity > (ofTile?.get(headingDeg) ?? Number.NEGATIVE_INFINITY)) ofTile?.set(headingDeg, similarity);
    }
  }
  return new Map(Array.from(best, ([tile, ofTile]) => [tile, profileOf(ofTile)]));
}

function profileOf(similarities: ReadonlyMap<number, number>): HeadingProfile {
  const ascending = [...similarities].sort(([a], [b]) => a - b);
  return {
    headingsDeg: ascending.map(([headingDeg]) => headingDeg),
    similarities: ascending.map(([, similarity]) => similarity),
  };
}
