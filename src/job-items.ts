import type { Embed } from './core/embed.ts';
import type { Geolocate, GeolocateAnswer } from './core/geolocate.ts';
import type { RunItem } from './core/jobs/worker.ts';
import type { Synthesize } from './core/synthesize.ts';
import { runEmbedItem } from './handlers/embed.ts';
import { runGeolocateItem } from './handlers/geolocate.ts';
import type { FetchImage } from './handlers/image.ts';
import { runSynthesizeItem } from './handlers/synthesize.ts';

export interface ItemRunnerDeps {
  readonly geolocate: Geolocate;
  readonly embed: Embed;
  readonly synthesize: Synthesize;
  readonly fetchImage: FetchImage;
  readonly maxImageBytes: number;
  /** Told of every place that was looked for, for the metrics. */
  readonly onAnswer: (answer: GeolocateAnswer) => void;
}

/** Answers an image of a job as the route of its verb does. */
export function createItemRunner(deps: ItemRunnerDeps): RunItem {
  return async ({ kind, options, image: given, signal, onStep }) => {
    if (given.type === 'none') return runSynthesizeItem(deps, { image: undefined, options, signal, onStep });
    const image =
      given.type === 'bytes' ? given.bytes : await deps.fetchImage(given.url, { maxBytes: deps.maxImageBytes, signal });
    const item = { image, options, signal };
    switch (kind) {
      case 'geolocate':
        return runGeolocateItem(deps, item);
      case 'embed':
        return runEmbedItem(deps, item);
      case 'synthesize':
        return runSynthesizeItem(deps, { ...item, onStep });
    }
  };
}
