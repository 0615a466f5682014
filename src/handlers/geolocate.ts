import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import type { Caller } from '../core/accounts/caller.ts';
import type { Prior } from '../core/geo/prior.ts';
import type { Geolocate, GeolocateAnswer, GeolocateRequest } from '../core/geolocate.ts';
import type { Job, Jobs } from '../core/jobs/jobs.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { type Form, type FormLimits, type Hold, onlyImage, withForm } from './form.ts';
import { toFeatureCollection } from './geojson.ts';
import { type FetchImage, type GivenImage, imageOf, rawBody, readImage } from './image.ts';
import { numbersText, numberText } from './query.ts';
import { ACCEPTED, PREFER, preferenceOf, respondAsync } from './respond-async.ts';
import {
  BboxSchema,
  FovSchema,
  HeadingSchema,
  IMAGE_PROBLEMS,
  ImageReferenceSchema,
  type LonLatSchema,
  ModelNameSchema,
  PointSchema,
  PriorSchema,
  problemResponses,
  RegionIdSchema,
} from './schemas.ts';
import { inputOf, submitJob } from './submit-job.ts';
import { invalidInput, jsonPointer, type PointerOf, parseInput } from './validate.ts';

const TopKSchema = z
  .int('must be a whole number')
  .min(1, 'is from 1 to 50')
  .max(50, 'is from 1 to 50')
  .openapi({ description: 'Candidates to list; 5 unless asked' });

const ConfidenceSchema = z
  .number()
  .min(0.01, 'is from 0.01 to 0.999')
  .max(0.999, 'is from 0.01 to 0.999')
  .openapi({ description: 'Probability with which the accuracy radius holds the truth; 0.68 unless asked' });

const optionShape = {
  headingDeg: HeadingSchema.optional(),
  fovDeg: FovSchema.optional(),
  prior: PriorSchema.optional(),
  regions: z
    .array(RegionIdSchema)
    .min(1, 'must name a region; leave it out to search all')
    .max(100, 'may name 100 regions')
    .optional()
    .openapi({ description: 'Search only these regions' }),
  topK: TopKSchema.optional(),
  confidence: ConfidenceSchema.optional(),
};

const OptionsSchema = z.strictObject(optionShape, { error: 'must be a JSON object' }).openapi('GeolocateOptions', {
  description: 'Everything is optional; an unknown option is refused',
  example: { topK: 5 },
});

const JsonSchema = z
  .strictObject({ image: ImageReferenceSchema, ...optionShape }, { error: 'must be a JSON object' })
  .openapi('GeolocateRequest', {
    description: 'The options stand beside the image, or together in `options`',
    example: {
      image: { url: 'https://example.org/photo.jpg' },
      prior: { type: 'circle', center: [0.004, -0.002], radiusM: 300 },
    },
  });

const REGION_IDS = '^[a-z0-9][a-z0-9-]{0,62}(,[a-z0-9][a-z0-9-]{0,62}){0,99}$';

const QuerySchema = z.strictObject({
  headingDeg: numberText(HeadingSchema).optional(),
  fovDeg: numberText(FovSchema).optional(),
  near: numbersText(['lon', 'lat', 'radiusM']).optional(),
  bbox: numbersText(['west', 'south', 'east', 'north']).optional(),
  regions: z
    .string()
    .transform((text) => text.split(',').map((id) => id.trim()))
    .pipe(z.array(RegionIdSchema).max(100, 'may name 100 regions'))
    .optional()
    .openapi({ type: 'string', pattern: REGION_IDS, description: 'Ids separated by commas' }),
  topK: numberText(TopKSchema).optional(),
  confidence: numberText(ConfidenceSchema).optional(),
});

export const AnswerSchema = z
  .object({
    status: z.enum(['matched', 'ambiguous', 'no_match', 'out_of_coverage']).openapi({
      description:
        'matched: this place; ambiguous: several places hold the probability; no_match: none of the searched places; out_of_coverage: no region where the prior points',
    }),
    location: PointSchema.optional().openapi({ description: 'Only when matched or ambiguous' }),
    accuracy: z
      .object({ radiusM: z.number(), confidence: z.number() })
      .optional()
      .openapi({ description: 'The truth lies within radiusM metres with this probability' }),
    heading: z.object({ deg: z.number(), accuracyDeg: z.number() }).optional(),
    probability: z.number(),
    candidates: z.array(
      z
        .object({
          rank: z.int(),
          location: PointSchema,
          probability: z.number(),
          similarity: z.number(),
          tileId: z.string(),
          bounds: BboxSchema,
          regionId: z.string(),
          headingDeg: z.number().optional(),
        })
        .openapi('Candidate'),
    ),
    region: z
      .object({
        id: z.string(),
        version: z.string(),
        attribution: z.string(),
        capturedAt: z.object({ start: z.string(), end: z.string() }).nullable(),
      })
      .optional(),
    model: ModelNameSchema,
    reasons: z.array(z.string()).openapi({
      description:
        'Why the answer deserves less trust: blurry, dark, overexposed, narrow_fov, sky_or_ground_only, default_calibration, …',
    }),
    timingMs: z.object({
      decode: z.number(),
      queue: z.number(),
      inference: z.number(),
      search: z.number(),
      total: z.number(),
    }),
    requestId: z.string(),
  })
  .openapi('GeolocateAnswer');

export type GeolocateBody = z.infer<typeof AnswerSchema>;

/** What a job keeps of an answer: it belongs to no request. */
const ResultSchema = AnswerSchema.omit({ requestId: true });

const FeatureCollectionSchema = z
  .object({ type: z.literal('FeatureCollection'), features: z.array(z.record(z.string(), z.unknown())) })
  .openapi('GeolocateFeatureCollection', {
    description: 'The answer’s members beside `features`: the location, the accuracy circle and the candidates',
  });

const route = createRoute({
  method: 'post',
  path: '/v1/geolocate',
  summary: 'Where was this photo taken?',
  description:
    'Three ways to send the image: its bytes with options in the query string, multipart/form-data with `image` and `options` (JSON), or JSON.',
  tags: ['verbs'],
  request: {
    headers: PREFER,
    query: QuerySchema,
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: z.object({
            image: z.string().openapi({ type: 'string', format: 'binary' }),
            options: OptionsSchema.optional(),
          }),
          encoding: { options: { contentType: 'application/json' } },
        },
        'application/json': { schema: JsonSchema },
        ...rawBody,
      },
    },
  },
  responses: {
    200: {
      description: 'An answer, also when the place was not found',
      content: {
        'application/json': { schema: AnswerSchema },
        'application/geo+json': { schema: FeatureCollectionSchema },
      },
    },
    202: ACCEPTED,
    ...problemResponses(...IMAGE_PROBLEMS, 'UNKNOWN_REGION', 'INFERENCE_FAILED'),
  },
});

export interface GeolocateRouteDeps {
  readonly geolocate: Geolocate;
  readonly jobs: Jobs;
  readonly limits: FormLimits;
  readonly fetchImage: FetchImage;
  /** Told of every answer, for the metrics. */
  readonly onAnswer: (answer: GeolocateAnswer) => void;
}

export function geolocateRoute(app: OpenAPIHono<AppEnv>, deps: GeolocateRouteDeps): void {
  const { limits, jobs, onAnswer } = deps;
  app.openAPIRegistry.registerPath(route);
  app.post(route.path, requireScope('geolocate'), async (c) => {
    const { isAsync, waitS } = preferenceOf(c);
    if (isAsync) {
      const job = await withForm(c, limits, (form) => submit(c, parseForm(form, limits)));
      const answer = ([result]: readonly unknown[]) =>
        send(c, { ...ResultSchema.parse(result), requestId: c.get('requestId') });
      return respondAsync(c, job, { jobs, waitS, answer });
    }
    const answer = await withForm(c, limits, (form, hold) => locate(c, parseForm(form, limits), hold));
    onAnswer(answer);
    return send(c, toBody(answer, c.get('requestId')));
  });

  async function locate(c: Context<AppEnv>, { image, options }: Parsed, hold: Hold): Promise<GeolocateAnswer> {
    const signal = c.get('signal');
    const bytes = await readImage(image, { ...deps, signal, hold });
    return deps.geolocate({
      image: bytes,
      ...options,
      ...within(c.get('caller')),
      signal,
      deadlineMs: c.get('remainingMs')(),
    });
  }

  function submit(c: Context<AppEnv>, { image, options }: Parsed): Promise<Job> {
    const caller = c.get('caller');
    return submitJob(jobs, { tenant: caller.tenant, signal: c.get('signal') }, async (put) => ({
      kind: 'geolocate',
      form: 'single',
      items: [{ input: await inputOf(image, put), options: { ...options, ...within(caller) } }],
    }));
  }
}

/** What a key confines every question to. */
export function within({ regions }: Pick<Caller, 'regions'>): Pick<GeolocateRequest, 'allowedRegions'> {
  return regions === undefined ? {} : { allowedRegions: regions };
}

function send(c: Context<AppEnv>, body: GeolocateBody): Response {
  c.header('vary', 'accept', { append: true });
  c.header('cache-control', 'no-store');
  if (wantsGeoJson(c)) return c.body(JSON.stringify(toFeatureCollection(body)), 200, GEO_JSON);
  return c.json(body, 200);
}

const GEO_JSON = { 'content-type': 'application/geo+json' };

function wantsGeoJson(c: Parameters<typeof accepts>[0]): boolean {
  const supports = ['application/json', 'application/geo+json'];
  return accepts(c, { header: 'Accept', supports, default: 'application/json' }) === 'application/geo+json';
}

/** What a caller may say about a photo. */
export type GeolocateOptions = Omit<GeolocateRequest, 'image' | 'allowedRegions' | 'signal' | 'deadlineMs'>;

export const geolocateOptions = {
  /** Of JSON. Throws INVALID_REQUEST. */
  fromJson(value: unknown, pointerOf: PointerOf): GeolocateOptions {
    return given(parseInput(OptionsSchema, value, pointerOf));
  },

  /** Of text, such as a query string. Throws INVALID_REQUEST. */
  fromText(texts: Readonly<Record<string, string>>, pointerOf: PointerOf = jsonPointer): GeolocateOptions {
    const { near, bbox, ...rest } = parseInput(QuerySchema, texts, pointerOf);
    if (near !== undefined && bbox !== undefined) {
      throw invalidInput([{ detail: 'near and bbox exclude each other', pointer: pointerOf(['bbox']) }]);
    }
    if (near !== undefined) {
      const [lon, lat, radiusM] = near;
      const circle = { type: 'circle', center: [lon, lat], radiusM };
      return given({ ...rest, prior: parseInput(PriorSchema, circle, () => pointerOf(['near'])) });
    }
    if (bbox !== undefined) {
      const box = parseInput(BboxSchema, bbox, () => pointerOf(['bbox']));
      return given({ ...rest, prior: { type: 'bbox', bbox: box } });
    }
    return given(rest);
  },
};

/** The options of one image of a job, as they are stored. */
const ItemSchema = OptionsSchema.extend({ allowedRegions: z.array(RegionIdSchema).optional() });

/** Answers an image of a job. Errors: those of `Geolocate`. */
export async function runGeolocateItem(
  { geolocate, onAnswer }: Pick<GeolocateRouteDeps, 'geolocate' | 'onAnswer'>,
  item: { readonly image: Uint8Array; readonly options: unknown; readonly signal: AbortSignal },
): Promise<z.infer<typeof ResultSchema>> {
  const { allowedRegions: regions, ...options } = ItemSchema.parse(item.options);
  const { image, signal } = item;
  const answer = await geolocate({ image, ...given(options), ...within({ regions }), signal });
  onAnswer(answer);
  return ResultSchema.parse(toBody(answer, ''));
}

interface Parsed {
  readonly image: GivenImage;
  readonly options: GeolocateOptions;
}

function parseForm(form: Form, limits: FormLimits): Parsed {
  switch (form.type) {
    case 'raw':
      return { image: imageOf.bytes(form.image, limits), options: geolocateOptions.fromText(form.query) };
    case 'multipart': {
      const options = geolocateOptions.fromJson(form.options, form.pointerOf);
      return { image: imageOf.bytes(onlyImage(form.images), limits), options };
    }
    case 'json': {
      const { image, ...options } = parseInput(JsonSchema, form.value, form.pointerOf);
      return { image: imageOf.reference(image, limits, '#/image'), options: given(options) };
    }
  }
}

/** Only what was given: an option that is there holds a value. */
function given({
  headingDeg,
  fovDeg,
  prior,
  regions,
  topK,
  confidence,
}: z.infer<typeof OptionsSchema>): GeolocateOptions {
  return {
    ...(headingDeg === undefined ? {} : { headingDeg: headingDeg % 360 }),
    ...(fovDeg === undefined ? {} : { fovDeg }),
    ...(prior === undefined ? {} : { prior: prior satisfies Prior }),
    ...(regions === undefined ? {} : { regions: [...new Set(regions)] }),
    ...(topK === undefined ? {} : { topK }),
    ...(confidence === undefined ? {} : { confidence }),
  };
}

function toBody(answer: GeolocateAnswer, requestId: string): GeolocateBody {
  const { status, location, accuracy, heading, probability, candidates, region, model, reasons, timingMs } = answer;
  return {
    status,
    ...(location === undefined ? {} : { location: pointAt(location) }),
    ...(accuracy === undefined ? {} : { accuracy }),
    ...(heading === undefined ? {} : { heading }),
    probability,
    candidates: candidates.map((candidate) => ({
      rank: candidate.rank,
      location: pointAt(candidate.location),
      probability: candidate.probability,
      similarity: candidate.similarity,
      tileId: candidate.tileId,
      bounds: [candidate.bounds.west, candidate.bounds.south, candidate.bounds.east, candidate.bounds.north],
      regionId: candidate.regionId,
      ...(candidate.headingDeg === undefined ? {} : { headingDeg: candidate.headingDeg }),
    })),
    ...(region === undefined ? {} : { region }),
    model,
    reasons: [...reasons],
    timingMs,
    requestId,
  };
}

/** To about a centimetre. */
function roundDeg(angleDeg: number): number {
  return Math.round(angleDeg * 1e7) / 1e7;
}

function pointAt([lon, lat]: z.infer<typeof LonLatSchema> | readonly [number, number]): GeolocateBody['location'] & {} {
  return { type: 'Point', coordinates: [roundDeg(lon), roundDeg(lat)] };
}

/** The answer's form, for the command line: it prints and reads the same. */
export { AnswerSchema as GeolocateBodySchema, toBody as toGeolocateBody };
