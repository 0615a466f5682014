import createClient from 'openapi-fetch';
import { type BatchImage, formOfBatch, isImage, listOfBatch } from './batch.ts';
import { formOf, type ImageInput, type ImageUrl, isImageUrl, listOf, splitImages } from './image.ts';
import { createJobWait } from './job-wait.ts';
import { pause, type RetryOptions } from './retry.ts';
import type {
  Coverage,
  CreatedWebhook,
  EmbedAnswer,
  EmbedOptions,
  GeolocateAnswer,
  GeolocateOptions,
  Job,
  JobItem,
  JobList,
  NewWebhook,
  paths,
  Ready,
  Region,
  RegionDetail,
  RotatedSecret,
  SecretRotation,
  SynthesizeAnswer,
  SynthesizeOptions,
  Webhook,
  WebhookDelivery,
} from './schema.ts';
import { type AttemptInit, type CallOptions, createTransport } from './transport.ts';

export interface Geo2ClientOptions {
  /** Where the service is, for example `https://geo2.example.org`. */
  readonly baseUrl: string;
  /** A key with the scopes of what is called; a service on this machine may need none. */
  readonly apiKey?: string | undefined;
  /** Sends a request; that of the platform unless said. */
  readonly fetch?: ((request: Request) => Promise<Response>) | undefined;
  /** Of one call with all its tries; 60 s unless said, ten minutes for a batch. */
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

/** A covered place, which is looked at from the street. */
export interface Place {
  /** Longitude and latitude. */
  readonly location: readonly [number, number];
}

type EmbedInput = ImageInput | readonly (ImageInput | EmbedUrl)[];

/** The client; every call rejects with a `Geo2Error`, or with the reason of the signal that ended it. */
export type Geo2Client = ReturnType<typeof createGeo2Client>;

const UPLOAD_TIMEOUT_MS = 600_000;
/** Images of a batch in one answer. */
const PAGE = 200;
const LATER = { prefer: 'respond-async' };
const FINAL: ReadonlySet<Job['status']> = new Set(['succeeded', 'failed', 'canceled', 'expired']);

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
  const { call, make, tell, open } = createTransport({ timeoutMs, retry, random, newIdempotencyKey, nowMs });

  const wait = createJobWait<Job>({
    get: (id, callOptions) => getJob(id, callOptions),
    isFinal: ({ status }) => FINAL.has(status),
    open: (id, { signal, lastEventId }) => {
      const header = lastEventId === undefined ? {} : { 'last-event-id': lastEventId };
      const params = { path: { id }, header };
      return open((init) => api.GET('/v1/jobs/{id}/events', { ...init, params, parseAs: 'stream' }), { signal });
    },
    random,
    pause,
  });

  function getJob(id: string, callOptions?: CallOptions): Promise<Job> {
    return call((init) => json.GET('/v1/jobs/{id}', { ...init, params: { path: { id } } }), callOptions);
  }

  async function geolocation(image: ImageInput, asked: GeolocateOptions) {
    if (isImageUrl(image)) {
      const body = { image: { url: image.url }, ...asked };
      return (init: AttemptInit) => json.POST('/v1/geolocate', { ...init, body });
    }
    const [file] = await splitImages([image]).files();
    if (file === undefined) throw new TypeError('There is no image.');
    const body = { image: file, options: asked };
    return (init: AttemptInit) =>
      json.POST('/v1/geolocate', { ...init, body, bodySerializer: () => formOf([file], asked) });
  }

  async function embedding(images: EmbedInput, asked: EmbedOptions) {
    const { urls, files } = splitImages(listOf(images));
    if (urls.length > 0) {
      const body = { ...asked, images: urls.map((item) => ({ ...item })) };
      return (init: AttemptInit) => json.POST('/v1/embed', { ...init, body });
    }
    const blobs = await files();
    const body = { image: blobs, options: asked };
    return (init: AttemptInit) => json.POST('/v1/embed', { ...init, body, bodySerializer: () => formOf(blobs, asked) });
  }

  async function view(of: ImageInput | Place, asked: SynthesizeOptions) {
    if (isPlace(of)) {
      const [lon, lat] = of.location;
      const body = { ...asked, location: [lon, lat] };
      return (init: AttemptInit) => json.POST('/v1/synthesize', { ...init, body });
    }
    if (isImageUrl(of)) {
      const body = { ...asked, image: { url: of.url } };
      return (init: AttemptInit) => json.POST('/v1/synthesize', { ...init, body });
    }
    const [file] = await splitImages([of]).files();
    if (file === undefined) throw new TypeError('There is no image.');
    const body = { image: file, options: asked };
    return (init: AttemptInit) =>
      json.POST('/v1/synthesize', { ...init, body, bodySerializer: () => formOf([file], asked) });
  }

  /** A batch of one task: all images by their bytes, or all by their addresses. */
  async function batch<Options extends object>(
    task: 'geolocate' | 'embed',
    images: readonly (ImageInput | BatchImage<Options>)[],
    asked: Partial<Options>,
    callOptions?: CallOptions,
  ): Promise<Job> {
    const items = images.map((item) => (isImage(item) ? { image: item } : item));
    const { urls, files } = splitImages(items.map(({ image }) => image));
    const usual = { timeoutMs: Math.max(timeoutMs, UPLOAD_TIMEOUT_MS), ...callOptions };
    if (urls.length > 0) {
      const body = { task, options: { ...asked }, images: listOfBatch(items) };
      return make((init) => json.POST('/v1/batches', { ...init, body }), usual);
    }
    const blobs = await files();
    const body = { task, image: blobs };
    const bodySerializer = () => formOfBatch(task, { files: blobs, items, options: asked });
    return make((init) => json.POST('/v1/batches', { ...init, body, bodySerializer }), usual);
  }

  return {
    /** Every route with the types of its OpenAPI document, for what has no method here: it neither retries nor throws. */
    api,

    /** Where was this photo taken? `status` says how sure the answer is. */
    async geolocate(
      image: ImageInput,
      asked: GeolocateOptions = {},
      callOptions?: CallOptions,
    ): Promise<GeolocateAnswer> {
      return atOnce(await call(await geolocation(image, asked), callOptions));
    },

    /** Images to vectors of unit length: all by their bytes, or all by their addresses. */
    async embed(images: EmbedInput, asked: EmbedOptions, callOptions?: CallOptions): Promise<EmbedAnswer> {
      return atOnce(await call(await embedding(images, asked), callOptions));
    },

    /** The other view of an image, or the street at a covered place; `pictureOf` of the answer is the file. */
    async synthesize(
      of: ImageInput | Place,
      asked: SynthesizeOptions,
      callOptions?: CallOptions,
    ): Promise<SynthesizeAnswer> {
      return atOnce(await call(await view(of, asked), callOptions));
    },

    /** The same calls, answered by a job: its `result` is what the call would have answered. */
    later: {
      async geolocate(image: ImageInput, asked: GeolocateOptions = {}, callOptions?: CallOptions): Promise<Job> {
        return asJob(await make(preferring(await geolocation(image, asked)), callOptions));
      },
      async embed(images: EmbedInput, asked: EmbedOptions, callOptions?: CallOptions): Promise<Job> {
        return asJob(await make(preferring(await embedding(images, asked)), callOptions));
      },
      async synthesize(of: ImageInput | Place, asked: SynthesizeOptions, callOptions?: CallOptions): Promise<Job> {
        return asJob(await make(preferring(await view(of, asked)), callOptions));
      },
    },

    /** Up to 1,000 images in one call, answered by a job; the options hold for each image that has none of its own. */
    batches: {
      geolocate: (
        images: readonly (ImageInput | BatchImage<GeolocateOptions>)[],
        asked: GeolocateOptions = {},
        callOptions?: CallOptions,
      ) => batch('geolocate', images, asked, callOptions),
      embed: (
        images: readonly (ImageInput | BatchImage<Partial<EmbedOptions>>)[],
        asked: EmbedOptions,
        callOptions?: CallOptions,
      ) => batch('embed', images, asked, callOptions),
    },

    jobs: {
      /** How it stands, with the first 100 results of a batch. */
      get: getJob,
      /** Newest first, without results; `cursor` is that of an earlier page's `next`. */
      list(page: { limit?: number; cursor?: string } = {}, callOptions?: CallOptions): Promise<JobList> {
        return call((init) => json.GET('/v1/jobs', { ...init, params: { query: page } }), callOptions);
      },
      /** Stops it; what has ended otherwise rejects with `JOB_ENDED`. */
      cancel(id: string, callOptions?: CallOptions): Promise<Job> {
        return call((init) => json.DELETE('/v1/jobs/{id}', { ...init, params: { path: { id } } }), callOptions);
      },
      /** What there is of each image of a batch, in their order. */
      async *items(id: string, callOptions?: CallOptions): AsyncGenerator<JobItem, void, void> {
        for (let from = 0; ; from += PAGE) {
          const params = { path: { id }, query: { from, limit: PAGE } };
          const { form, result } = await call((init) => json.GET('/v1/jobs/{id}', { ...init, params }), callOptions);
          if (form !== 'batch' || !isBatchResult(result)) return;
          yield* result.items;
          if (result.next === undefined) return;
        }
      },
      ...wait,
    },

    /** Be told of events; what comes is checked with `verifyWebhook` of `geo2-client/webhooks`. */
    webhooks: {
      /** Its answer alone holds the secret: keep it. */
      create(webhook: NewWebhook, callOptions?: CallOptions): Promise<CreatedWebhook> {
        return make((init) => json.POST('/v1/webhooks', { ...init, body: webhook }), callOptions);
      },
      async list(callOptions?: CallOptions): Promise<Webhook[]> {
        return (await call((init) => json.GET('/v1/webhooks', init), callOptions)).webhooks;
      },
      /** The old secret signs, too, for `graceS` seconds; a day unless said. */
      rotateSecret(id: string, asked: SecretRotation = {}, callOptions?: CallOptions): Promise<RotatedSecret> {
        const request = { params: { path: { id } }, body: asked };
        return make((init) => json.POST('/v1/webhooks/{id}/rotate-secret', { ...init, ...request }), callOptions);
      },
      /** Sends an event of the type `webhook.test` to it. */
      test(id: string, callOptions?: CallOptions): Promise<WebhookDelivery> {
        return make((init) => json.POST('/v1/webhooks/{id}/test', { ...init, params: { path: { id } } }), callOptions);
      },
      delete(id: string, callOptions?: CallOptions): Promise<void> {
        return tell((init) => json.DELETE('/v1/webhooks/{id}', { ...init, params: { path: { id } } }), callOptions);
      },
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

function isPlace(of: ImageInput | Place): of is Place {
  return typeof of === 'object' && 'location' in of;
}

/** The picture of an answer as a file, marked as synthetic. */
export function pictureOf({ image: { base64, mediaType } }: SynthesizeAnswer): Blob {
  return new Blob([Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))], { type: mediaType });
}

function preferring<T>(attempt: (init: AttemptInit) => T): (init: AttemptInit) => T {
  return ({ headers, ...init }) => attempt({ ...init, headers: { ...headers, ...LATER } });
}

function atOnce<T extends object>(answer: T | Job): T {
  if (isJob(answer)) throw new TypeError('The service answered by a job, which nobody asked for.');
  return answer;
}

function asJob(answer: object): Job {
  if (isJob(answer)) return answer;
  throw new TypeError('The service answered at once: the key may have no jobs (scope jobs).');
}

function isJob(answer: object): answer is Job {
  return 'progress' in answer && 'id' in answer && 'expiresAt' in answer;
}

function isBatchResult(result: Job['result']): result is { items: JobItem[]; next?: string } {
  return result !== undefined && Array.isArray(result.items);
}

/** What answers in front of the service has another form. */
function isReady(body: object): body is Ready {
  return 'ready' in body && typeof body.ready === 'boolean';
}
