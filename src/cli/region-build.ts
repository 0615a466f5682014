import { readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import * as z from 'zod';
import { type BuildProgress, buildRegion } from '../core/regions/build.ts';
import { viewSetImagery } from '../core/regions/imagery-source.ts';
import { publishRegion } from '../core/regions/publish.ts';
import { readViewSetTiles } from '../core/regions/view-set.ts';
import { RegionIdSchema } from '../core/retrieval/region-manifest.ts';
import { openExactIndex, writeExactIndex } from '../core/retrieval/vector-index.exact.ts';
import { readCurrent, VersionSchema } from '../core/storage/versioned.ts';
import { areaOption } from './area.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { withEngine } from './engine.ts';
import { EXIT, Failure, UsageError } from './failure.ts';
import { createProgress, duration, type Progress } from './progress.ts';
import { openStore } from './store.ts';
import { bytes, count } from './table.ts';
import { tellPublication } from './tell-publication.ts';
import { checked, MetresSchema, numberOption, required, wholeOption } from './values.ts';

const options = {
  from: { type: 'string', value: 'SOURCE', help: 'folder of a view set: tiles.csv with its images (needed)' },
  id: { type: 'string', value: 'ID', help: 'the region’s name: lower-case letters, digits and - (needed)' },
  area: {
    type: 'string',
    value: 'W,S,E,N|F.geojson',
    help: 'only tiles whose centre lies in this rectangle or polygon',
  },
  'tile-m': { type: 'string', value: 'M', help: 'cut tiles of this side in metres (default: the model’s own)' },
  overlap: {
    type: 'string',
    value: 'SHARE',
    help: 'share of its side that a tile’s neighbour shows too (default 0.5)',
  },
  headings: { type: 'string', value: 'R', help: 'orientations of each tile; 1 serves known headings only' },
  version: { type: 'string', value: 'V', help: 'name of the version (default: the present time)' },
  publish: { type: 'boolean', help: 'serve it at once (the first version always is)' },
  licence: { type: 'string', value: 'TEXT', help: 'of the imagery, an SPDX id where there is one (default: other)' },
  attribution: { type: 'string', value: 'TEXT', help: 'whom answers name as the imagery’s source' },
} as const;

const spec = {
  name: 'region build',
  summary:
    'Makes a searchable region of your own imagery: embeds every tile at every heading, writes a bundle into the store.',
  arguments: '--from SOURCE --id ID',
  details: `tiles.csv has the columns tile_id,image,west,south,east,north (degrees, WGS84). Images of the model’s tile size are taken
as they are; larger ones are cut into overlapping tiles. A version is never changed afterwards.`,
  options,
  examples: [
    'geo2 region build --from imagery --id my-town --publish',
    'geo2 region build --from imagery --id helsinki --area 24.93,60.16,24.96,60.18 --publish',
  ],
} as const satisfies CommandSpec;

export const regionBuild: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) {
      throw new UsageError(
        `geo2 region build takes no ${JSON.stringify(positionals[0])}; the source goes after --from`,
      );
    }
    const dir = required('--from', values.from, 'my-view-set');
    const id = checked('--id', RegionIdSchema, required('--id', values.id, 'helsinki'));
    const version = checked('--version', VersionSchema, values.version ?? timestamp(new Date()));
    const asked = {
      area: values.area === undefined ? undefined : await areaOption(values.area),
      tileM: numberOption('--tile-m', values['tile-m'], MetresSchema),
      overlap: numberOption('--overlap', values.overlap, OverlapSchema),
      headings: wholeOption('--headings', values.headings, { min: 1 }),
    };
    const source = viewSetImagery(dir, await readViewSetTiles(await viewSetFolder(dir)));
    const world = await worldOf(dir);
    const { store, cache } = await openStore(context);
    const { signal, nowMs, stdout, stderr } = context;
    const startedMs = nowMs();

    const manifest = await withEngine(context, { needsRegion: false }, async ({ model }) => {
      const progress = stageProgress(`region ${id}`, context);
      const deps = { model, store, writeIndex: writeExactIndex, now: () => new Date() };
      const about = {
        licence: values.licence ?? world?.licence ?? 'other',
        attribution: values.attribution ?? world?.attribution ?? basename(resolve(dir)),
      };
      try {
        return await buildRegion(
          { source, id, version, ...asked, ...about, signal, onProgress: progress.update },
          deps,
        );
      } finally {
        progress.end();
      }
    });
    const first = (await readCurrent(store, `regions/${id}`)) === undefined;
    const published = values.publish === true || first;
    if (published) {
      await publishRegion(store, { id, version }, { cache, openIndex: openExactIndex, signal });
      await tellPublication(context, { store, id });
    }

    const { tileCount: tiles, headings, model, files } = manifest;
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    if (values.json === true) {
      stdout.write(
        `${JSON.stringify({ id, version, published, tiles, headings, model, sizeBytes, store: store.url })}\n`,
      );
    } else {
      stderr.write(`geo2: built in ${duration(nowMs() - startedMs)}\n`);
      stdout.write(
        `${id}@${version}: ${count(tiles, 'tile')} with ${count(headings, 'heading')} by ${model.name} ${model.version}, ` +
          `${bytes(sizeBytes)}; ${published ? 'served' : `not served yet: geo2 region publish ${id}@${version}`}\n`,
      );
    }
    return EXIT.ok;
  },
};

const OverlapSchema = z.number().min(0, 'is from 0 to 0.95').max(0.95, 'is from 0 to 0.95');

/** Throws Failure SOURCE_INVALID where there is no folder. */
async function viewSetFolder(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true) return path;
  const why = found === undefined ? 'is not there' : 'is a file';
  throw new Failure(
    'SOURCE_INVALID',
    `${path} ${why}: --from takes the folder of a view set, with tiles.csv and images.`,
  );
}

const WorldSchema = z.object({ seed: z.int(), version: z.string(), split: z.object({ name: z.string() }) });

/** Imagery of Null Island says itself what it is. */
async function worldOf(dir: string): Promise<{ licence: string; attribution: string } | undefined> {
  const text = await readFile(join(dir, 'world.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = WorldSchema.safeParse(JSON.parse(text));
  if (!parsed.success) return undefined;
  const { seed, version, split } = parsed.data;
  return {
    licence: 'Apache-2.0',
    attribution: `Null Island ${version}, a synthetic world (seed ${seed}, ${split.name})`,
  };
}

const STAGES: Readonly<Record<BuildProgress['stage'], string>> = {
  embedding: 'tiles embedded',
  imagery: 'map tiles',
  writing: 'files written',
};

/** One line after the other: each stage counts something else. */
function stageProgress(label: string, { stderr, nowMs }: CommandContext) {
  let current: { stage: BuildProgress['stage']; progress: Progress } | undefined;
  return {
    update({ stage, done, total }: BuildProgress): void {
      if (current?.stage !== stage) {
        current?.progress.end();
        current = { stage, progress: createProgress({ label: `${label}: ${STAGES[stage]}`, stderr, nowMs }) };
      }
      current.progress.update(done, total);
    },
    end: (): void => current?.progress.end(),
  };
}

/** `20260131T120000Z`: versions sort by their time. */
function timestamp(now: Date): string {
  return now
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '');
}
