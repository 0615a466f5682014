import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { readViewSetQueries, type ViewSetQuery } from '../core/regions/view-set.ts';
import type { Engine } from '../engine.ts';
import { RegionIdSchema } from '../handlers/schemas.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { withEngine } from './engine.ts';
import { CONDITIONS, type ConditionName, isAskable, present } from './evaluation/conditions.ts';
import { type Covers, coveredBy, type Outcome, outcomeOf } from './evaluation/outcome.ts';
import { faultOfImage, readQueryImage } from './evaluation/query-image.ts';
import { reportTable, reportText, rowsOf, statedOf } from './evaluation/rows.ts';
import { EXIT, Failure, UsageError } from './failure.ts';
import { createProgress } from './progress.ts';
import { reliabilityDiagram } from './reliability-diagram.ts';
import { count } from './table.ts';
import { checked, wholeOption, wordOption } from './values.ts';

const options = {
  region: { type: 'string', value: 'ID', help: 'search only this region (default: all of the store)' },
  condition: {
    type: 'string',
    value: 'NAME',
    multiple: true,
    help: `${CONDITIONS.join(', ')};\nmay be repeated (default: all that the labels allow)`,
  },
  limit: { type: 'string', value: 'N', help: 'ask only the first N queries of each kind' },
  out: { type: 'string', value: 'FILE', help: 'write the rows as JSON to this file' },
  diagrams: { type: 'string', value: 'DIR', help: 'write a reliability diagram of each split and condition, SVG' },
} as const;

const spec = {
  name: 'evaluate',
  summary: 'Asks the service’s own engine about every photo of a view set and holds the answers against the truth.',
  arguments: 'DIR',
  details: `DIR is a view set: queries.csv (query_id,image,kind,lon,lat,heading_deg,fov_deg,split) with its images. Rows are
{system, task, split, condition, metric, value, n, ci95}; shares in percent. A query whose place no searched tile covers has
no right answer: it counts for false_match. Conditions: aligned (panoramas, heading given), unknown_heading (turned by a
random angle), near300 (within 300 m of a known point), photo, photo_unknown_heading.`,
  options,
  examples: [
    'geo2 evaluate demo/view-set --region null-island-demo',
    'geo2 evaluate my-photos --condition photo --condition photo_unknown_heading --out report.json',
  ],
} as const satisfies CommandSpec;

/** The answers to one split under one condition. */
interface Measured {
  readonly system: string;
  readonly split: string;
  readonly condition: ConditionName;
  readonly outcomes: readonly Outcome[];
}

interface Task {
  readonly query: ViewSetQuery;
  readonly condition: ConditionName;
}

export const evaluate: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const [dir, second] = positionals;
    if (dir === undefined || second !== undefined) throw new UsageError('Name one folder: geo2 evaluate DIR');
    const region = values.region === undefined ? undefined : checked('--region', RegionIdSchema, values.region);
    const wanted = (values.condition ?? CONDITIONS).flatMap((text) => text.split(','));
    const conditions = wanted.map((text) => wordOption('--condition', text.trim(), CONDITIONS));
    const limit = wholeOption('--limit', values.limit, { min: 1 });

    const queries = await readViewSetQueries(dir);
    const tasks = tasksOf(queries, { conditions: [...new Set(conditions)], limit });
    if (tasks.length === 0) {
      throw new Failure('SOURCE_INVALID', `${dir} has no query that ${wanted.join(', ')} can ask (see queries.csv).`);
    }
    const measured = await withEngine(context, { region, needsRegion: true }, (engine) =>
      measure(tasks, { dir, engine, context }),
    );
    const rows = measured.flatMap(({ outcomes, ...about }) => rowsOf(outcomes, about));
    if (values.diagrams !== undefined) await writeDiagrams(values.diagrams, measured);
    if (values.out !== undefined) {
      await mkdir(dirname(resolve(values.out)), { recursive: true });
      await writeFile(values.out, reportText(rows));
    }
    context.stdout.write(values.json === true ? reportText(rows) : reportTable(rows));
    return EXIT.ok;
  },
};

function tasksOf(
  queries: readonly Task['query'][],
  { conditions, limit }: { conditions: readonly ConditionName[]; limit: number | undefined },
): Task[] {
  return conditions.flatMap((condition) =>
    queries
      .filter((query) => isAskable(query, condition))
      .slice(0, limit)
      .map((query) => ({ query, condition })),
  );
}

/** One query after the other, as a quiet service would see them: latencies are those of concurrency 1. */
async function measure(
  tasks: readonly Task[],
  { dir, engine, context }: { dir: string; engine: Engine; context: CommandContext },
): Promise<Measured[]> {
  const { stderr, nowMs, signal } = context;
  const ids = engine.regions.list().map(({ id }) => id);
  const { regions } = await engine.regions.hold(ids, { signal }); // until the engine stops
  const covers = coveredBy(regions);
  const progress = createProgress({ label: `evaluate ${basename(resolve(dir))}`, stderr, nowMs });
  const outcomes: { about: Task; outcome: Outcome }[] = [];
  const failures: string[] = [];
  for (const [index, task] of tasks.entries()) {
    signal.throwIfAborted();
    progress.update(index, tasks.length);
    try {
      outcomes.push({ about: task, outcome: await ask(task, { dir, engine, covers, signal }) });
    } catch (error) {
      const fault = faultOfImage(error);
      if (fault === undefined || signal.aborted) throw error;
      failures.push(`${task.query.image}: ${fault}`);
    }
  }
  const skipped = failures.length === 0 ? '' : `; ${count(failures.length, 'question')} failed`;
  progress.end(`evaluate: ${count(outcomes.length, 'question')} answered${skipped}`);
  for (const line of failures.slice(0, SHOWN_FAILURES)) stderr.write(`  ${line}\n`);
  if (outcomes.length === 0) throw new Failure('SOURCE_INVALID', `No image of ${dir} could be used.`);

  const groups = Map.groupBy(outcomes, ({ about }) => `${about.condition}\n${about.query.split}`);
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    if (first === undefined) return [];
    const { condition, query } = first.about;
    const outcomes = group.map(({ outcome }) => outcome);
    return [{ system: engine.model.manifest.name, split: query.split, condition, outcomes }];
  });
}

async function writeDiagrams(dir: string, measured: readonly Measured[]): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const { split, condition, outcomes } of measured) {
    const diagram = reliabilityDiagram(statedOf(outcomes), `${split}, ${condition}`);
    await writeFile(join(dir, `${split.replaceAll(/[^\w-]/g, '_')}-${condition}.svg`), diagram);
  }
}

const SHOWN_FAILURES = 10;

async function ask(
  { query, condition }: Task,
  { dir, engine, covers, signal }: { dir: string; engine: Engine; covers: Covers; signal: AbortSignal },
): Promise<Outcome> {
  const bytes = await readQueryImage(dir, query, { signal });
  const { request, truth } = await present(query, { bytes, condition, limits: engine.limits });
  const answer = await engine.geolocate({ ...request, signal });
  return outcomeOf(answer, truth, covers);
}
