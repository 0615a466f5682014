import type { Caller } from './accounts/caller.ts';
import { visibleRegions } from './accounts/visible-regions.ts';
import { canceled, Geo2Error, throwIfCanceled } from './errors.ts';
import { type LonLat, wrap360 } from './geo/units.ts';
import { decodeImage } from './image/decode.ts';
import { encodeSynthetic } from './image/encode.ts';
import { FULL_RESOLUTION_LIMITS } from './image/limits.ts';
import { lookInto } from './image/look.ts';
import type { Model } from './inference/model.ts';
import { withRegionAt } from './regions/place-imagery.ts';
import type { RegionSource } from './retrieval/region.ts';
import type { BoundedCache } from './storage/bounded-cache.ts';
import { noSynthesis, type Synthesize } from './synthesize.ts';

/** What a person would see who stands at a covered place. */
export interface PreviewQuery {
  readonly location: LonLat;
  readonly headingDeg: number;
  readonly fovDeg: number;
}

/** A preview that never changes: everything that it depends on is in its name. */
export interface PreviewName {
  /** `geo2-mini@1.0.0` */
  readonly model: string;
  /** `null-island-demo@seed-77` */
  readonly region: string;
  /** `lon,lat,heading,fov`, rounded: 5 decimals (about a metre), whole degrees. */
  readonly view: string;
}

export interface Previews {
  /** Errors: NO_SYNTHESIS, OUT_OF_COVERAGE, MODEL_UNAVAILABLE while regions are being loaded. */
  nameOf(
    query: PreviewQuery,
    caller: Pick<Caller, 'regions'>,
    options: { readonly signal: AbortSignal },
  ): Promise<PreviewName>;
  /**
   * The picture (WebP, 4:3), kept or made now; undefined for a name that `nameOf` does not give for the model and regions in use.
   * Errors: those of `Synthesize`.
   */
  get(
    name: PreviewName,
    caller: Pick<Caller, 'regions'>,
    options: { readonly signal: AbortSignal },
  ): Promise<Uint8Array | undefined>;
}

export interface PreviewsDeps {
  readonly model: Pick<Model, 'manifest'>;
  readonly regions: RegionSource;
  readonly areRegionsLoading: () => boolean;
  readonly synthesize: Synthesize;
  readonly cache: BoundedCache;
}

const WIDTH_PX = 384;
/** A panorama is made to its end although nobody waits: it is kept for whoever looks round there next. */
const MAKE_WITHIN_MS = 60_000;

export function createPreviews(deps: PreviewsDeps): Previews {
  const { model, regions, areRegionsLoading, synthesize, cache } = deps;
  /** Panoramas that are being made: to turn round is to ask for the same one again and again. */
  const making = new Map<string, Promise<Uint8Array>>();

  const nameOf: Previews['nameOf'] = async (query, caller, { signal }) => {
    const { name, version, latent } = model.manifest; // another model may come into use
    if (latent === null) throw noSynthesis(`${name} ${version}`);
    if (areRegionsLoading()) {
      throw new Geo2Error('MODEL_UNAVAILABLE', 'The regions are being loaded.', { data: { retryAfterS: 1 } });
    }
    const rounded = roundedQuery(query);
    const { location } = rounded;
    return withRegionAt(visibleRegions(regions, caller), { location, signal }, async ({ id, version: ofRegion }) => ({
      model: `${name}@${version}`,
      region: `${id}@${ofRegion}`,
      view: viewText(rounded),
    }));
  };

  async function panorama(key: string, location: LonLat): Promise<Uint8Array> {
    const kept = await cache.get(key);
    if (kept !== undefined) return kept;
    const source = { type: 'location', location } as const;
    const made = await synthesize({
      direction: 'satellite_to_ground',
      source,
      format: 'png',
      deadlineMs: MAKE_WITHIN_MS,
      signal: AbortSignal.timeout(MAKE_WITHIN_MS),
    });
    await cache.put(key, made.image.bytes);
    return made.image.bytes;
  }

  return {
    nameOf,

    async get(asked, caller, { signal }) {
      const query = queryOf(asked.view);
      if (query === undefined) return undefined;
      const { name, version } = model.manifest;
      const current = await nameOf(query, caller, { signal });
      if (current.model !== asked.model || current.region !== asked.region || current.view !== asked.view)
        return undefined;

      const { location, headingDeg, fovDeg } = query;
      const place = `${asked.model}/${asked.region}/at_${location[0]}_${location[1]}`;
      const key = `${place}/${headingDeg}_${fovDeg}.webp`;
      const kept = await cache.get(key, { signal });
      if (kept !== undefined) return kept;

      const all = `${place}/all.png`;
      const being = making.get(all) ?? panorama(all, location).finally(() => making.delete(all));
      making.set(all, being);
      const pixels = await decodeImage(await unlessAborted(being, signal), FULL_RESOLUTION_LIMITS, { signal });
      const look = lookInto(pixels, { headingDeg, fovDeg, widthPx: WIDTH_PX });
      // without a time of making: the same name is the same bytes
      const picture = await encodeSynthetic(look, { format: 'webp', mark: { model: { name, version } } });
      await cache.put(key, picture);
      return picture;
    },
  };
}

function roundedQuery({ location: [lon, lat], headingDeg, fovDeg }: PreviewQuery): PreviewQuery {
  return {
    location: [rounded(lon), rounded(lat)],
    headingDeg: wrap360(Math.round(headingDeg)),
    fovDeg: Math.round(fovDeg),
  };
}

/** To about a metre; never -0. */
function rounded(angleDeg: number): number {
  return Math.round(angleDeg * 1e5) / 1e5 + 0;
}

function viewText({ location: [lon, lat], headingDeg, fovDeg }: PreviewQuery): string {
  return `${lon.toFixed(5)},${lat.toFixed(5)},${headingDeg},${fovDeg}`;
}

/** Undefined for what `viewText` would write otherwise. */
function queryOf(view: string): PreviewQuery | undefined {
  const [, lon, lat, headingDeg, fovDeg] =
    /^(-?\d{1,3}\.\d{5}),(-?\d{1,2}\.\d{5}),(\d{1,3}),(\d{1,3})$/.exec(view) ?? [];
  if (lon === undefined) return undefined;
  const query = roundedQuery({
    location: [Number(lon), Number(lat)],
    headingDeg: Number(headingDeg),
    fovDeg: Number(fovDeg),
  });
  return viewText(query) === view ? query : undefined;
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  throwIfCanceled(signal);
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(canceled(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
