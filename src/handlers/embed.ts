import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { Embed, EmbedAnswer, EmbedImage, EmbedRequest } from '../core/embed.ts';
import { Geo2Error } from '../core/errors.ts';
import type { Job, Jobs, NewJobItem } from '../core/jobs/jobs.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { type Form, type FormLimits, type Hold, withForm } from './form.ts';
import { type FetchImage, type GivenImage, imageOf, rawBody, readImage } from './image.ts';
import { numberText } from './query.ts';
import { ACCEPTED, PREFER, preferenceOf, respondAsync } from './respond-async.ts';
import {
  FovSchema,
  HeadingSchema,
  IMAGE_PROBLEMS,
  ImageReferenceSchema,
  ModelNameSchema,
  ONE_SOURCE,
  problemResponses,
} from './schemas.ts';
import { inputOf, submitJob } from './submit-job.ts';
import { invalidInput, jsonPointer, type PointerOf, parseInput } from './validate.ts';

const ViewSchema = z
  .enum(['ground', 'satellite'], { error: 'must be ground or satellite' })
  .openapi({ description: 'ground: a photo or panorama; satellite: one north-up aerial tile' });

const EncodingSchema = z
  .enum(['float', 'base64'], { error: 'must be float or base64' })
  .openapi({ description: 'float: a list of numbers (default); base64: little-endian 32-bit floats' });

const optionShape = {
  view: ViewSchema,
  encoding: EncodingSchema.optional(),
  headingDeg: HeadingSchema.optional(),
  fovDeg: FovSchema.optional(),
};

const OptionsSchema = z.strictObject(optionShape, { error: 'must be a JSON object' }).openapi('EmbedOptions', {
  example: { view: 'ground' },
  description: 'headingDeg and fovDeg hold for every image, and only in the ground view',
});

const JsonImageSchema = z
  .strictObject({ ...ImageReferenceSchema.shape, headingDeg: HeadingSchema.optional(), fovDeg: FovSchema.optional() })
  .refine(
    ({ base64, url }) => (base64 === undefined) !== (url === undefined),
    'needs either base64 or url, and not both',
  )
  .openapi('EmbedImage', { ...ONE_SOURCE, description: 'headingDeg and fovDeg override those of the request' });

const JsonSchema = z
  .strictObject(
    {
      image: JsonImageSchema.optional(),
      images: z.array(JsonImageSchema).min(1, 'is empty').max(256, 'has too many images').optional(),
      ...optionShape,
    },
    { error: 'must be a JSON object' },
  )
  .refine(({ image, images }) => (image === undefined) !== (images === undefined), {
    error: 'needs either image or images, and not both',
  })
  .openapi('EmbedRequest', {
    oneOf: [{ required: ['image'] }, { required: ['images'] }],
    example: { view: 'satellite', image: { url: 'https://example.org/tile.jpg' } },
  });

const QuerySchema = z.strictObject({
  view: ViewSchema,
  encoding: EncodingSchema.optional(),
  headingDeg: numberText(HeadingSchema).optional(),
  fovDeg: numberText(FovSchema).optional(),
});

const AnswerSchema = z
  .object({
    view: ViewSchema,
    model: ModelNameSchema,
    width: z.int().openapi({ description: 'Floats of one embedding' }),
    encoding: EncodingSchema,
    items: z
      .array(
        z.object({
          embedding: z
            .union([z.array(z.number()), z.string()])
            .openapi({ description: 'Unit length, in the encoding asked for' }),
          reasons: z.array(z.string()),
          headingDeg: z.number().optional(),
        }),
      )
      .openapi({ description: 'One for each image, in their order' }),
    timingMs: z.object({ decode: z.number(), queue: z.number(), inference: z.number(), total: z.number() }),
    requestId: z.string(),
  })
  .openapi('EmbedAnswer');

type EmbedBody = z.infer<typeof AnswerSchema>;

/** What a job keeps of an answer: it belongs to no request. */
const ResultSchema = AnswerSchema.omit({ requestId: true });

export interface EmbedRouteDeps {
  readonly embed: Embed;
  readonly jobs: Jobs;
  readonly limits: FormLimits;
  /** Images in one request. */
  readonly maxBatch: number;
  readonly fetchImage: FetchImage;
}

export function embedRoute(app: OpenAPIHono<AppEnv>, deps: EmbedRouteDeps): void {
  const { limits, jobs } = deps;
  app.openAPIRegistry.registerPath(routeOf(deps.maxBatch));
  app.post('/v1/embed', requireScope('embed'), async (c) => {
    const { isAsync, waitS } = preferenceOf(c);
    if (isAsync) {
      const job = await withForm(c, limits, (form) => submit(c, parseForm(form, deps)));
      const answer = (results: readonly unknown[]) =>
        send(c, { ...merge(results.map((result) => ResultSchema.parse(result))), requestId: c.get('requestId') });
      return respondAsync(c, job, { jobs, waitS, answer });
    }
    return send(c, await withForm(c, limits, (form, hold) => embed(c, parseForm(form, deps), hold)));
  });

  async function embed(c: Context<AppEnv>, { images, options }: Parsed, hold: Hold): Promise<EmbedBody> {
    const signal = c.get('signal');
    const read: EmbedImage[] = [];
    for (const {
      image,
      options: { headingDeg, fovDeg },
    } of images) {
      // one after the other: what is fetched counts before the next is asked for
      read.push({ bytes: await readImage(image, { ...deps, signal, hold }), headingDeg, fovDeg });
    }
    const request: EmbedRequest = { view: options.view, images: read, signal, deadlineMs: c.get('remainingMs')() };
    const answer = await deps.embed(request).catch((error: unknown) => {
      throw images.length === 1 ? withoutIndex(error) : error;
    });
    return toBody(answer, options.encoding ?? 'float', c.get('requestId'));
  }

  function submit(c: Context<AppEnv>, { images }: Parsed): Promise<Job> {
    return submitJob(jobs, { tenant: c.get('caller').tenant, signal: c.get('signal') }, async (put) => {
      const items: NewJobItem[] = [];
      for (const { image, options } of images) {
        items.push({ input: await inputOf(image, put), options: { ...options } });
      }
      return { kind: 'embed', form: images.length === 1 ? 'single' : 'batch', items };
    });
  }
}

function send(c: Context<AppEnv>, body: EmbedBody): Response {
  c.header('cache-control', 'no-store');
  return c.json(body, 200);
}

/** The answers of one image each as the answer of all. */
function merge(answers: readonly z.infer<typeof ResultSchema>[]): z.infer<typeof ResultSchema> {
  const [first] = answers;
  if (first === undefined) throw new Error('A job of no image has ended.');
  const sum = (part: keyof EmbedBody['timingMs']): number =>
    answers.reduce((totalMs, { timingMs }) => totalMs + timingMs[part], 0);
  return {
    ...first,
    items: answers.flatMap(({ items }) => items),
    timingMs: { decode: sum('decode'), queue: sum('queue'), inference: sum('inference'), total: sum('total') },
  };
}

function routeOf(maxBatch: number) {
  return createRoute({
    method: 'post',
    path: '/v1/embed',
    summary: 'Images to vectors of the space that both views share',
    description: `A photo and the aerial tile it was taken on point the same way: compare by inner product. Up to ${maxBatch} images a request.`,
    tags: ['verbs'],
    request: {
      headers: PREFER,
      query: QuerySchema.partial(),
      body: {
        required: true,
        content: {
          'multipart/form-data': {
            schema: z.object({
              image: z
                .array(z.string().openapi({ type: 'string', format: 'binary' }))
                .min(1)
                .max(maxBatch),
              options: OptionsSchema,
            }),
            encoding: { options: { contentType: 'application/json' } },
          },
          'application/json': { schema: JsonSchema },
          ...rawBody,
        },
      },
    },
    responses: {
      200: { description: 'The embeddings', content: { 'application/json': { schema: AnswerSchema } } },
      202: ACCEPTED,
      ...problemResponses(...IMAGE_PROBLEMS, 'BATCH_TOO_LARGE', 'INFERENCE_FAILED'),
    },
  });
}

/** What a caller may say about an image to embed. */
export interface EmbedOptions {
  readonly view: EmbedRequest['view'];
  readonly encoding?: EmbedBody['encoding'];
  readonly headingDeg?: number;
  readonly fovDeg?: number;
}

export const embedOptions = {
  /** Of JSON. Throws INVALID_REQUEST. */
  fromJson(value: unknown, pointerOf: PointerOf): EmbedOptions {
    return given(parseInput(OptionsSchema, value, pointerOf), pointerOf);
  },

  /** Of text, such as a query string. Throws INVALID_REQUEST. */
  fromText(texts: Readonly<Record<string, string>>, pointerOf: PointerOf = jsonPointer): EmbedOptions {
    return given(parseInput(QuerySchema, texts, pointerOf), pointerOf);
  },
};

/** Answers an image of a job. Errors: those of `Embed`. */
export async function runEmbedItem(
  { embed }: Pick<EmbedRouteDeps, 'embed'>,
  item: { readonly image: Uint8Array; readonly options: unknown; readonly signal: AbortSignal },
): Promise<z.infer<typeof ResultSchema>> {
  const { view, encoding = 'float', headingDeg, fovDeg } = OptionsSchema.parse(item.options);
  const images = [{ bytes: item.image, headingDeg, fovDeg }];
  const answer = await embed({ view, images, signal: item.signal }).catch((error: unknown) => {
    throw withoutIndex(error);
  });
  return ResultSchema.parse(toBody(answer, encoding, ''));
}

interface Parsed {
  readonly images: readonly { readonly image: GivenImage; readonly options: EmbedOptions }[];
  readonly options: EmbedOptions;
}

function parseForm(form: Form, { limits, maxBatch }: Pick<EmbedRouteDeps, 'limits' | 'maxBatch'>): Parsed {
  switch (form.type) {
    case 'raw': {
      const options = embedOptions.fromText(form.query);
      return { images: [{ image: imageOf.bytes(form.image, limits), options }], options };
    }
    case 'multipart': {
      const options = embedOptions.fromJson(form.options, form.pointerOf);
      checkCount(form.images.length, maxBatch);
      return { images: form.images.map((bytes) => ({ image: imageOf.bytes(bytes, limits), options })), options };
    }
    case 'json': {
      const { image, images = [], ...rest } = parseInput(JsonSchema, form.value, form.pointerOf);
      const options = given(rest, form.pointerOf);
      const listed = image === undefined ? images : [image];
      checkCount(listed.length, maxBatch); // before any URL is fetched
      const placeOf = (index: number): string => (image === undefined ? `#/images/${index}` : '#/image');
      return {
        images: listed.map((item, index) => {
          const { headingDeg = options.headingDeg, fovDeg = options.fovDeg } = item;
          return {
            image: imageOf.reference(item, limits, placeOf(index)),
            options: given(
              { ...options, headingDeg, fovDeg },
              (path) => `${placeOf(index)}${jsonPointer(path).slice(1)}`,
            ),
          };
        }),
        options,
      };
    }
  }
}

/** Only what was given: an option that is there holds a value. */
function given(
  { view, encoding, headingDeg, fovDeg }: z.infer<typeof OptionsSchema>,
  pointerOf: PointerOf,
): EmbedOptions {
  if (view === 'satellite') refuseGroundOptions({ headingDeg, fovDeg }, pointerOf);
  return {
    view,
    ...(encoding === undefined ? {} : { encoding }),
    ...(headingDeg === undefined ? {} : { headingDeg: headingDeg % 360 }),
    ...(fovDeg === undefined ? {} : { fovDeg }),
  };
}

function refuseGroundOptions(options: { headingDeg?: unknown; fovDeg?: unknown }, pointerOf: PointerOf): void {
  const wrong = (['headingDeg', 'fovDeg'] as const).filter((name) => options[name] !== undefined);
  if (wrong.length === 0) return;
  throw invalidInput(
    wrong.map((name) => ({ detail: 'is for the ground view: an aerial tile is north up', pointer: pointerOf([name]) })),
  );
}

function checkCount(count: number, maxBatch: number): void {
  if (count <= maxBatch) return;
  throw new Geo2Error('BATCH_TOO_LARGE', `A request embeds at most ${maxBatch} images; this one has ${count}.`, {
    data: { count, maxImages: maxBatch },
  });
}

/** Of a single image there is no place to tell. */
function withoutIndex(error: unknown): unknown {
  if (!(error instanceof Geo2Error)) return error;
  const { index: _first, ...data } = error.data;
  return new Geo2Error(error.code, error.message, { data, cause: error.cause });
}

function toBody(answer: EmbedAnswer, encoding: EmbedBody['encoding'], requestId: string): EmbedBody {
  const { view, model, width, items, timingMs } = answer;
  return {
    view,
    model,
    width,
    encoding,
    items: items.map(({ embedding, reasons, headingDeg }) => ({
      embedding: encoding === 'float' ? [...embedding] : base64Of(embedding),
      reasons: [...reasons],
      ...(headingDeg === undefined ? {} : { headingDeg }),
    })),
    timingMs,
    requestId,
  };
}

function base64Of(floats: Float32Array): string {
  const bytes = Buffer.alloc(floats.length * 4);
  floats.forEach((value, index) => {
    bytes.writeFloatLE(value, index * 4);
  });
  return bytes.toString('base64');
}

/** The answer's form, for the command line: it prints and reads the same. */
export { AnswerSchema as EmbedBodySchema, toBody as toEmbedBody };
