import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyRegion } from '../core/regions/verify.ts';
import type { OpenIndex } from '../core/retrieval/region.ts';
import { RegionManifestSchema } from '../core/retrieval/region-manifest.ts';
import { openExactIndex } from '../core/retrieval/vector-index.exact.ts';
import { parseStoredJson } from '../core/storage/stored-json.ts';
import { openVersion } from '../core/storage/versioned.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT } from './failure.ts';
import { onlyArgument, openStore, regionReference } from './store.ts';
import { bytes, count } from './table.ts';

const spec = {
  name: 'region verify',
  summary: 'Checks every file of a region: sizes, checksums, and that tiles, index and imagery fit together.',
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
    const { store, cacheDir } = openStore(context);
    const local = await openVersion(store, `regions/${id}`, { version, cacheDir, signal });
    const text = await readFile(join(local.dir, 'manifest.json'));
    const { model, embeddingWidth: width } = parseStoredJson(RegionManifestSchema, text, 'manifest.json');
    const manifest = await verifyRegion(
      { id, version: local.version, cacheDir, signal },
      { store, openIndex: openFile, model: { ...model, width } }, // any model: which one is served is not asked here
    );
    const { files, tileCount: tiles, headings } = manifest;
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    if (values.json === true) {
      const found = { id, version: local.version, ok: true, files: files.length, sizeBytes, tiles, headings, model };
      context.stdout.write(`${JSON.stringify(found)}\n`);
    } else {
      context.stdout.write(
        `${id}@${local.version}: all is well: ${count(files.length, 'file')} (${bytes(sizeBytes)}), ` +
          `${count(tiles, 'tile')} with ${count(headings, 'heading')}, by ${model.name} ${model.version}\n`,
      );
    }
    return EXIT.ok;
  },
};

/** An exact index needs no FAISS to be read; inverted lists do. */
const openFile: OpenIndex = async (path, facts) => {
  if (facts?.type !== 'IndexIVFFlat') return openExactIndex(path);
  const { openFaissIndex } = await import('../core/retrieval/vector-index.faiss.ts');
  return openFaissIndex(path, { mmap: true });
};
