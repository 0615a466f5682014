import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { createLocate, type Locate } from '../core/geolocate.ts';
import type { ImageLimits } from '../core/image/limits.ts';
import { recalibrateRegion } from '../core/regions/recalibrate.ts';
import { readViewSetQueries, type ViewSetQuery } from '../core/regions/view-set.ts';
import {
  type CalibrationSample,
  fitCalibration,
  type ProfileReport,
  statedAnswers,
} from '../core/retrieval/calibrate.ts';
import type { Region } from '../core/retrieval/region.ts';
import { VersionSchema } from '../core/storage/versioned.ts';
import type { Engine } from '../engine.ts';
import { RegionIdSchema } from '../handlers/schemas.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { withEngine } from './engine.ts';
import { type ConditionName, isAskable, present } from './evaluation/conditions.ts';
import { type Covers, coveredBy } from './evaluation/outcome.ts';
import { faultOfImage, readQueryImage } from './evaluation/query-image.ts';
import { EXIT, Failure, UsageError } from './failure.ts';
import { createProgress } from './progress.ts';
import { reliabilityDiagram } from './reliability-diagram.ts';
import { onlyArgument } from './store.ts';
import { count, formatTable } from './table.ts';
import { checked, required } from './values.ts';

const options = {
  region: { type: 'string', value: 'ID', help: 'the region that holds the places of DIR (needed)' },
  outside: {
    type: 'string',
    value: 'DIR',
    help: 'a view set of places outside the region: its queries have no answer',
  },
  out: {
    type: 'string',
    value: 'FILE',
    help: 'calibration.json to write, and its reliability diagram as .svg beside it',
  },
  version: {
    type: 'string',
    value: 'V',
    help: 'make a new version of the region with it; geo2 region publish serves that',
  },
} as const;

const spec = {
  name: 'calibrate',
  summary: 'Fits the probabilities, thresholds and radii of answers to photos whose place is known.',
  arguments: 'DIR',
  details: `DIR is a view set of places that training did not see. Each photo is asked with and without its heading. What comes
out goes into a new version of the region (--version), or into a model's manifest (--out), and from there into every region that
is built with it: those hold the model's numbers until they have their own.`,
  options,
  examples: [
    'geo2 calibrate my-photos --region helsinki --outside other-city --version calibrated',
    'geo2 calibrate world/val --region val --outside world/out_of_area --out calibration.json',
  ],
} as const satisfies CommandSpec;

/** A prior changes what is searched, not what a similarity means: conditions with one teach nothing new. */
const ASKED: readonly ConditionName[] = ['aligned', 'unknown_heading', 'photo', 'photo_unknown_heading'];

interface Task {
  readonly dir: string;
  readonly query: ViewSetQuery;
  readonly condition: ConditionName;
  /** Of the view set outside the region. */
  readonly outside: boolean;
}

export const calibrate: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const dir = onlyArgument(positionals, 'geo2 calibrate DIR --region ID --out FILE');
    const region = checked('--region', RegionIdSchema, required('--region', values.region, 'val'));
    const { out } = values;
    const version = values.version === undefined ? undefined : checked('--version', VersionSchema, values.version);
    if (out === undefined && version === undefined)
      throw new UsageError('Say where it goes: --out FILE or --version V');
    const tasks = [
      ...(await tasksOf(dir, { outside: false })),
      ...(values.outside === undefined ? [] : await tasksOf(values.outside, { outside: true })),
    ];
    const { calibration, reports, diagram } = await withEngine(
      context,
      { region, needsRegion: true },
      async (engine) => {
        const {
          regions: [searched],
        } = await engine.regions.hold([region]); // until the engine stops
        if (searched === undefined) throw new Failure('UNKNOWN_REGION', `Region ${region} is not loaded.`);
        const samples = await collect(tasks, { engine, region: searched, context });
        const { metresPerTile } = searched.manifest;
        const source = sourceOf([dir, values.outside], engine);
        const fitted = fitCalibration(samples, { base: searched.calibration, metresPerTile, source });
        if (fitted.reports.length === 0) {
          throw new Failure(
            'SOURCE_INVALID',
            'There are too few queries inside and outside of the region to fit anything; nothing was written.',
          );
        }
        const stated = statedAnswers(samples, { calibration: fitted.calibration, metresPerTile });
        const drawn = reliabilityDiagram(stated, `${region}: ${source}`);
        if (version !== undefined) {
          const changed = {
            version,
            calibration: fitted.calibration,
            diagram: drawn,
            createdAt: new Date().toISOString(),
          };
          await recalibrateRegion(engine.store, searched, { ...changed, signal: context.signal });
          context.stderr.write(`geo2: made ${region}@${version}; geo2 region publish ${region}@${version} serves it\n`);
        }
        return { ...fitted, diagram: drawn };
      },
    );
    if (out !== undefined) {
      await mkdir(dirname(resolve(out)), { recursive: true });
      await writeFile(out, `${JSON.stringify(calibration, undefined, 2)}\n`);
      await writeFile(out.replace(/(\.json)?$/, '.svg'), diagram);
    }
    context.stdout.write(values.json === true ? `${JSON.stringify({ calibration, reports })}\n` : describe(reports));
    return EXIT.ok;
  },
};

async function tasksOf(dir: string, { outside }: { outside: boolean }): Promise<Task[]> {
  const queries = await readViewSetQueries(dir);
  return ASKED.flatMap((condition) =>
    queries
      .filter((query) => isAskable(query, condition) && (outside || query.location !== undefined))
      .map((query) => ({ dir, query, condition, outside })),
  );
}

interface CollectOptions {
  readonly engine: Engine;
  readonly region: Region;
  readonly context: CommandContext;
}

async function collect(
  tasks: readonly Task[],
  { engine, region, context }: CollectOptions,
): Promise<CalibrationSample[]> {
  const { stderr, nowMs, signal } = context;
  const locate = createLocate({ ...engine, nowMs });
  const covers = coveredBy([region]);
  const progress = createProgress({ label: 'calibrate', stderr, nowMs });
  const samples: CalibrationSample[] = [];
  let failed = 0;
  for (const [index, task] of tasks.entries()) {
    signal.throwIfAborted();
    progress.update(index, tasks.length);
    try {
      samples.push(await sampleOf(task, { locate, covers, limits: engine.limits, signal }));
    } catch (error) {
      if (faultOfImage(error) === undefined || signal.aborted) throw error;
      failed += 1;
    }
  }
  progress.end(
    `calibrate: ${count(samples.length, 'question')}${failed === 0 ? '' : `; ${failed} could not be asked`}`,
  );
  return samples;
}

async function sampleOf(
  { dir, query, condition, outside }: Task,
  { locate, covers, limits, signal }: { locate: Locate; covers: Covers; limits: ImageLimits; signal: AbortSignal },
): Promise<CalibrationSample> {
  const bytes = await readQueryImage(dir, query, { signal });
  const { request, truth } = await present(query, { bytes, condition, limits });
  const { profile, hits, searchedTiles } = await locate({ ...request, signal });
  const { location } = query;
  const inside = !outside && location !== undefined && covers(location);
  return {
    profile,
    hits,
    searchedTiles,
    truth: inside ? location : 'outside',
    headingDeg: inside ? truth.headingDeg : undefined,
  };
}

function sourceOf(dirs: readonly (string | undefined)[], { model: { manifest } }: Engine): string {
  const names = dirs.flatMap((dir) => (dir === undefined ? [] : [basename(resolve(dir))]));
  return `fitted on ${names.join(' and, outside the region, ')} with ${manifest.name} ${manifest.version}`;
}

function describe(reports: readonly ProfileReport[]): string {
  const percent = (part: number, whole: number): string => (whole === 0 ? '-' : ((100 * part) / whole).toFixed(1));
  return formatTable(reports, [
    { title: 'profile', cell: ({ profile }) => profile },
    { title: 'inside', align: 'right', cell: ({ inside }) => String(inside) },
    { title: 'outside', align: 'right', cell: ({ outside }) => String(outside) },
    { title: 'matched %', align: 'right', cell: ({ matched, inside }) => percent(matched, inside) },
    { title: 'matched right %', align: 'right', cell: ({ right, matched }) => percent(right, matched) },
    { title: 'false match %', align: 'right', cell: ({ falseMatched, outside }) => percent(falseMatched, outside) },
    { title: 'error m p50', align: 'right', cell: ({ medianErrorM }) => medianErrorM.toFixed(1) },
    { title: 'in radius %', align: 'right', cell: ({ coverage }) => (100 * coverage).toFixed(1) },
    { title: '', cell: ({ targets }) => (targets === undefined ? 'no threshold keeps the targets' : '') },
  ]);
}
