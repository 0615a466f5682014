/**
 * `node bench/region-memory.ts`: what `geo2 region build` holds in memory for a region of 100,000 tiles x 8 headings. It is the
 * command itself, resumed: all but the last tiles were finished before, with the demo region's vectors and noise, for embedding
 * them would take an hour; planning, the last tiles, all map tiles, index and bundle are made. The imagery repeats some map tiles of
 * the demo region. Prints a table and writes bench/results/region-memory.json. `--tiles N` makes it smaller.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as z from 'zod';
import { reportText } from '../src/cli/evaluation/rows.ts';
import { createRandom } from '../src/cli/evaluation/statistics.ts';
import { PROGRAM_DIR } from '../src/config.ts';
import { createLocalFrame } from '../src/core/geo/local-frame.ts';
import { mapTilesIn } from '../src/core/geo/web-mercator.ts';
import { gridImagery } from '../src/core/regions/grid-imagery.ts';
import { openImagery } from '../src/core/regions/imagery-archive.ts';
import { openPmtilesSource } from '../src/core/regions/pmtiles-source.ts';
import { openPmtilesWriter } from '../src/core/regions/pmtiles-writer.ts';
import { TILES_PER_CHUNK } from '../src/core/regions/shard.ts';
import { type PlannedTile, planGrid } from '../src/core/regions/tile-grid.ts';
import { openWorkFolder } from '../src/core/regions/work-folder.ts';
import { readFlatIndex } from '../src/core/retrieval/vector-index-file.ts';
import { memoryOf } from './memory.ts';
import { type BenchRow, benchTable, single } from './rows.ts';

const DEMO = join(PROGRAM_DIR, 'demo/store/regions/null-island-demo/seed-77');
const HEADINGS = 8;
const TILE_M = 70;
const STEP_M = 35;
const OVERLAP = 0.5;
const NOISE = 0.6;
const ZOOM = 18;
/** Of the imagery, which repeats. */
const PATTERN = 4;
const PLACE = [10, 0] as const;
/** Of the demo's map tiles, the north-western of the pattern: none of it has a hole. */
const DEMO_TILE = { x: 130_827, y: 131_111 } as const;
const EVERY_MS = 100;

const { values } = parseArgs({
  options: {
    tiles: { type: 'string', default: '100000' },
    embed: { type: 'string', default: '256' },
    out: { type: 'string', default: join(PROGRAM_DIR, 'bench/results/region-memory.json') },
  },
});
const folder = await mkdtemp(join(tmpdir(), 'geo2-bench-memory-'));
const [archive, work] = [join(folder, 'imagery.pmtiles'), join(folder, 'work')];
let running: ChildProcess | undefined;
try {
  await writeImagery(Math.round(Math.sqrt(Number(values.tiles))));
  running = build();
  await appears(join(work, 'tiles-000000.json')); // the plan is noted
  running.kill('SIGKILL');
  await once(running, 'exit');
  const source = gridImagery(await openPmtilesSource(archive));
  const { tiles } = planGrid(source.extent, { tileM: TILE_M, overlap: OVERLAP });
  await source.close();
  await finishChunks(tiles);

  say(`region build of ${tiles.length} tiles`);
  const startedMs = performance.now();
  running = build();
  const peaks = await watch(running);
  const about = { system: 'geo2 region build', split: `${tiles.length}x${HEADINGS}` };
  const rows: BenchRow[] = [
    ...Array.from(peaks, ([condition, peakMb]) => single({ ...about, condition }, 'peak_memory_mb', peakMb)),
    single({ ...about, condition: 'all' }, 'peak_memory_mb', Math.max(...peaks.values())),
    single({ ...about, condition: 'all' }, 'resumed_build_s', (performance.now() - startedMs) / 1000),
  ];
  process.stdout.write(benchTable(rows));
  await mkdir(dirname(resolve(values.out)), { recursive: true });
  await writeFile(values.out, reportText(rows));
} finally {
  running?.kill('SIGKILL');
  await rm(folder, { recursive: true, force: true });
}

/** A square that `side` x `side` tiles cover, of map tiles that repeat a few of the demo's. */
async function writeImagery(side: number): Promise<void> {
  const half = ((side - 1) * STEP_M + TILE_M) / 2;
  const frame = createLocalFrame(PLACE);
  const [west, south] = frame.toLonLat({ eastM: -half, northM: -half });
  const [east, north] = frame.toLonLat({ eastM: half, northM: half });
  const bounds = { west, south, east, north };
  const demo = await openImagery(join(DEMO, 'imagery.pmtiles'));
  const writer = await openPmtilesWriter(archive);
  for (const tile of mapTilesIn(bounds, ZOOM)) {
    const [x, y] = [DEMO_TILE.x + (tile.x % PATTERN), DEMO_TILE.y + (tile.y % PATTERN)];
    const bytes = await demo.tile({ z: ZOOM, x, y });
    if (bytes === undefined) throw new Error(`the demo has no map tile ${ZOOM}/${x}/${y}`);
    await writer.add(tile, bytes);
  }
  await writer.finish({ bounds, tileType: 'webp', metadata: {} });
  await demo.close();
}

/** The command, as a person would give it. */
function build(): ChildProcess {
  const args = ['region', 'build', '--from', archive, '--id', 'memory', '--work', work, '--headings', String(HEADINGS)];
  const env = {
    ...process.env,
    GEO2_STORE: pathToFileURL(join(folder, 'store')).href,
    GEO2_DATA_DIR: join(folder, 'data'),
  };
  return spawn(join(PROGRAM_DIR, 'bin/geo2'), args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
}

/** As if they had been embedded before: every chunk but the last ones. */
async function finishChunks(tiles: readonly PlannedTile[]): Promise<void> {
  const { width, vectors: demo } = await readFlatIndex(join(DEMO, 'index.faiss'));
  const random = createRandom(1);
  const begun = z
    .object({ plan: z.unknown(), noted: z.unknown() })
    .parse(JSON.parse(await readFile(join(work, 'plan.json'), 'utf8')));
  const { folder: chunks, resumed } = await openWorkFolder(work, { ...begun, schema: z.unknown() });
  if (!resumed) throw new Error('the build that was begun is not gone on with');
  const finished = Math.floor((tiles.length - Number(values.embed)) / TILES_PER_CHUNK);
  for (let chunk = 1; chunk < finished; chunk++) {
    const part = tiles.slice(chunk * TILES_PER_CHUNK, (chunk + 1) * TILES_PER_CHUNK);
    const vectors = new Float32Array(part.length * HEADINGS * width);
    for (let row = 0; row < vectors.length; row += width) {
      const from = Math.floor(random() * (demo.length / width)) * width;
      const noisy = Float32Array.from({ length: width }, (_, i) => {
        return (demo[from + i] ?? 0) + ((random() - 0.5) * 2 * NOISE * Math.sqrt(3)) / Math.sqrt(width);
      });
      const length = Math.hypot(...noisy);
      for (const [i, value] of noisy.entries()) vectors[row + i] = value / length;
    }
    await chunks.writeTiles(chunk, { tiles: part.map(({ id, bounds }) => ({ id, ...bounds })), leftOut: 0, vectors });
    if (chunk % 200 === 0) say(`${chunk * TILES_PER_CHUNK} tiles prepared`);
  }
}

/** The most that the command and its processes held, in MB, by what it did. */
async function watch(child: ChildProcess): Promise<Map<string, number>> {
  const peaks = new Map<string, number>();
  let stage = 'start and plan';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    process.stderr.write(text);
    for (const [, what = '', done, total] of text.matchAll(/(tiles embedded|map tiles|files written): (\d+)\/(\d+)/g)) {
      stage = what === 'map tiles' && done === total ? 'index' : what;
    }
  });
  const ended = once(child, 'close');
  while (child.exitCode === null) {
    // a process may end between two looks at it
    const memory = await memoryOf(child.pid ?? 0).catch(() => undefined);
    if (memory !== undefined) peaks.set(stage, Math.max(peaks.get(stage) ?? 0, memory.proportionalMb));
    await wait(EVERY_MS);
  }
  await ended;
  if (child.exitCode !== 0) throw new Error(`the build ended with ${child.exitCode}`);
  return peaks;
}

async function appears(path: string): Promise<void> {
  for (;;) {
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return;
    await wait(EVERY_MS);
  }
}

function say(text: string): void {
  process.stderr.write(`bench: ${text}\n`);
}
