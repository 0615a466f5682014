import { z } from '@hono/zod-openapi';
import { PROBLEMS, type ProblemCode } from './problems.ts';

/** What requests and answers share; the OpenAPI document is made of these. */

export const REGION_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Half the way round the earth: no prior is larger. */
const MAX_RADIUS_M = 20_100_000;
const MAX_POLYGON_POSITIONS = 2_000;

export const LonSchema = z
  .number({ error: 'must be a longitude in degrees' })
  .min(-180, 'a longitude is from -180 to 180')
  .max(180, 'a longitude is from -180 to 180');
export const LatSchema = z
  .number({ error: 'must be a latitude in degrees' })
  .min(-90, 'a latitude is from -90 to 90')
  .max(90, 'a latitude is from -90 to 90');

export const LonLatSchema = z
  .tuple([LonSchema, LatSchema], { error: 'must be [longitude, latitude]' })
  .openapi({ type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 2, example: [0.004, -0.002] });

export const BboxSchema = z
  .tuple([LonSchema, LatSchema, LonSchema, LatSchema], { error: 'must be [west, south, east, north]' })
  .check(({ value: [west, south, east, north], issues }) => {
    const say = (message: string): void => {
      issues.push({ code: 'custom', input: [west, south, east, north], message });
    };
    if (south > north) say('south is above north: a bbox is [west, south, east, north]');
    // a box across the antimeridian has west > east; one that spans more than half the world that way was turned round
    if (west > east && east - west + 360 > 180) say('west is east of east: a bbox is [west, south, east, north]');
  })
  .openapi({
    type: 'array',
    items: { type: 'number' },
    minItems: 4,
    maxItems: 4,
    example: [-0.01, -0.01, 0.01, 0.01],
    description: '[west, south, east, north] in degrees; west > east crosses the antimeridian',
  });

const RingSchema = z
  .array(LonLatSchema)
  .min(4, 'a ring has four positions or more, the last equal to the first')
  .refine((ring) => samePosition(ring.at(0), ring.at(-1)), 'a ring ends where it starts');

const CircleSchema = z
  .strictObject({
    type: z.literal('circle'),
    center: LonLatSchema,
    radiusM: z.number().positive('must be more than 0 metres').max(MAX_RADIUS_M, 'is larger than the earth'),
  })
  .openapi('CirclePrior');

const BboxPriorSchema = z.strictObject({ type: z.literal('bbox'), bbox: BboxSchema }).openapi('BboxPrior');

const PolygonSchema = z
  .strictObject({
    type: z.literal('Polygon'),
    coordinates: z
      .array(RingSchema)
      .min(1, 'a polygon has an outer ring')
      .refine(
        (rings) => rings.reduce((sum, ring) => sum + ring.length, 0) <= MAX_POLYGON_POSITIONS,
        `a polygon may have ${MAX_POLYGON_POSITIONS} positions`,
      ),
  })
  .openapi('PolygonPrior', { description: 'A GeoJSON Polygon' });

/** What the caller knows of the place beforehand. */
export const PriorSchema = z
  .discriminatedUnion('type', [CircleSchema, BboxPriorSchema, PolygonSchema], {
    error: 'must have type "circle", "bbox" or "Polygon"',
  })
  .openapi('Prior', { description: 'Where the photo may have been taken: a circle, a bbox or a GeoJSON Polygon' });

export const HeadingSchema = z
  .number({ error: 'must be degrees clockwise from north' })
  .min(0, 'a heading is from 0 to 360 degrees')
  .max(360, 'a heading is from 0 to 360 degrees')
  .openapi({ description: 'Azimuth of the image’s middle, degrees clockwise from north' });

export const FovSchema = z
  .number({ error: 'must be degrees' })
  .min(5, 'a field of view is from 5 to 360 degrees')
  .max(360, 'a field of view is from 5 to 360 degrees')
  .openapi({ description: 'Horizontal field of view in degrees; beyond 150 a panorama' });

export const RegionIdSchema = z
  .string()
  .regex(REGION_ID, 'is no region id: lower-case letters, digits and -')
  .openapi({ description: 'As in /v1/regions', format: 'region-id' });

/** The rule of an image's two members, for the OpenAPI document. */
export const ONE_SOURCE = { oneOf: [{ required: ['base64'] }, { required: ['url'] }] };

/** An image in a JSON body. */
export const ImageReferenceSchema = z
  .strictObject({
    base64: z
      .string()
      .min(1, 'is empty')
      .optional()
      .openapi({ format: 'byte', description: 'The file’s bytes, base64' }),
    url: z
      .string()
      .max(2048, 'may have 2048 characters')
      .optional()
      .openapi({ format: 'uri', description: 'http or https, at a public address; redirects are not followed' }),
  })
  .refine(
    ({ base64, url }) => (base64 === undefined) !== (url === undefined),
    'needs either base64 or url, and not both',
  )
  .openapi('ImageReference', ONE_SOURCE);

/**
 * One line of text that shows as it is: no control, and nothing invisible that turns or hides what stands beside it. Without flags, which
 * a JSON schema cannot say.
 */
export const PLAIN_LINE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this refuses
  /^[^\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]*$/;

export const PointSchema = z
  .object({ type: z.literal('Point'), coordinates: LonLatSchema })
  .openapi('Point', { description: 'GeoJSON, WGS84' });

export const ModelNameSchema = z.object({ name: z.string(), version: z.string() }).openapi('ModelName');

export const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    code: z.string().openapi({ enum: Object.keys(PROBLEMS) }),
    requestId: z.string(),
    traceId: z.string().optional().openapi({ description: 'Of the W3C trace that the request is in' }),
    retryable: z.boolean().openapi({ description: 'Whether the same request may succeed later' }),
    errors: z
      .array(z.object({ detail: z.string(), pointer: z.string() }))
      .optional()
      .openapi({ description: 'Everything wrong with the request, each with a JSON pointer' }),
  })
  .openapi('Problem', { description: 'RFC 9457' });

/** The `responses` of a route for the problems it may answer with, by status. */
export function problemResponses(...codes: readonly ProblemCode[]) {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of codes) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, found]) => [
      status,
      {
        description: found.map((code) => `${code}: ${PROBLEMS[code].title}`).join('\n\n'),
        content: { 'application/problem+json': { schema: ProblemSchema } },
        ...(status === 503 || status === 504 ? { headers: RETRY_AFTER } : {}),
      },
    ]),
  );
}

const RETRY_AFTER = {
  'Retry-After': { description: 'Seconds until another try makes sense', schema: { type: 'integer' as const } },
};

/** What any request with an image may be refused with. */
export const IMAGE_PROBLEMS = [
  'IMAGE_EMPTY',
  'IMAGE_UNSUPPORTED',
  'IMAGE_TRUNCATED',
  'IMAGE_TOO_LARGE',
  'IMAGE_TOO_SMALL',
  'IMAGE_URL_REFUSED',
  'IMAGE_URL_FAILED',
  'INVALID_REQUEST',
  'MALFORMED_BODY',
  'BODY_TOO_LARGE',
  'UPLOAD_TOO_SLOW',
  'UNSUPPORTED_MEDIA_TYPE',
  'OVERLOADED',
  'INFERENCE_CRASHED',
  'MODEL_UNAVAILABLE',
  'DEADLINE_EXCEEDED',
] as const satisfies readonly ProblemCode[];

/** What any request with a small JSON body may be refused with. */
export const JSON_PROBLEMS = [
  'INVALID_REQUEST',
  'MALFORMED_BODY',
  'BODY_TOO_LARGE',
  'UNSUPPORTED_MEDIA_TYPE',
  'OVERLOADED',
  'DATABASE_FAILED',
] as const satisfies readonly ProblemCode[];

function samePosition(a: readonly number[] | undefined, b: readonly number[] | undefined): boolean {
  return a !== undefined && b !== undefined && a[0] === b[0] && a[1] === b[1];
}
