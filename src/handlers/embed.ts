import { createRoute, type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Embed, EmbedAnswer, EmbedImage, EmbedRequest } from '../core/embed.ts';
import { Geo2Error } from '../core/errors.ts';
import { requireScope } from './authentication.ts';
import type { AppEnv } from './context.ts';
import { type Form, type FormLimits, withForm } from './form.ts';
import { type FetchImage, imageOf, rawBody } from './image.ts';
import { numberText } from './query.ts';
import {
  FovSchema,
  HeadingSchema,
  IMAGE_PROBLEMS,
  ImageReferenceSchema,
  ModelNameSchema,
  ONE_SOURCE,
  problemResponses,
} from './schemas.ts';
import { invalidInput, parseInput } from './validate.ts';

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

type Options = z.infer<typeof OptionsSchema>;

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

export interface EmbedRouteDeps {
  readonly embed: Embed;
  readonly limits: FormLimits;
  /** Images in one request. */
  readonly maxBatch: number;
  readonly fetchImage: FetchImage;
}

export function embedRoute(app: OpenAPIHono<AppEnv>, deps: EmbedRouteDeps): void {
  app.openAPIRegistry.registerPath(routeOf(deps.maxBatch));
  app.post('/v1/embed', requireScope('embed'), async (c) => {
    const { answer, encoding } = await withForm(c, deps.limits, async (form) => {
      const signal = c.get('signal');
      const { images, options } = await requestOf(form, { ...deps, signal });
      if (options.view === 'satellite') refuseGroundOptions(images);
      const request: EmbedRequest = { view: options.view, images, signal, deadlineMs: c.get('remainingMs')() };
      const answer = await deps.embed(request).catch((error: unknown) => {
        throw images.length === 1 ? withoutIndex(error) : error;
      });
      return { answer, encoding: options.encoding ?? 'float' };
    });
    c.header('cache-control', 'no-store');
    return c.json(toBody(answer, encoding, c.get('requestId')), 200);
  });
}

function routeOf(maxBatch: number) {
  return createRoute({
    method: 'post',
    path: '/v1/embed',
    summary: 'Images to vectors of the space that both views share',
    description: `A photo and the aerial tile it was taken on point the same way: compare by inner product. Up to ${maxBatch} images a request.`,
    tags: ['verbs'],
    request: {
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
      ...problemResponses(...IMAGE_PROBLEMS, 'BATCH_TOO_LARGE', 'INFERENCE_FAILED'),
    },
  });
}

interface Parsed {
  readonly images: readonly EmbedImage[];
  readonly options: Options;
}

async function requestOf(form: Form, deps: EmbedRouteDeps & { signal: AbortSignal }): Promise<Parsed> {
  switch (form.type) {
    case 'raw': {
      const options = parseInput(QuerySchema, form.query);
      return { images: [{ bytes: form.image, ...viewOf(options) }], options };
    }
    case 'multipart': {
      const options = parseInput(OptionsSchema, form.options, form.pointerOf);
      checkCount(form.images.length, deps.maxBatch);
      const images = form.images.map((bytes) => ({ bytes: imageOf.bytes(bytes, deps.limits), ...viewOf(options) }));
      return { images, options };
    }
    case 'json': {
      const { image, images = [], ...options } = parseInput(JsonSchema, form.value, form.pointerOf);
      const listed = image === undefined ? images : [image];
      checkCount(listed.length, deps.maxBatch); // before any URL is fetched
      const pointerOf = (index: number): string => (image === undefined ? `#/images/${index}` : '#/image');
      const read: EmbedImage[] = [];
      for (const [index, item] of listed.entries()) {
        // one after the other: what is fetched counts before the next is asked for
        const bytes = await imageOf.reference(item, { ...deps, hold: form.hold }, pointerOf(index));
        const { headingDeg = options.headingDeg, fovDeg = options.fovDeg } = item;
        read.push({ bytes, ...viewOf({ headingDeg, fovDeg }) });
      }
      return { images: read, options };
    }
  }
}

function viewOf({ headingDeg, fovDeg }: Pick<Options, 'headingDeg' | 'fovDeg'>): Omit<EmbedImage, 'bytes'> {
  return {
    ...(headingDeg === undefined ? {} : { headingDeg: headingDeg % 360 }),
    ...(fovDeg === undefined ? {} : { fovDeg }),
  };
}

function checkCount(count: number, maxBatch: number): void {
  if (count <= maxBatch) return;
  throw new Geo2Error('BATCH_TOO_LARGE', `A request embeds at most ${maxBatch} images; this one has ${count}.`, {
    data: { count, maxImages: maxBatch },
  });
}

function refuseGroundOptions(images: readonly EmbedImage[]): void {
  for (const name of ['headingDeg', 'fovDeg'] as const) {
    if (images.every((image) => image[name] === undefined)) continue;
    throw invalidInput([{ detail: 'is for the ground view: an aerial tile is north up', pointer: `#/${name}` }]);
  }
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
