import { visibleRegions } from './accounts/visible-regions.ts';
import { Geo2Error } from './errors.ts';
import { type Bounds, intersects } from './geo/bounds.ts';
import type { Prior } from './geo/prior.ts';
import { angleBetweenDeg, type LonLat, wrap360 } from './geo/units.ts';
import { type GroundQuery, readGroundQuery } from './image/ground-query.ts';
import type { ImageLimits } from './image/limits.ts';
import type { CalibrationProfile } from './inference/manifest.ts';
import type { EmbedTiming, Model } from './inference/model.ts';
import { calibrationFor, judge, type Verdict } from './retrieval/answer.ts';
import type { Place } from './retrieval/posterior.ts';
import type { Region, RegionFacts, RegionSource } from './retrieval/region.ts';
import {
  type Finding,
  type Hit,
  nearestTiles,
  type Scope,
  type Search,
  scopesOf,
  searchScopes,
} from './retrieval/search.ts';
import { rectangleAround } from './retrieval/tile-selection.ts';
import { NO_TRACER, type Tracer } from './tracing/tracer.ts';

export interface GeolocateRequest {
  /** Encoded photo or panorama. */
  readonly image: Uint8Array;
  /** Azimuth of the image's middle, degrees clockwise from north. */
  readonly headingDeg?: number | undefined;
  /** Horizontal field of view in degrees. */
  readonly fovDeg?: number | undefined;
  readonly prior?: Prior | undefined;
  /** Ids; all regions when left out. */
  readonly regions?: readonly string[] | undefined;
  /** The only regions that may be asked for, as if there were no others; undefined is all of them. */
  readonly allowedRegions?: readonly string[] | undefined;
  /** Candidates in the answer, 1..50. */
  readonly topK?: number | undefined;
  /** Of the accuracy radius, 0..1. */
  readonly confidence?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds from now after which the answer is of no use. */
  readonly deadlineMs?: number | undefined;
}

export type GeolocateStatus = 'matched' | 'ambiguous' | 'no_match' | 'out_of_coverage';

export interface GeolocateCandidate {
  /** From 1. */
  readonly rank: number;
  readonly location: LonLat;
  /** Of the place: overlapping tiles are one. */
  readonly probability: number;
  /** Cosine of the place's strongest tile with the query. */
  readonly similarity: number;
  /** The strongest tile. */
  readonly tileId: string;
  readonly bounds: Bounds;
  readonly regionId: string;
  /** Azimuth of the image's middle that fits this tile best; only where the heading was unknown. */
  readonly headingDeg?: number;
}

export interface GeolocateAnswer {
  readonly status: GeolocateStatus;
  /** Location, accuracy and heading: only when matched or ambiguous. */
  readonly location?: LonLat;
  readonly accuracy?: { readonly radiusM: number; readonly confidence: number };
  /** Azimuth of the image's middle, degrees: stated or found. 68 % of the headings found are within its accuracy. */
  readonly heading?: { readonly deg: number; readonly accuracyDeg: number };
  /** Of the best place. */
  readonly probability: number;
  readonly candidates: readonly GeolocateCandidate[];
  /** Where the best place lies. */
  readonly region?: {
    readonly id: string;
    readonly version: string;
    readonly attribution: string;
    readonly capturedAt: { readonly start: string; readonly end: string } | null;
  };
  readonly model: { readonly name: string; readonly version: string };
  /** Why the answer deserves less trust; the image's own reasons first, `default_calibration` last. */
  readonly reasons: readonly string[];
  readonly timingMs: {
    readonly decode: number;
    readonly queue: number;
    readonly inference: number;
    readonly search: number;
    readonly total: number;
  };
}

export interface GeolocateDeps {
  readonly model: Model;
  readonly regions: RegionSource;
  readonly limits: ImageLimits;
  readonly nowMs: () => number;
  readonly tracer?: Tracer | undefined;
}

export type Geolocate = (request: GeolocateRequest) => Promise<GeolocateAnswer>;

const DEFAULT_TOP_K = 5;
const DEFAULT_CONFIDENCE = 0.68;
/** Narrower panoramas are judged as photos are. */
const PANORAMA_MIN_FOV_DEG = 180;
/** Rows of a bank times vectors of the query beyond which a heading is not checked: it would cost more than the answer did. */
const MAX_CONFLICT_PRODUCTS = 1_000_000;
/** When a canvas has reached the model's process: what the event loop does before would hold it up. */
const SENT_AFTER_MS = 2;
/** Of those that fit a query best when its heading is doubted: so many are looked at closely. */
const CONFLICT_TILES = 128;
/** A compass may be off by so much without contradicting anything. */
const MIN_CONFLICT_DEG = 45;

/** A query on its way to an answer: what the image told, and what its embedding found. */
export interface Located extends Finding<Hit> {
  readonly query: Pick<GroundQuery, 'view' | 'headingDeg' | 'reasons'>;
  /** Which numbers of a calibration hold for it. */
  readonly profile: CalibrationProfile;
  readonly timingMs: Omit<GeolocateAnswer['timingMs'], 'total'>;
}

interface Sought extends Located {
  readonly scopes: readonly Scope[];
  /** To be called when nothing more is searched in the regions. */
  readonly release: () => void;
  /** What is searched for; undefined where the prior left nothing to search. */
  readonly sought: Pick<Search, 'query' | 'hypotheses'> | undefined;
}

export type Locate = (request: GeolocateRequest) => Promise<Located>;

/**
 * The first half of `createGeolocate`, without the posterior: what calibration learns from. No hits where the prior touches no
 * region. Errors: those of `createGeolocate`.
 */
export function createLocate(deps: GeolocateDeps): Locate {
  const seek = createSeek(deps);
  return async (request) => {
    const sought = await seek(request);
    sought.release();
    return sought;
  };
}

/**
 * A photo's place: decode and place on the canvas, embed, search what the prior allows, judge. Errors: UNKNOWN_REGION, those of
 * `readGroundQuery`, of the model and of the index.
 */
export function createGeolocate(deps: GeolocateDeps): Geolocate {
  const { nowMs } = deps;
  const { name, version } = deps.model.manifest;
  const seek = createSeek(deps);
  return async (request) => {
    const startedAtMs = nowMs();
    const { topK = DEFAULT_TOP_K, confidence = DEFAULT_CONFIDENCE } = request;
    const sought = await seek(request);
    const judgedAtMs = nowMs();
    const verdict = verdictOf(sought, { confidence, minPlaces: topK });
    const doubts = await doubtsAbout(verdict, sought, request).finally(sought.release);
    const { decode, queue, inference, search } = sought.timingMs;
    return {
      ...answerOf(verdict, sought, { topK, confidence }),
      model: { name, version },
      reasons: [...sought.query.reasons, ...doubts, ...calibrationDoubts(sought)],
      timingMs: { decode, queue, inference, search: search + (nowMs() - judgedAtMs), total: nowMs() - startedAtMs },
    };
  };
}

function createSeek(deps: GeolocateDeps): (request: GeolocateRequest) => Promise<Sought> {
  const { model, regions, limits, nowMs, tracer = NO_TRACER } = deps;
  return async (request) => {
    const startedAtMs = nowMs();
    const { headingDeg, fovDeg, prior, signal } = request;
    const { list } = visibleRegions(regions, { regions: request.allowedRegions });
    const chosen = chooseRegions(list(), request.regions);

    const minFovDeg = model.manifest.geometry.ground.fovDeg.min;
    const query = await tracer.span('decode', () =>
      readGroundQuery(request.image, { limits, headingDeg, fovDeg, minFovDeg, signal }),
    );
    const aligned = query.headingDeg !== undefined;
    const profile = profileOf(query.view, aligned);
    const decodedAtMs = nowMs();

    const { scopes, release } = await holdScopes(chosen, { regions, prior, signal });
    const scopedAtMs = nowMs();
    const found = { query, profile, scopes, release };
    const decode = decodedAtMs - startedAtMs;
    const scoping = scopedAtMs - decodedAtMs;
    if (scopes.length === 0) {
      const timingMs = { decode, queue: 0, inference: 0, search: scoping };
      return { ...found, sought: undefined, hits: [], searchedTiles: 0, timingMs };
    }

    try {
      const { embedding, timing } = await embed(query, request, scopedAtMs - startedAtMs);
      const embeddedAtMs = nowMs();
      const sought = { query: embedding.hypotheses, hypotheses: model.manifest.hypotheses };
      const finding = await tracer.span('search', () => searchScopes(scopes, { ...sought, aligned, signal }), {
        attributes: { 'geo2.regions': scopes.length },
      });
      const search = scoping + nowMs() - embeddedAtMs;
      return {
        ...found,
        ...finding,
        sought,
        timingMs: { decode, queue: timing.queueMs, inference: timing.computeMs, search },
      };
    } catch (error) {
      release();
      throw error;
    }
  };

  async function embed(query: GroundQuery, { signal, deadlineMs }: GeolocateRequest, spentMs: number) {
    let timing: EmbedTiming = { queueMs: 0, computeMs: 0 };
    const embedding = model.embedGround([query.canvas], {
      signal,
      deadlineMs: deadlineMs === undefined ? undefined : deadlineMs - spentMs,
      onTiming: (measured) => {
        timing = measured;
      },
    });
    setTimeout(() => query.reasons, SENT_AFTER_MS); // worked out while the graph runs
    const [found] = await embedding;
    if (found === undefined) throw new Geo2Error('INFERENCE_FAILED', 'The model gave no embedding.');
    return { embedding: found, timing };
  }
}

/** Opens the regions that the prior may touch, and takes from them what it leaves; they stay open until released. */
async function holdScopes(
  chosen: readonly RegionFacts[],
  { regions, prior, signal }: Pick<GeolocateRequest, 'prior' | 'signal'> & Pick<GeolocateDeps, 'regions'>,
): Promise<{ scopes: Scope[]; release: () => void }> {
  const rectangle = prior === undefined ? undefined : rectangleAround(prior);
  const near = chosen.filter(({ bounds }) => rectangle === undefined || intersects(rectangle, bounds));
  const held = await regions.hold(
    near.map(({ id }) => id),
    { signal },
  );
  try {
    return { scopes: await scopesOf(held.regions, prior, signal), release: held.release };
  } catch (error) {
    held.release();
    throw error;
  }
}

function chooseRegions(listed: readonly RegionFacts[], asked: readonly string[] | undefined): readonly RegionFacts[] {
  if (asked === undefined) return listed;
  const known = new Map(listed.map((region) => [region.id, region]));
  const unknown = asked.filter((id) => !known.has(id));
  if (unknown.length > 0) {
    const ids = [...known.keys()].sort();
    throw new Geo2Error(
      'UNKNOWN_REGION',
      `There is no region ${unknown.join(', ')}; ${ids.length === 0 ? 'none is loaded' : `there are ${ids.join(', ')}`}.`,
      { data: { unknown, known: ids } },
    );
  }
  return [...new Set(asked)].flatMap((id) => known.get(id) ?? []);
}

/** Which numbers of the calibration hold for a query; a narrow panorama is judged as a photo. */
export function profileOf(view: GroundQuery['view'], aligned: boolean): CalibrationProfile {
  const isPanorama = view.kind === 'panorama' && view.fovDeg >= PANORAMA_MIN_FOV_DEG;
  if (isPanorama) return aligned ? 'panorama' : 'panorama_unknown_heading';
  return aligned ? 'photo' : 'photo_unknown_heading';
}

/** Judges with the calibration of the region that the best tile is of; undefined when there was nothing to search. */
function verdictOf(
  found: Pick<Located, 'hits' | 'searchedTiles' | 'profile'>,
  options: { confidence: number; minPlaces?: number },
): Verdict | undefined {
  const region = found.hits[0]?.region;
  if (region === undefined) return undefined;
  return judge(found, {
    calibration: calibrationFor(region.calibration, found.profile),
    metresPerTile: region.manifest.metresPerTile,
    headingSigmaDeg: region.calibration.headingSigmaDeg,
    ...options,
  });
}

/** Probability and radius are the model's default where the region that judges was not calibrated on queries of its own. */
function calibrationDoubts({ hits }: Located): string[] {
  const region = hits[0]?.region;
  return region === undefined || region.calibration.fittedOnRegion === region.id ? [] : ['default_calibration'];
}

type Said = Omit<GeolocateAnswer, 'model' | 'reasons' | 'timingMs'>;

function answerOf(
  verdict: Verdict | undefined,
  { hits, query }: Located,
  { topK, confidence }: { topK: number; confidence: number },
): Said {
  const place = verdict?.place;
  if (verdict === undefined || place === undefined)
    return { status: 'out_of_coverage', probability: 0, candidates: [] };
  const said: Said = {
    status: verdict.status,
    probability: place.probability,
    candidates: verdict.posterior.places
      .slice(0, topK)
      .flatMap((listed, index) => candidateOf(hits, listed, { rank: index + 1, query })),
  };
  const region = strongestOf(hits, place)?.region;
  if (verdict.status === 'no_match' || region === undefined) return said;
  return {
    ...said,
    location: place.location,
    accuracy: { radiusM: verdict.radiusM, confidence },
    ...headingOf(query, verdict, region),
    region: aboutRegion(region),
  };
}

/** The heading that was found; or the stated one, which the best place confirms as well as a heading can be found. */
function headingOf(query: Located['query'], { heading }: Verdict, region: Region): Pick<Said, 'heading'> {
  const { headingSigmaDeg } = region.calibration;
  if (query.headingDeg !== undefined) {
    return { heading: { deg: wrap360(query.headingDeg), accuracyDeg: headingSigmaDeg } };
  }
  return heading === undefined ? {} : { heading };
}

function candidateOf(
  hits: readonly Hit[],
  place: Place,
  { rank, query }: { rank: number; query: Located['query'] },
): GeolocateCandidate[] {
  const strongest = strongestOf(hits, place);
  if (strongest === undefined) return [];
  const { region, tile, bounds, similarity, headingDeg } = strongest;
  const tellsHeading = query.headingDeg === undefined && region.manifest.headings > 1;
  return [
    {
      rank,
      location: place.location,
      probability: place.probability,
      similarity,
      tileId: region.tiles.ids[tile] ?? '',
      bounds,
      regionId: region.id,
      ...(tellsHeading ? { headingDeg } : {}),
    },
  ];
}

function strongestOf(hits: readonly Hit[], { members }: Place): Hit | undefined {
  const [first] = members;
  return first === undefined ? undefined : hits[first];
}

function aboutRegion({ id, version, manifest }: Region): NonNullable<Said['region']> {
  return { id, version, attribution: manifest.attribution, capturedAt: manifest.capturedAt };
}

/**
 * What else speaks against an answer that is not `matched`: that several places hold more of the mass than "not here" does, or
 * that they do not (`several_places`, `weak_match`); a bank of one row where the heading is unknown (`heading_needed`); and a
 * stated heading that does not fit (`heading_conflict`).
 */
async function doubtsAbout(verdict: Verdict | undefined, sought: Sought, request: GeolocateRequest): Promise<string[]> {
  if (verdict?.place === undefined || verdict.status === 'matched') return [];
  const { posterior, place } = verdict;
  const elsewhere = 1 - posterior.notHere - place.probability;
  const reasons = [elsewhere > posterior.notHere ? 'several_places' : 'weak_match'];
  const aligned = sought.query.headingDeg !== undefined;
  if (!aligned && sought.scopes.every(({ region }) => region.manifest.headings === 1)) reasons.push('heading_needed');
  if (aligned && (await contradictsHeading(sought, request))) reasons.push('heading_conflict');
  return reasons;
}

/** A heading under which nothing matched is tried without: it contradicts when the query then matches, looking elsewhere. */
async function contradictsHeading(
  { sought, scopes, query }: Sought,
  { signal, confidence = DEFAULT_CONFIDENCE }: GeolocateRequest,
): Promise<boolean> {
  const turnable = scopes.filter(({ region }) => region.manifest.headings > 1);
  const rows = turnable.reduce(
    (sum, { region, tiles }) => sum + tileCountOf(region, tiles) * region.manifest.headings,
    0,
  );
  if (sought === undefined || rows === 0 || rows * sought.query.length > MAX_CONFLICT_PRODUCTS) return false;
  // first by the hypotheses between which only the place differs; then by all of them, where these fit best
  const unturned = sought.hypotheses.flatMap((hypothesis, i) => (hypothesis.turnDeg === 0 ? [i] : []));
  const roughly = {
    query: unturned.flatMap((i) => sought.query[i] ?? []),
    hypotheses: unturned.flatMap((i) => sought.hypotheses[i] ?? []),
  };
  const rough = await nearestTiles(turnable, { ...roughly, aligned: false, signal }, CONFLICT_TILES);
  const likely = narrowed(turnable, rough.hits);
  const { hits } = await searchScopes(likely, { ...sought, aligned: false, signal });
  const { searchedTiles } = rough;
  const turned = verdictOf({ hits, searchedTiles, profile: profileOf(query.view, false) }, { confidence });
  if (turned?.status !== 'matched' || turned.heading === undefined) return false;
  // the canvas is north up by the stated heading: what is found is how far the heading is off
  return angleBetweenDeg(turned.heading.deg, 0) > MIN_CONFLICT_DEG;
}

/** The scopes with nothing left of them but these tiles. */
function narrowed(scopes: readonly Scope[], hits: readonly Hit[]): Scope[] {
  return scopes.flatMap((scope) => {
    const tiles = hits.filter(({ region }) => region === scope.region).map(({ tile }) => tile);
    return tiles.length === 0 ? [] : [{ ...scope, tiles: Int32Array.from(tiles) }];
  });
}

function tileCountOf(region: Region, tiles: Int32Array | undefined): number {
  return tiles?.length ?? region.tiles.count;
}
