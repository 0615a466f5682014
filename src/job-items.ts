import * as z from 'zod';
import type { Embed } from './core/embed.ts';
import { Geo2Error } from './core/errors.ts';
import type { Geolocate, GeolocateAnswer } from './core/geolocate.ts';
import type { RunItem } from './core/jobs/worker.ts';
import type { FetchImage } from './handlers/image.ts';

export interface ItemRunnerDeps {
  readonly geolocate: Geolocate;
  readonly embed: Embed;
  readonly fetchImage: FetchImage;
  readonly maxImageBytes: number;
  /** Told of every place that was looked for, for the metrics. */
  readonly onAnswer: (answer: GeolocateAnswer) => void;
}

const GeolocateSchema = z.object({
  headingDeg: z.number().optional(),
  fovDeg: z.number().optional(),
  regions: z.array(z.string()).optional(),
  topK: z.int().optional(),
  confidence: z.number().optional(),
});
const EmbedSchema = z.object({
  view: z.enum(['ground', 'satellite']),
  headingDeg: z.number().optional(),
  fovDeg: z.number().optional(),
});

/** Answers an image of a job as its verb does. */
export function createItemRunner(deps: ItemRunnerDeps): RunItem {
  return async ({ kind, options, image: given, signal }) => {
    const image =
      given.type === 'bytes' ? given.bytes : await deps.fetchImage(given.url, { maxBytes: deps.maxImageBytes, signal });
    switch (kind) {
      case 'geolocate': {
        const answer = await deps.geolocate({ ...GeolocateSchema.parse(options), image, signal });
        deps.onAnswer(answer);
        return { ...answer };
      }
      case 'embed': {
        const { view, headingDeg, fovDeg } = EmbedSchema.parse(options);
        const answer = await deps.embed({ view, images: [{ bytes: image, headingDeg, fovDeg }], signal });
        return { ...answer, items: answer.items.map((item) => ({ ...item, embedding: [...item.embedding] })) };
      }
      case 'synthesize':
        throw new Geo2Error('INVALID_REQUEST', 'This service makes no views.');
    }
  };
}
