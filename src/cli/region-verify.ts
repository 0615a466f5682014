import { verifyRegion } from '../core/regions/verify.ts';
import { hasGoldenQueries } from '../core/retrieval/golden-queries.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT } from './failure.ts';
import { openIndexFile } from './index-file.ts';
import { onlyArgument, openStore, regionReference } from './store.ts';
import { bytes, count } from './table.ts';

const spec = {
  name: 'region verify',
  summary:
    'Checks every file of a region: sizes, checksums, that tiles, index and imagery fit together, and its golden queries.',
  arguments: 'ID[@VERSION]',
  details: 'Without a version, the one that is served. A damaged file is named, and the exit code is 1.',
  options: {},
  examples: ['geo2 region verify null-island-demo', 'geo2 region verify helsinki@20260131T120000Z --json'],
} as const satisfies CommandSpec;

export const regionVerify: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const { id, version } = regionReference(onlyArgument(positionals, 'geo2 region verify ID[@VERSION]'));
    const { signal } = context;
    const { store, cache } = await openStore(context);
    // by whichever model: which one is served is not asked here
    const manifest = await verifyRegion({ id, version, cache, signal }, { store, openIndex: openIndexFile });
    const { model } = manifest;
    const { files, tileCount: tiles, headings } = manifest;
    const goldenQueries = hasGoldenQueries(manifest);
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    if (values.json === true) {
      const found = {
        id,
        version: manifest.version,
        ok: true,
        files: files.length,
        sizeBytes,
        tiles,
        headings,
        model,
        goldenQueries,
      };
      context.stdout.write(`${JSON.stringify(found)}\n`);
    } else {
      context.stdout.write(
        `${id}@${manifest.version}: all is well: ${count(files.length, 'file')} (${bytes(sizeBytes)}), ` +
          `${count(tiles, 'tile')} with ${count(headings, 'heading')}, by ${model.name} ${model.version}` +
          `${goldenQueries ? '' : '; it has no golden queries: build it again to have them'}\n`,
      );
    }
    return EXIT.ok;
  },
};
