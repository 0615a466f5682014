import * as z from 'zod';

/**
 * What a caller may rely on, stricter than the published schema: no member beside these, numbers in their ranges, and
 * location, accuracy and heading exactly where the status promises them. There is no `out_of_coverage` here: without a
 * prior every region is searched.
 */

const probability = z.number().min(0).max(1);
const headingDeg = z.number().min(0).lt(360);
const milliseconds = z.number().nonnegative();
const text = z.string().min(1);
const lon = z.number().min(-180).max(180);
const lat = z.number().min(-90).max(90);
const Point = z.strictObject({ type: z.literal('Point'), coordinates: z.tuple([lon, lat]) });

const Candidate = z.strictObject({
  rank: z.int().positive(),
  location: Point,
  probability,
  similarity: z.number().min(-1.000_001).max(1.000_001),
  tileId: text,
  bounds: z
    .tuple([lon, lat, lon, lat])
    .refine(([west, south, east, north]) => west < east && south < north, 'a rectangle has an inside'),
  regionId: text,
  headingDeg: headingDeg.optional(),
});

/** Rounding of a sum of fifty. */
const SUM_TOLERANCE = 1e-6;

const always = {
  probability,
  candidates: z
    .array(Candidate)
    .min(1)
    .max(50)
    .refine((list) => list.every(({ rank }, index) => rank === index + 1), 'ranks count from 1')
    .refine(
      (list) => list.every((candidate, index) => candidate.probability <= (list[index - 1]?.probability ?? 1)),
      'candidates come most probable first',
    )
    .refine(
      (list) => list.reduce((sum, candidate) => sum + candidate.probability, 0) <= 1 + SUM_TOLERANCE,
      'the probabilities of different places sum to 1 at most',
    ),
  model: z.strictObject({ name: text, version: text }),
  reasons: z.array(z.string().regex(/^[a-z_]+$/)),
  timingMs: z.strictObject({
    decode: milliseconds,
    queue: milliseconds,
    inference: milliseconds.positive(),
    search: milliseconds,
    total: milliseconds.positive(),
  }),
  requestId: text,
};

const located = {
  ...always,
  location: Point,
  accuracy: z.strictObject({ radiusM: z.number().positive(), confidence: z.literal(0.68) }),
  heading: z.strictObject({ deg: headingDeg, accuracyDeg: z.number().positive().max(180) }),
  region: z.strictObject({
    id: text,
    version: text,
    attribution: text,
    capturedAt: z.strictObject({ start: z.iso.datetime(), end: z.iso.datetime() }),
  }),
};

export const WellFormedAnswerSchema = z
  .discriminatedUnion('status', [
    z.strictObject({ status: z.literal('matched'), ...located }),
    z.strictObject({ status: z.literal('ambiguous'), ...located }),
    z.strictObject({ status: z.literal('no_match'), ...always }),
  ])
  .refine(({ probability, candidates }) => probability === candidates[0]?.probability, 'tells of the best place');

export type WellFormedAnswer = z.infer<typeof WellFormedAnswerSchema>;
