import createClient from 'openapi-fetch';
import { blobOf, type ImageInput, type ImageUrl, isImageUrl } from './image.ts';
import type { RetryOptions } from './retry.ts';
import type {
  Coverage,
  EmbedAnswer,
  EmbedOptions,
  GeolocateAnswer,
  GeolocateOptions,
  paths,
  Ready,
  Region,
  RegionDetail,
} from './schema.ts';
import { type CallOptions, createTransport } from './transport.ts';

export interface Geo2ClientOptions {
  /** Where the service is, for example `https://geo2.example.org`. */
  readonly baseUrl: string;
  /** A key with the scopes of what is called; a service on this machine may need none. */
  readonly apiKey?: string | undefined;
  /** Sends a request; that of the platform unless said. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Of one call with all its tries; 60 s unless said. */
  readonly timeoutMs?: number | undefined;
  readonly retry?: RetryOptions | undefined;
  /** From 0 to 1, for jitter. */
  readonly random?: (() => number) | undefined;
  /** Unguessable; a random UUID unless said. */
  readonly newIdempotencyKey?: (() => string) | undefined;
  readonly nowMs?: (() => number) | undefined;
}

/** An image to embed by its address, with what is known of that one. */
export interface EmbedUrl extends ImageUrl {
  readonly headingDeg?: number;
  readonly fovDeg?: number;
}

/** The client; every call rejects with a `Geo2Error`, or with the reason of the signal that ended it. */
export type Geo2Client = ReturnType<typeof createGeo2Client>;

export function createGeo2Client(options: Geo2ClientOptions) {
  const { apiKey, fetch, timeoutMs = 60_000, retry = {}, random = Math.random } = options;
  const { newIdempotencyKey = () => crypto.randomUUID(), nowMs = Date.now } = options;
  const common = {
    baseUrl: options.baseUrl,
    headers: apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    ...(fetch === undefined ? {} : { fetch }),
  };
  const api = createClient<paths>(common);
  const json = createClient<paths, 'application/json'>(common);
  const { call } = createTransport({ timeoutMs, retry, random, newIdempotencyKey, nowMs });

  return {
    /** Every route with the types of its OpenAPI document, for what has no method here: it neither retries nor throws. */
    api,

    /** Where was this photo taken? `status` says how sure the answer is. */
    async geolocate(
      image: ImageInput,
      asked: GeolocateOptions = {},
      callOptions?: CallOptions,
    ): Promise<GeolocateAnswer> {
      if (isImageUrl(image)) {
        const body = { image: { url: image.url }, ...asked };
        return call((init) => json.POST('/v1/geolocate', { ...init, body }), callOptions);
      }
      const body = { image: await blobOf(image), options: asked };
      return call(
        (init) => json.POST('/v1/geolocate', { ...init, body, bodySerializer: () => formOf([body.image], asked) }),
        callOptions,
      );
    },

    /** Images to vectors of unit length: all by their bytes, or all by their addresses. */
    async embed(
      images: ImageInput | readonly (ImageInput | EmbedUrl)[],
      asked: EmbedOptions,
      callOptions?: CallOptions,
    ): Promise<EmbedAnswer> {
      const listed = isList(images) ? images : [images];
      const urls = listed.filter(isImageUrl);
      if (urls.length > 0) {
        if (urls.length < listed.length) throw new TypeError('Embed either files or URLs in one call, not both.');
        const body = { ...asked, images: urls.map((item) => ({ ...item })) };
        return call((init) => json.POST('/v1/embed', { ...init, body }), callOptions);
      }
      const files = await Promise.all(listed.flatMap((image) => (isImageUrl(image) ? [] : [blobOf(image)])));
      const body = { image: files, options: asked };
      return call(
        (init) => json.POST('/v1/embed', { ...init, body, bodySerializer: () => formOf(files, asked) }),
        callOptions,
      );
    },

    /** Where the service can locate. */
    regions: {
      async list(callOptions?: CallOptions): Promise<Region[]> {
        return (await call((init) => json.GET('/v1/regions', init), callOptions)).regions;
      },
      get(id: string, callOptions?: CallOptions): Promise<RegionDetail> {
        return call((init) => json.GET('/v1/regions/{id}', { ...init, params: { path: { id } } }), callOptions);
      },
    },

    /** The covered ground, as GeoJSON. */
    coverage(callOptions?: CallOptions): Promise<Coverage> {
      return call((init) => api.GET('/v1/coverage', init), callOptions);
    },

    /** Whether requests can be served, with each model and region; also of a service that is not ready. */
    ready(callOptions?: CallOptions): Promise<Ready> {
      return call(async (init) => {
        const { data, error, response } = await json.GET('/v2/health/ready', init);
        if (error === undefined) return { data, response };
        return isReady(error) ? { data: error, response } : { error, response };
      }, callOptions);
    },
  };
}

/** The form that the verbs take; made anew for each try, because what was sent may be used up. */
function formOf(files: readonly Blob[], options: object): FormData {
  const form = new FormData();
  for (const file of files) form.append('image', file, 'image');
  form.append('options', JSON.stringify(options));
  return form;
}

/** What answers in front of the service has another form. */
function isReady(body: object): body is Ready {
  return 'ready' in body && typeof body.ready === 'boolean';
}

function isList<T>(value: T | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
