import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import { FileFactsSchema, RelativePathSchema } from '../storage/checksums.ts';

const unit = z.number().min(0).max(1);

/** What turns similarities into an honest posterior; fitted on a validation split by the model's writer. */
export const PosteriorCalibrationSchema = z.object({
  temperature: z.number().positive(),
  /** Cosine similarity that the hypothesis "not here" is given. */
  notHereSimilarity: z.number().min(-1).max(1),
  matchedMinProbability: unit,
  ambiguousMinProbability: unit,
  tileSigmaM: z.number().positive(),
  radiusScale: z.number().positive(),
});

export const CalibrationProfileSchema = z.enum([
  'panorama',
  'panorama_unknown_heading',
  'photo',
  'photo_unknown_heading',
]);

/** The keys at the top are the defaults; a profile overrides them for its kind of query. */
export const CalibrationSchema = PosteriorCalibrationSchema.extend({
  source: z.string(),
  profiles: z.partialRecord(CalibrationProfileSchema, PosteriorCalibrationSchema.partial()).default({}),
  headingSigmaDeg: z.number().positive(),
  /** The region whose own queries it was fitted on; a model's, and a region's copy of it, name none. */
  fittedOnRegion: z.string().optional(),
});

const TensorSchema = z.strictObject({
  name: z.string().min(1),
  dtype: z.enum(['uint8', 'float32']),
  /** The first axis is the batch, all others are fixed. */
  shape: z.tuple([z.literal('batch')], z.int().positive()),
});

const GraphSchema = z.strictObject({
  file: RelativePathSchema,
  inputs: z.array(TensorSchema).min(1),
  outputs: z.array(TensorSchema).min(1),
});

/**
 * Where the camera of a ground view may stand when the view shows a tile: the tile's centre lies `rightM` right and `aheadM`
 * ahead of it, in the frame whose up is the tile's, and the canvas' middle looks `turnDeg` clockwise from that frame's up.
 */
const HypothesisSchema = z.strictObject({ turnDeg: z.number(), rightM: z.number(), aheadM: z.number() });
const AT_THE_CENTRE = { turnDeg: 0, rightM: 0, aheadM: 0 };

export const SOLVER_NAMES = ['euler', 'heun', 'rk4', 'dopri5'] as const;

/** The space in which one view is turned into the other, and how the model's writer recommends to go through it. */
const LatentSchema = z.strictObject({
  /** Side of the square that both views are resized to. */
  sizePx: z.int().positive(),
  channels: z.int().positive(),
  heightCells: z.int().positive(),
  widthCells: z.int().positive(),
  solver: z.strictObject({
    name: z.enum(SOLVER_NAMES),
    steps: z.int().min(1).max(100),
    /** 0: the condition graph runs at every evaluation; k: at the first evaluation of every k-th step. */
    conditionEvery: z.int().min(0),
    /** From the velocity without a condition (0) to that with one (1) and past it; a flow that never learned without has 1. */
    guidance: z.number().min(0).default(1),
  }),
  metrics: z.record(z.string(), z.unknown()).default({}),
});

/** A model has all of these or none. */
export const SYNTHESIS_GRAPHS = ['raeEncoder', 'raeDecoder', 'flowCondition', 'flowVelocity'] as const;

export const ModelManifestSchema = z
  .strictObject({
    schemaVersion: z.literal(1),
    name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
    version: z.string().regex(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/, 'a semantic version'),
    createdAt: z.iso.datetime(),
    licence: z.string().min(1),
    embedding: z.object({ width: z.int().positive(), metric: z.literal('cosine') }),
    geometry: z.object({
      ground: z.object({
        projection: z.literal('equirectangular'),
        widthPx: z.int().positive(),
        heightPx: z.int().positive(),
        elevationTopDeg: z.number(),
        elevationBottomDeg: z.number(),
        fovDeg: z.object({ min: z.number().positive(), max: z.number().max(360) }),
      }),
      satellite: z.object({
        widthPx: z.int().positive(),
        heightPx: z.int().positive(),
        metresPerTile: z.number().positive(),
      }),
    }),
    /** Of each row of the ground graph's output `hypotheses`; a model without that output has one, its `embedding`. */
    hypotheses: z.array(HypothesisSchema).min(1).default([AT_THE_CENTRE]),
    orientationBank: z.object({ recommended: z.int().positive() }),
    graphs: z
      .object({
        ground: GraphSchema,
        satellite: GraphSchema,
        raeEncoder: GraphSchema.optional(),
        raeDecoder: GraphSchema.optional(),
        flowCondition: GraphSchema.optional(),
        flowVelocity: GraphSchema.optional(),
      })
      .catchall(GraphSchema),
    /** Null for a model that makes no views. */
    latent: LatentSchema.nullable(),
    calibration: CalibrationSchema,
    files: z.array(FileFactsSchema).min(1),
    golden: z.strictObject({ file: RelativePathSchema, tolerance: z.number().positive() }),
    training: z.record(z.string(), z.unknown()),
  })
  .check((context) => {
    const listed = new Set(context.value.files.map((file) => file.path));
    const files = Object.values(context.value.graphs).flatMap((graph) => graph?.file ?? []);
    const needed = [context.value.golden.file, ...files];
    for (const path of needed) {
      if (listed.has(path)) continue;
      context.issues.push({ code: 'custom', input: path, path: ['files'], message: `${path} is not listed` });
    }
    const { graphs, hypotheses, embedding, latent } = context.value;
    const missing = SYNTHESIS_GRAPHS.filter((name) => graphs[name] === undefined);
    if (latent === null ? missing.length < SYNTHESIS_GRAPHS.length : missing.length > 0) {
      const message = `must hold all of ${SYNTHESIS_GRAPHS.join(', ')} when there is a latent, and none of them when there is not`;
      context.issues.push({ code: 'custom', input: graphs, path: ['graphs'], message });
    }
    const output = graphs.ground.outputs.find(({ name }) => name === 'hypotheses');
    const [, rows, width] = output?.shape ?? ['batch', 1, embedding.width];
    const found = hypotheses.some(({ turnDeg }) => turnDeg === 0);
    if (rows !== hypotheses.length || width !== embedding.width || !found) {
      const message = `must list one for each of the ${rows} rows of ${width} that the ground graph gives, one of turnDeg 0 among them`;
      context.issues.push({ code: 'custom', input: hypotheses, path: ['hypotheses'], message });
    }
  });

export type PosteriorCalibration = z.infer<typeof PosteriorCalibrationSchema>;
export type CalibrationProfile = z.infer<typeof CalibrationProfileSchema>;
export type Calibration = z.infer<typeof CalibrationSchema>;
export type Hypothesis = z.infer<typeof HypothesisSchema>;
export type ModelManifest = z.infer<typeof ModelManifestSchema>;
export type ModelGraph = z.infer<typeof GraphSchema>;
export type Latent = z.infer<typeof LatentSchema>;
export type SolverName = Latent['solver']['name'];
export type SynthesisGraph = (typeof SYNTHESIS_GRAPHS)[number];

/** Parses a manifest's text. Throws MANIFEST_INVALID with a sentence per problem. */
export function parseModelManifest(text: string, where: string): ModelManifest {
  const parsed = ModelManifestSchema.safeParse(parseJson(text, where));
  if (parsed.success) return parsed.data;
  throw new Geo2Error('MANIFEST_INVALID', `${where} is not a valid model manifest:\n${z.prettifyError(parsed.error)}`, {
    data: { file: where, issues: parsed.error.issues.map((issue) => ({ at: issue.path, problem: issue.message })) },
  });
}

/** Reads `manifest.json` of a released model's folder. Throws FILE_MISSING or MANIFEST_INVALID. */
export async function readModelManifest(dir: string): Promise<ModelManifest> {
  const text = await readFile(join(dir, 'manifest.json'), 'utf8').catch((cause: unknown) => {
    throw new Geo2Error('FILE_MISSING', `There is no readable manifest.json in ${dir}.`, {
      data: { file: 'manifest.json' },
      cause,
    });
  });
  return parseModelManifest(text, 'manifest.json');
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Geo2Error('MANIFEST_INVALID', `${where} is not JSON.`, { data: { file: where }, cause });
  }
}
