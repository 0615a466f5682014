import { join } from 'node:path';
import { readConfig } from '../config.ts';
import { mergeRegion } from '../core/regions/shard-store.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { UsageError } from './failure.ts';
import { openIndexFile } from './index-file.ts';
import { indexWriter } from './index-writer.ts';
import { createProgress } from './progress.ts';
import { onlyArgument, openStore, regionReference } from './store.ts';
import { tellBuilt } from './tell-built.ts';

const options = {
  publish: { type: 'boolean', help: 'serve it at once (the first version always is)' },
  index: {
    type: 'string',
    value: 'KIND',
    help: 'auto, flat, ivf or milvus://HOST:PORT/COLLECTION, as in region build',
  },
} as const;

const spec = {
  name: 'region merge',
  summary: 'Joins the parts that geo2 region build --shard made to one version of a region.',
  arguments: 'ID@VERSION',
  details: 'The region is what one build of the whole area makes. Its parts are removed from the store then.',
  options,
  examples: [
    'for i in 1 2 3 4; do geo2 region build --from city.tif --id helsinki --version v1 --shard $i/4 & done; wait',
    'geo2 region merge helsinki@v1 --publish',
  ],
} as const satisfies CommandSpec;

export const regionMerge: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const { id, version } = regionReference(onlyArgument(positionals, 'geo2 region merge ID@VERSION'));
    if (version === undefined) throw new UsageError(`Say which version: geo2 region merge ${id}@VERSION`);
    const { stderr, nowMs, signal } = context;
    const { store, cache } = await openStore(context);
    const config = readConfig(context.env);
    const startedMs = nowMs();
    const progress = createProgress({ label: `region ${id}: files written`, stderr, nowMs });
    const staging = join(config.dataDir, '..', 'builds', `${id}-merged`);
    try {
      const merging = { id, version, staging, cache, onWritten: progress.update, signal };
      const manifest = await mergeRegion(store, merging, {
        writeIndex: await indexWriter(values.index, config),
        openIndex: openIndexFile,
      });
      progress.end();
      return await tellBuilt(manifest, {
        context,
        store,
        cache,
        startedMs,
        json: values.json === true,
        publish: values.publish,
      });
    } finally {
      progress.end();
    }
  },
};
