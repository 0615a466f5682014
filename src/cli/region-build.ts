import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import * as z from 'zod';
import { type Config, readConfig } from '../config.ts';
import { readModelManifest } from '../core/inference/manifest.ts';
import { openOnnxModel } from '../core/inference/model.onnx.ts';
import type { Model } from '../core/inference/model.ts';
import { type BuildProgress, buildRegion, buildRegionShard } from '../core/regions/build.ts';
import { embedSampleQueries } from '../core/regions/sample-queries.ts';
import type { Shard } from '../core/regions/shard.ts';
import { RegionIdSchema } from '../core/retrieval/region-manifest.ts';
import type { VersionCache } from '../core/storage/version-cache.ts';
import { VersionSchema } from '../core/storage/versioned.ts';
import { openCurrentModel } from '../model-store.ts';
import { areaOption } from './area.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { withEngine } from './engine.ts';
import { EXIT, UsageError } from './failure.ts';
import { openIndexFile } from './index-file.ts';
import { indexWriter } from './index-writer.ts';
import { createProgress, duration, type Progress } from './progress.ts';
import { openSource } from './region-source.ts';
import { openStore } from './store.ts';
import { count } from './table.ts';
import { type TellOptions, tellBuilt, tellLeftOut } from './tell-built.ts';
import { checked, MetresSchema, numberOption, required, wholeOption } from './values.ts';

const options = {
  from: {
    type: 'string',
    value: 'SOURCE',
    help: 'imagery: the folder of a view set, a .pmtiles or .mbtiles archive, a folder of z/x/y tiles,\na URL template with {z}, {x} and {y}, or a GeoTIFF (needed)',
  },
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
  zoom: { type: 'string', value: 'Z', help: 'of a URL template: the zoom to fetch (default: the one the model needs)' },
  index: {
    type: 'string',
    value: 'KIND',
    help: 'auto, flat or ivf (default: auto, which is exact while that is fast enough);\nmilvus://HOST:PORT/COLLECTION loads the vectors into that server, too',
  },
  shard: { type: 'string', value: 'I/N', help: 'build only part I of N; geo2 region merge joins them' },
  processes: { type: 'string', value: 'N', help: 'of the model, one thread each (default: one for each core)' },
  work: {
    type: 'string',
    value: 'DIR',
    help: 'where finished parts wait; a build that was killed goes on from here (default: beside GEO2_DATA_DIR)',
  },
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
as they are; all other imagery is cut into overlapping tiles of that size in metres. Tiles where imagery is missing are left
out and counted. Run the same command again after a kill and it goes on. A version is never changed afterwards.`,
  options,
  examples: [
    'geo2 region build --from imagery --id my-town --publish',
    'geo2 region build --from city.pmtiles --id helsinki --area 24.93,60.16,24.96,60.18 --publish',
    'geo2 region build --from city.tif --id helsinki --version v1 --shard 1/4',
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
    const from = required('--from', values.from, 'my-view-set');
    const id = checked('--id', RegionIdSchema, required('--id', values.id, 'helsinki'));
    const shard = values.shard === undefined ? undefined : shardOption(values.shard);
    const version = checked('--version', VersionSchema, shardedVersion(values.version, shard));
    const asked = {
      area: values.area === undefined ? undefined : await areaOption(values.area),
      tileM: numberOption('--tile-m', values['tile-m'], MetresSchema),
      overlap: numberOption('--overlap', values.overlap, OverlapSchema),
      headings: wholeOption('--headings', values.headings, { min: 1 }),
    };
    const zoom = wholeOption('--zoom', values.zoom, { min: 0 });
    const processes = wholeOption('--processes', values.processes, { min: 1 }) ?? availableParallelism();
    const config = readConfig(context.env);
    const { store, cache } = await openStore(context);
    const { signal, nowMs, stderr } = context;
    const startedMs = nowMs();
    const work = resolve(values.work ?? join(config.dataDir, '..', 'builds', workName(id, shard)));

    const { metresPerTile, widthPx } = await openCurrentModel(
      config,
      cache,
      async (dir) => (await readModelManifest(dir)).geometry.satellite,
    );
    const neededM = (asked.tileM ?? metresPerTile) / widthPx;
    const { source, identity, about, viewSet } = await openSource(from, { area: asked.area, zoom, neededM, config });
    const writeIndex = await indexWriter(values.index, config);
    // one thread each: several runs side by side lose less than one run on several threads
    const single = { ...context, env: { ...context.env, GEO2_THREADS: '1' } };
    const built = await withEngine(single, { needsRegion: false }, async ({ model }) => {
      const helpers = await startHelpers(readConfig(single.env), cache, processes - 1);
      const progress = stageProgress(`region ${id}${shard === undefined ? '' : ` ${values.shard}`}`, context);
      const options = {
        source,
        identity,
        id,
        version,
        ...asked,
        work,
        licence: values.licence ?? about?.licence ?? 'other',
        attribution: values.attribution ?? about?.attribution ?? basename(resolve(from)),
        queries: viewSet === undefined ? undefined : await embedSampleQueries(viewSet, model, { signal }),
        signal,
        onProgress: progress.update,
        onResume: (resumed: { version: string }) =>
          stderr.write(`geo2: goes on with ${id}@${resumed.version}, which was begun in ${work}\n`),
      };
      const deps = { model, helpers, store, now: () => new Date() };
      try {
        if (shard !== undefined) return { shard, ...(await buildRegionShard({ ...options, shard }, deps)) };
        return await buildRegion(options, { ...deps, writeIndex, openIndex: openIndexFile });
      } finally {
        progress.end();
        await Promise.all(helpers.map((helper) => helper.stop()));
      }
    }).finally(() => source.close());
    if ('shard' in built) return tellShard(built, { id, version, json: values.json === true, context, startedMs });
    return tellBuilt(built, {
      context,
      store,
      cache,
      startedMs,
      json: values.json === true,
      publish: values.publish,
    });
  },
};

const OverlapSchema = z.number().min(0, 'is from 0 to 0.95').max(0.95, 'is from 0 to 0.95');

/** `2/4` */
function shardOption(text: string): Shard {
  const [, index, count] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { index: Number(index), count: Number(count) };
  if (shard.count >= 1 && shard.index >= 1 && shard.index <= shard.count) return shard;
  throw new UsageError(`--shard must be I/N with I from 1 to N, such as 2/4, not ${JSON.stringify(text)}`);
}

/** All parts must name the same version: none of them can choose it. */
function shardedVersion(version: string | undefined, shard: Shard | undefined): string {
  if (version !== undefined) return version;
  if (shard === undefined) return timestamp(new Date());
  throw new UsageError('--shard needs --version V, the same for all parts; geo2 region merge ID@V joins them');
}

function workName(id: string, shard: Shard | undefined): string {
  return shard === undefined ? id : `${id}-${shard.index}-of-${shard.count}`;
}

/** The same model in processes of their own; on a GPU one process is enough. */
async function startHelpers(config: Config, cache: VersionCache, count: number): Promise<Model[]> {
  if (config.device !== 'cpu') return [];
  return openCurrentModel(config, cache, async (dir) => {
    const helpers = await Promise.all(Array.from({ length: count }, () => openOnnxModel({ dir, threads: 1 })));
    await Promise.all(helpers.map((helper) => helper.start()));
    return helpers;
  });
}

interface ShardBuilt {
  readonly shard: Shard;
  readonly tiles: number;
  readonly leftOut: number;
}

function tellShard(
  { shard, tiles, leftOut }: ShardBuilt,
  { id, version, json, context, startedMs }: TellOptions & { readonly id: string; readonly version: string },
): number {
  const { stdout, stderr, nowMs } = context;
  const name = `${shard.index}/${shard.count}`;
  if (json) stdout.write(`${JSON.stringify({ id, version, shard: name, tiles, leftOutTiles: leftOut })}\n`);
  else {
    stderr.write(`geo2: built in ${duration(nowMs() - startedMs)}\n`);
    stdout.write(
      `${id}@${version}, part ${name}: ${count(tiles, 'tile')}${tellLeftOut(leftOut)}; when all are there: geo2 region merge ${id}@${version}\n`,
    );
  }
  return EXIT.ok;
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
