import { loadRegion } from '../core/retrieval/region.ts';
import { openExactIndex } from '../core/retrieval/vector-index.exact.ts';
import { openVersion } from '../core/storage/versioned.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, Failure } from './failure.ts';
import { onlyArgument, openStore, readManifest, regionPrefix, regionReference } from './store.ts';
import { bytes, count } from './table.ts';

const spec = {
  name: 'region verify',
  summary: 'Checks every file of a region: sizes, checksums, and that manifest, tiles and index fit together.',
  arguments: 'ID[@VERSION]',
  details: 'Without a version, the one that is served. A damaged file is named, and the exit code is 1.',
  options: {},
  examples: ['geo2 region verify null-island-demo', 'geo2 region verify helsinki@2026-01-31 --json'],
} as const satisfies CommandSpec;

export const regionVerify: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const asked = regionReference(onlyArgument(positionals, 'geo2 region verify ID[@VERSION]'));
    const { id } = asked;
    const store = openStore(context);
    const local = await openVersion(store, regionPrefix(id), { version: asked.version, signal: context.signal });
    const { version } = local;
    const manifest = await readManifest(store, { id, version });
    if (manifest === undefined) throw new Failure('FILE_MISSING', `${id}@${version} has no manifest.`);
    const { model, embeddingWidth: width, files } = manifest;
    const region = await loadRegion(local, {
      openIndex: openExactIndex,
      model: { ...model, width },
      expectedId: id,
    });
    await region.close();
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    const found = { id, version, ok: true, files: files.length, sizeBytes, tiles: region.tiles.count, model };
    if (values.json === true) context.stdout.write(`${JSON.stringify(found)}\n`);
    else {
      context.stdout.write(
        `${id}@${version}: all is well: ${count(files.length, 'file')} (${bytes(sizeBytes)}), ` +
          `${count(region.tiles.count, 'tile')} with ${count(manifest.headings, 'heading')}, by ${model.name} ${model.version}\n`,
      );
    }
    return EXIT.ok;
  },
};
