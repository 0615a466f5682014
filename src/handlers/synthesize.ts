import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { accepts } from 'hono/accepts';
import { SYNTHETIC_SOURCE_TYPE } from '../core/image/encode.ts';
import { MAX_LOOK_FOV_DEG, MIN_LOOK_FOV_DEG } from '../core/image/look.ts';
import { SOLVER_NAMES } from '../core/inference/manifest.ts';
import type { Model } from '../core/inference/model.ts';
import type { Job, Jobs } from '../core/jobs/jobs.ts';
import { DIRECTIONS } from '../core/synthesis/flow.ts';
import { noSynthesis, type Synthesize, type SynthesizeAnswer, type SynthesizeRequest } from '../core/synthesize.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { type Form, type FormLimits, type Hold, onlyImage, withForm } from './form.ts';
import { within } from './geolocate.ts';
import { type FetchImage, type GivenImage, imageOf, rawBody, readImage } from './image.ts';
import type { FieldError } from './problems.ts';
import { numberText } from './query.ts';
import { ACCEPTED, PREFER, preferenceOf, respondAsync } from './respond-async.ts';
import {
  FovSchema,
  HeadingSchema,
  IMAGE_PROBLEMS,
  ImageReferenceSchema,
  LonLatSchema,
  ModelNameSchema,
  problemResponses,
  RegionIdSchema,
} from './schemas.ts';
import { inputOf, submitJob } from './submit-job.ts';
import { invalidInput, jsonPointer, type PointerOf, parseInput } from './validate.ts';

const FORMATS = ['webp', 'png', 'jpeg'] as const;
const MEDIA_TYPES = { webp: 'image/webp', png: 'image/png', jpeg: 'image/jpeg' } as const;

const DirectionSchema = z
  .enum(DIRECTIONS, { error: `must be ${DIRECTIONS.join(' or ')}` })
  .openapi({ description: 'Which view is given, and which is made of it' });

const StepsSchema = z
  .int('must be a whole number')
  .min(1, 'is from 1 to 100')
  .max(100, 'is from 1 to 100')
  .openapi({ description: 'Of the solver: more are slower and closer to the exact way. The model’s own unless asked' });

const SolverSchema = z
  .enum(SOLVER_NAMES, { error: `must be ${SOLVER_NAMES.join(', ')}` })
  .openapi({ description: 'How the flow is followed; dopri5 chooses its steps itself. The model’s own unless asked' });

const WidthSchema = z
  .int('must be a whole number')
  .min(64, 'is from 64 to 1024 px')
  .max(1024, 'is from 64 to 1024 px')
  .openapi({ description: 'Of the picture. A tile is square, a panorama 4:1, a perspective 4:3' });

const GroundSizeSchema = z
  .number({ error: 'must be metres' })
  .min(1, 'is from 1 to 100000 m')
  .max(100_000, 'is from 1 to 100000 m')
  .openapi({ description: 'What the shorter side of an aerial image measures; a tile of the model unless told' });

const FormatSchema = z
  .enum(FORMATS, { error: `must be ${FORMATS.join(', ')}` })
  .openapi({ description: 'Of the picture in a JSON answer; webp unless asked' });

const optionShape = {
  direction: DirectionSchema,
  headingDeg: HeadingSchema.optional().openapi({
    description:
      'ground_to_satellite: azimuth of the photo’s middle. satellite_to_ground: where the picture looks; 0 unless asked',
  }),
  fovDeg: FovSchema.optional().openapi({
    description: `ground_to_satellite: of the photo. satellite_to_ground: of a perspective picture, ${MIN_LOOK_FOV_DEG} to ${MAX_LOOK_FOV_DEG}; the panorama (360) unless asked`,
  }),
  groundSizeM: GroundSizeSchema.optional(),
  steps: StepsSchema.optional(),
  solver: SolverSchema.optional(),
  widthPx: WidthSchema.optional(),
  format: FormatSchema.optional(),
};

const OptionsSchema = z
  .strictObject(optionShape, { error: 'must be a JSON object' })
  .openapi('SynthesizeOptions', { example: { direction: 'ground_to_satellite' } });

const JsonSchema = z
  .strictObject(
    {
      image: ImageReferenceSchema.optional(),
      location: LonLatSchema.optional(),
      ...optionShape,
    },
    { error: 'must be a JSON object' },
  )
  .refine(({ image, location }) => (image === undefined) !== (location === undefined), {
    error: 'needs either image or location, and not both',
  })
  .openapi('SynthesizeRequest', {
    oneOf: [{ required: ['image'] }, { required: ['location'] }],
    description: 'location: [longitude, latitude] in a covered area, for satellite_to_ground',
    example: { direction: 'satellite_to_ground', location: [0.001, 0.002], headingDeg: 90, fovDeg: 90 },
  });

const QuerySchema = z.strictObject({
  direction: DirectionSchema,
  headingDeg: numberText(HeadingSchema).optional(),
  fovDeg: numberText(FovSchema).optional(),
  groundSizeM: numberText(GroundSizeSchema).optional(),
  steps: numberText(StepsSchema).optional(),
  solver: SolverSchema.optional(),
  widthPx: numberText(WidthSchema).optional(),
  format: FormatSchema.optional(),
});

const AnswerSchema = z
  .object({
    direction: DirectionSchema,
    image: z.object({
      mediaType: z.enum(['image/webp', 'image/png', 'image/jpeg']),
      base64: z
        .string()
        .openapi({ format: 'byte', description: 'The file’s bytes; its XMP says that it is synthetic' }),
      kind: z.enum(['tile', 'panorama', 'perspective']),
      widthPx: z.int(),
      heightPx: z.int(),
      headingDeg: z.number().optional().openapi({
        description:
          'Azimuth of the middle of a ground picture, of what is up in a tile; left out where nothing told it',
      }),
      fovDeg: z.number().optional().openapi({ description: 'Of a ground picture' }),
      groundSizeM: z.number().optional().openapi({ description: 'What the side of a tile measures' }),
    }),
    consistency: z.number().openapi({ description: 'Cosine of the new view’s embedding with the source’s' }),
    reasons: z.array(z.string()).openapi({ description: 'Why the answer deserves less trust' }),
    model: ModelNameSchema,
    solver: z.object({
      name: SolverSchema,
      steps: z.int(),
      evaluations: z.int().openapi({ description: 'Of the velocity' }),
    }),
    region: z
      .object({ id: z.string(), version: z.string(), attribution: z.string() })
      .optional()
      .openapi({ description: 'Whose imagery was read, where a location was given' }),
    provenance: z
      .object({
        synthetic: z.literal(true),
        digitalSourceType: z.string(),
        generator: z.string(),
        source: z.enum(['image', 'location']),
        createdAt: z.string().openapi({ format: 'date-time' }),
      })
      .openapi({ description: 'What has to be told wherever the picture is shown; words of C2PA and IPTC' }),
    timingMs: z.object({
      decode: z.number(),
      queue: z.number(),
      inference: z.number(),
      encode: z.number(),
      total: z.number(),
    }),
    requestId: z.string(),
  })
  .openapi('SynthesizeAnswer');

type SynthesizeBody = z.infer<typeof AnswerSchema>;

/** What a job keeps of an answer: it belongs to no request. */
const ResultSchema = AnswerSchema.omit({ requestId: true });

const binary = { schema: z.string().openapi({ type: 'string', format: 'binary' }) };

const route = createRoute({
  method: 'post',
  path: '/v1/synthesize',
  summary: 'The other view of a place: from above what a photo shows, from the street what imagery shows',
  description:
    'Of an image, in the three ways of geolocate, or of a covered `location` (JSON). `Accept: image/webp`, `image/png` or `image/jpeg` gives the picture itself. Every picture is marked as synthetic.',
  tags: ['verbs'],
  request: {
    headers: PREFER,
    query: QuerySchema.partial(),
    body: {
      required: true,
      content: {
        'multipart/form-data': {
          schema: z.object({ image: z.string().openapi({ type: 'string', format: 'binary' }), options: OptionsSchema }),
          encoding: { options: { contentType: 'application/json' } },
        },
        'application/json': { schema: JsonSchema },
        ...rawBody,
      },
    },
  },
  responses: {
    200: {
      description: 'The picture',
      content: {
        'application/json': { schema: AnswerSchema },
        'image/webp': binary,
        'image/png': binary,
        'image/jpeg': binary,
      },
    },
    202: ACCEPTED,
    ...problemResponses(...IMAGE_PROBLEMS, 'OUT_OF_COVERAGE', 'NO_SYNTHESIS', 'INFERENCE_FAILED'),
  },
});

export interface SynthesizeRouteDeps {
  readonly model: Pick<Model, 'manifest'>;
  readonly synthesize: Synthesize;
  readonly jobs: Jobs;
  readonly limits: FormLimits;
  readonly fetchImage: FetchImage;
}

export function synthesizeRoute(app: OpenAPIHono<AppEnv>, deps: SynthesizeRouteDeps): void {
  const { model, limits, jobs } = deps;
  app.openAPIRegistry.registerPath(route);
  app.post(route.path, requireScope('synthesize'), async (c) => {
    checkSynthesis(model);
    const { isAsync, waitS } = preferenceOf(c);
    if (isAsync) {
      const job = await withForm(c, limits, (form) => submit(c, parseForm(form, limits)));
      const answer = ([result]: readonly unknown[]) =>
        send(c, { ...ResultSchema.parse(result), requestId: c.get('requestId') });
      return respondAsync(c, job, { jobs, waitS, answer });
    }
    const answer = await withForm(c, limits, (form, hold) => make(c, parseForm(form, limits), hold));
    return send(c, toBody(answer, c.get('requestId')));
  });

  async function make(c: Context<AppEnv>, { from, options }: Parsed, hold: Hold): Promise<SynthesizeAnswer> {
    const signal = c.get('signal');
    const source: SynthesizeRequest['source'] =
      from.type === 'location' ? from : { type: 'image', bytes: await readImage(from, { ...deps, signal, hold }) };
    const format = wantedFormat(c) ?? options.format;
    return deps.synthesize({
      ...options,
      ...(format === undefined ? {} : { format }),
      source,
      ...within(c.get('caller')),
      signal,
      deadlineMs: c.get('remainingMs')(),
    });
  }

  function submit(c: Context<AppEnv>, { from, options }: Parsed): Promise<Job> {
    const caller = c.get('caller');
    const format = wantedFormat(c) ?? options.format;
    return submitJob(jobs, { tenant: caller.tenant, signal: c.get('signal') }, async (put) => ({
      kind: 'synthesize',
      form: 'single',
      items: [
        {
          input: from.type === 'location' ? { type: 'none' } : await inputOf(from, put),
          options: {
            ...options,
            ...(format === undefined ? {} : { format }),
            ...(from.type === 'location' ? { location: from.location } : {}),
            ...within(caller),
          },
        },
      ],
    }));
  }
}

/** Throws NO_SYNTHESIS for a model that makes no views. */
export function checkSynthesis({ manifest }: Pick<Model, 'manifest'>): void {
  if (manifest.latent === null) throw noSynthesis(`${manifest.name} ${manifest.version}`);
}

/** The picture itself, or what is told of it. */
function send(c: Context<AppEnv>, body: SynthesizeBody): Response {
  c.set('answerHoldsImage', true);
  c.header('vary', 'accept', { append: true });
  c.header('cache-control', 'no-store');
  if (wantedFormat(c) === undefined) return c.json(body, 200);
  return c.body(new Uint8Array(Buffer.from(body.image.base64, 'base64')), 200, {
    'content-type': body.image.mediaType,
  });
}

/** The format of the picture that is wanted instead of JSON. */
function wantedFormat(c: Context<AppEnv>): SynthesizeRequest['format'] {
  const supports = ['application/json', ...Object.values(MEDIA_TYPES)];
  const mediaType = accepts(c, { header: 'Accept', supports, default: 'application/json' });
  return FORMATS.find((format) => MEDIA_TYPES[format] === mediaType);
}

/** What a caller may say about a view to be made. */
export type SynthesizeOptions = Omit<
  SynthesizeRequest,
  'source' | 'allowedRegions' | 'signal' | 'deadlineMs' | 'onStep'
>;

export const synthesizeOptions = {
  /** Of JSON. Throws INVALID_REQUEST. */
  fromJson(value: unknown, pointerOf: PointerOf): SynthesizeOptions {
    return given(parseInput(OptionsSchema, value, pointerOf), pointerOf);
  },

  /** Of text, such as a query string. Throws INVALID_REQUEST. */
  fromText(texts: Readonly<Record<string, string>>, pointerOf: PointerOf = jsonPointer): SynthesizeOptions {
    return given(parseInput(QuerySchema, texts, pointerOf), pointerOf);
  },
};

/** The options of one view of a job, as they are stored. */
const ItemSchema = OptionsSchema.extend({
  location: LonLatSchema.optional(),
  allowedRegions: z.array(RegionIdSchema).optional(),
});

/** Makes a view of a job; `image` is undefined where the options have a location. Errors: those of `Synthesize`. */
export async function runSynthesizeItem(
  { synthesize }: Pick<SynthesizeRouteDeps, 'synthesize'>,
  item: {
    readonly image: Uint8Array | undefined;
    readonly options: unknown;
    readonly signal: AbortSignal;
    readonly onStep: SynthesizeRequest['onStep'];
  },
): Promise<z.infer<typeof ResultSchema>> {
  const { location, allowedRegions: regions, ...options } = ItemSchema.parse(item.options);
  const source: SynthesizeRequest['source'] =
    location === undefined ? { type: 'image', bytes: item.image ?? new Uint8Array(0) } : { type: 'location', location };
  const answer = await synthesize({
    ...given(options, jsonPointer),
    source,
    ...within({ regions }),
    signal: item.signal,
    onStep: item.onStep,
  });
  return ResultSchema.parse(toBody(answer, ''));
}

interface Parsed {
  readonly from: GivenImage | Extract<SynthesizeRequest['source'], { type: 'location' }>;
  readonly options: SynthesizeOptions;
}

function parseForm(form: Form, limits: FormLimits): Parsed {
  switch (form.type) {
    case 'raw':
      return { from: imageOf.bytes(form.image, limits), options: synthesizeOptions.fromText(form.query) };
    case 'multipart': {
      const options = synthesizeOptions.fromJson(form.options, form.pointerOf);
      return { from: imageOf.bytes(onlyImage(form.images), limits), options };
    }
    case 'json': {
      const { image, location, ...rest } = parseInput(JsonSchema, form.value, form.pointerOf);
      const options = given(rest, form.pointerOf);
      if (location !== undefined) {
        checkPlace(options, form.pointerOf);
        return { from: { type: 'location', location }, options };
      }
      return { from: imageOf.reference(image ?? {}, limits, '#/image'), options };
    }
  }
}

/** Only what was given: an option that is there holds a value. */
function given(options: z.infer<typeof OptionsSchema>, pointerOf: PointerOf): SynthesizeOptions {
  const { direction, headingDeg, fovDeg, groundSizeM, steps, solver, widthPx, format } = options;
  const wrong: FieldError[] = [];
  if (direction === 'ground_to_satellite' && groundSizeM !== undefined) {
    wrong.push({ detail: 'is of an aerial image, for satellite_to_ground', pointer: pointerOf(['groundSizeM']) });
  }
  const isLook = fovDeg === undefined || fovDeg === 360 || (fovDeg >= MIN_LOOK_FOV_DEG && fovDeg <= MAX_LOOK_FOV_DEG);
  if (direction === 'satellite_to_ground' && !isLook) {
    const detail = `of the picture that is made is from ${MIN_LOOK_FOV_DEG} to ${MAX_LOOK_FOV_DEG} degrees, or 360 for the panorama`;
    wrong.push({ detail, pointer: pointerOf(['fovDeg']) });
  }
  if (wrong.length > 0) throw invalidInput(wrong);
  return {
    direction,
    ...(headingDeg === undefined ? {} : { headingDeg: headingDeg % 360 }),
    ...(fovDeg === undefined ? {} : { fovDeg }),
    ...(groundSizeM === undefined ? {} : { groundSizeM }),
    ...(steps === undefined ? {} : { steps }),
    ...(solver === undefined ? {} : { solver }),
    ...(widthPx === undefined ? {} : { widthPx }),
    ...(format === undefined ? {} : { format }),
  };
}

/** Throws INVALID_REQUEST for what a place cannot have. */
function checkPlace({ direction, groundSizeM }: SynthesizeOptions, pointerOf: PointerOf): void {
  const wrong: FieldError[] = [];
  if (direction !== 'satellite_to_ground') {
    wrong.push({
      detail: 'must be satellite_to_ground: a location has imagery from above',
      pointer: pointerOf(['direction']),
    });
  }
  if (groundSizeM !== undefined) {
    wrong.push({ detail: 'is of an image: that of a location is known', pointer: pointerOf(['groundSizeM']) });
  }
  if (wrong.length > 0) throw invalidInput(wrong);
}

function toBody(answer: SynthesizeAnswer, requestId: string): SynthesizeBody {
  const { direction, image, consistency, reasons, model, solver, region, source, createdAt, timingMs } = answer;
  const { bytes, format, ...picture } = image;
  return {
    direction,
    image: { mediaType: MEDIA_TYPES[format], base64: Buffer.from(bytes).toString('base64'), ...picture },
    consistency,
    reasons: [...reasons],
    model,
    solver,
    ...(region === undefined ? {} : { region }),
    provenance: {
      synthetic: true,
      digitalSourceType: SYNTHETIC_SOURCE_TYPE,
      generator: `${model.name} ${model.version}`,
      source,
      createdAt: createdAt.toISOString(),
    },
    timingMs,
    requestId,
  };
}

/** The answer's form, for the command line: it prints and reads the same. */
export { AnswerSchema as SynthesizeBodySchema, MEDIA_TYPES, toBody as toSynthesizeBody };
