import { Geo2Error } from './errors.ts';
import type { Bounds } from './geo/bounds.ts';
import type { Prior } from './geo/prior.ts';
import { type LonLat, wrap360 } from './geo/units.ts';
import { type GroundQuery, readGroundQuery } from './image/ground-query.ts';
import type { ImageLimits } from './image/limits.ts';
import type { CalibrationProfile } from './inference/manifest.ts';
import type { EmbedTiming, Model } from './inference/model.ts';
import { calibrationFor, judge, type Verdict } from './retrieval/answer.ts';
import type { Place } from './retrieval/posterior.ts';
import type { Region, RegionSource } from './retrieval/region.ts';
import { type Hit, type Scope, scopeOf, searchScopes } from './retrieval/search.ts';

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
  /** Azimuth of the image's middle, degrees. */
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
  /** Why the answer deserves less trust; the image's own reasons first. */
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
}

export type Geolocate = (request: GeolocateRequest) => Promise<GeolocateAnswer>;

const DEFAULT_TOP_K = 5;
const DEFAULT_CONFIDENCE = 0.68;
/** Narrower panoramas are judged as photos are. */
const PANORAMA_MIN_FOV_DEG = 180;

/**
 * A photo's place: decode and place on the canvas, embed, search what the prior allows, judge. Errors: UNKNOWN_REGION, those of
 * `readGroundQuery`, of the model and of the index.
 */
export function createGeolocate({ model, regions, limits, nowMs }: GeolocateDeps): Geolocate {
  return async (request) => {
    const startedAtMs = nowMs();
    const { signal, headingDeg, fovDeg, topK = DEFAULT_TOP_K, confidence = DEFAULT_CONFIDENCE } = request;
    const scopes = scopeOf(selectRegions(regions.list(), request.regions), request.prior);

    const minFovDeg = model.manifest.geometry.ground.fovDeg.min;
    const query = await readGroundQuery(request.image, { limits, headingDeg, fovDeg, minFovDeg, signal });
    const decodedAtMs = nowMs();

    const { embedding, timing } = await embed(query, request, decodedAtMs - startedAtMs);
    const embeddedAtMs = nowMs();

    const aligned = query.headingDeg !== undefined;
    const found = await look(scopes, embedding, { query, aligned, confidence, signal });
    const { name, version } = model.manifest;
    return {
      ...answerOf(found, { query, topK, confidence }),
      model: { name, version },
      reasons: [...query.reasons, ...(await doubts(found, scopes, embedding, { query, confidence, signal }))],
      timingMs: {
        decode: decodedAtMs - startedAtMs,
        queue: timing.queueMs,
        inference: timing.computeMs,
        search: nowMs() - embeddedAtMs,
        total: nowMs() - startedAtMs,
      },
    };
  };

  async function embed(query: GroundQuery, { signal, deadlineMs }: GeolocateRequest, spentMs: number) {
    let timing: EmbedTiming = { queueMs: 0, computeMs: 0 };
    const [embedding] = await model.embedGround([query.canvas], {
      signal,
      deadlineMs: deadlineMs === undefined ? undefined : deadlineMs - spentMs,
      onTiming: (measured) => {
        timing = measured;
      },
    });
    if (embedding === undefined) throw new Geo2Error('INFERENCE_FAILED', 'The model gave no embedding.');
    return { embedding, timing };
  }
}

interface Looked {
  readonly hits: readonly Hit[];
  readonly verdict: Verdict;
}

interface LookOptions {
  readonly query: GroundQuery;
  readonly confidence: number;
  readonly signal: AbortSignal | undefined;
}

/** Searches and judges; undefined when there is nothing to search. */
async function look(
  scopes: readonly Scope[],
  embedding: Float32Array,
  { query, aligned, confidence, signal }: LookOptions & { aligned: boolean },
): Promise<Looked | undefined> {
  const hits = await searchScopes(scopes, { query: embedding, aligned, signal });
  const region = hits[0]?.region;
  if (region === undefined) return undefined;
  const { calibration, manifest } = region;
  const verdict = judge(hits, {
    calibration: calibrationFor(calibration, profileOf(query, aligned)),
    metresPerTile: manifest.metresPerTile,
    confidence,
    headings: manifest.headings,
    headingSigmaDeg: calibration.headingSigmaDeg,
  });
  return { hits, verdict };
}

/** Which numbers of the calibration hold for a query. */
export function profileOf(query: Pick<GroundQuery, 'view'>, aligned: boolean): CalibrationProfile {
  const isPanorama = query.view.kind === 'panorama' && query.view.fovDeg >= PANORAMA_MIN_FOV_DEG;
  if (isPanorama) return aligned ? 'panorama' : 'panorama_unknown_heading';
  return aligned ? 'photo' : 'photo_unknown_heading';
}

function selectRegions(listed: readonly Region[], asked: readonly string[] | undefined): readonly Region[] {
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

type Said = Omit<GeolocateAnswer, 'model' | 'reasons' | 'timingMs'>;

function answerOf(
  found: Looked | undefined,
  { query, topK, confidence }: { query: GroundQuery; topK: number; confidence: number },
): Said {
  const place = found?.verdict.place;
  if (found === undefined || place === undefined) return { status: 'out_of_coverage', probability: 0, candidates: [] };
  const { hits, verdict } = found;
  const aligned = query.headingDeg !== undefined;
  const said: Said = {
    status: verdict.status,
    probability: place.probability,
    candidates: verdict.posterior.places
      .slice(0, topK)
      .flatMap((listed, index) => candidateOf(hits, listed, index, aligned)),
  };
  if (verdict.status === 'no_match') return said;
  const region = hits[place.members[0] ?? 0]?.region;
  return {
    ...said,
    location: place.location,
    accuracy: { radiusM: verdict.radiusM, confidence },
    ...headingOf(query, verdict),
    ...(region === undefined ? {} : { region: aboutRegion(region) }),
  };
}

/** The stated heading, or the one that was found; the accuracy of both is the calibration's. */
function headingOf(query: GroundQuery, { heading }: Verdict): Pick<Said, 'heading'> {
  if (heading === undefined) return {};
  if (query.headingDeg === undefined) return { heading };
  return { heading: { deg: wrap360(query.headingDeg), accuracyDeg: heading.accuracyDeg } };
}

function candidateOf(hits: readonly Hit[], place: Place, index: number, aligned: boolean): GeolocateCandidate[] {
  const strongest = hits[place.members[0] ?? -1];
  if (strongest === undefined) return [];
  const { region, tile, bounds, similarity, headingDeg } = strongest;
  return [
    {
      rank: index + 1,
      location: place.location,
      probability: place.probability,
      similarity,
      tileId: region.tiles.ids[tile] ?? '',
      bounds,
      regionId: region.id,
      ...(aligned ? {} : { headingDeg }),
    },
  ];
}

function aboutRegion({ id, version, manifest }: Region): NonNullable<Said['region']> {
  return { id, version, attribution: manifest.attribution, capturedAt: manifest.capturedAt };
}

/** A second place with this share of the first one's probability is worth a word. */
const RIVAL_SHARE = 0.5;

/**
 * What else speaks against the answer. A stated heading that leads nowhere is tried without: when all directions together
 * match, the heading is what does not fit.
 */
async function doubts(
  found: Looked | undefined,
  scopes: readonly Scope[],
  embedding: Float32Array,
  options: LookOptions,
): Promise<string[]> {
  if (found === undefined) return [];
  const { verdict } = found;
  const [first, second] = verdict.posterior.places;
  const reasons: string[] = [];
  if (verdict.status === 'ambiguous' && second !== undefined && first !== undefined) {
    if (second.probability >= RIVAL_SHARE * first.probability) reasons.push('several_places');
  }
  if (verdict.status !== 'matched') reasons.push('weak_match');
  if (verdict.status !== 'matched' && options.query.headingDeg !== undefined) {
    const turned = await look(scopes, embedding, { ...options, aligned: false });
    if (turned?.verdict.status === 'matched') reasons.push('heading_conflict');
  }
  return reasons;
}
