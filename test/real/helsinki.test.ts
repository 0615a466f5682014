import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { reportText } from '../../src/cli/evaluation/rows.ts';
import { formatTable } from '../../src/cli/table.ts';
import { type Config, PROGRAM_DIR, readConfig } from '../../src/config.ts';
import { containsPoint } from '../../src/core/geo/bounds.ts';
import { distanceM } from '../../src/core/geo/great-circle.ts';
import { readGroundQuery } from '../../src/core/image/ground-query.ts';
import { buildRegion } from '../../src/core/regions/build.ts';
import { viewSetImagery } from '../../src/core/regions/imagery-source.ts';
import { publishRegion } from '../../src/core/regions/publish.ts';
import type { Region } from '../../src/core/retrieval/region.ts';
import { openExactIndex } from '../../src/core/retrieval/vector-index.exact.ts';
import type { VectorIndex } from '../../src/core/retrieval/vector-index.ts';
import { writeFlatRegionIndex } from '../../src/core/retrieval/vector-index-file.ts';
import { createFsObjectStore } from '../../src/core/storage/object-store.fs.ts';
import { startEngine } from '../../src/engine.ts';
import { createLogger } from '../../src/logging.ts';
import { type RunningServer, startServer } from '../../src/main.ts';
import { type WellFormedAnswer, WellFormedAnswerSchema } from './answer-schema.ts';
import { HELSINKI_DIR, type HelsinkiPair, readHelsinkiPairs } from './helsinki-pairs.ts';
import { chanceWithin, rankOf, rankRows, similaritiesOf, tilesCovering, tilesNearest } from './tile-ranks.ts';

/**
 * Real pixels through the whole service: a region of ten orthophotos, and the ten street photos that were taken on them. The
 * model saw synthetic worlds only, so that every answer must be well-formed and none must be right; how near they come is
 * measured and printed. `GEO2_WRITE_RESULTS=1` also writes bench/results/helsinki.json.
 */
const found = await readHelsinkiPairs();
const pairs = found ?? [];
const title =
  found === undefined
    ? 'ten real street photos: skipped, because ../shared/data/helsinki-pairs is not there (it is not published)'
    : 'ten real street photos of Helsinki, searched in ten real aerial images';

const REGION = { id: 'helsinki', version: '1' };
const RESULTS = join(PROGRAM_DIR, 'bench/results/helsinki.json');
/** Building embeds every tile at every heading; on a machine that trains meanwhile that takes a while. */
const BUILD_TIMEOUT_MS = 300_000;

const CONDITIONS = [
  { condition: 'photo', aligned: true },
  { condition: 'photo_unknown_heading', aligned: false },
] as const;
type Condition = (typeof CONDITIONS)[number]['condition'];

interface Measurement {
  readonly pair: HelsinkiPair;
  readonly condition: Condition;
  readonly answer: WellFormedAnswer;
  /** Of the first tile that shows the true place. */
  readonly rank: number;
  /** Of the tile in whose middle the true place is, or nearly. */
  readonly nearestRank: number;
  /** Tiles that show the true place. */
  readonly right: number;
}

describe.skipIf(found === undefined)(title, () => {
  let root: string;
  let server: RunningServer;
  let region: Region;
  let index: VectorIndex;
  const measurements: Measurement[] = [];

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'geo2-helsinki-'));
    const config = readConfig({
      GEO2_STORE: pathToFileURL(join(root, 'store')).href,
      GEO2_CACHE_DIR: join(root, 'cache'),
      GEO2_DATA_DIR: join(root, 'data'),
      GEO2_LOG_LEVEL: 'error',
      PORT: '0',
    });
    await buildHelsinki(config);
    server = await startServer(config);
    const ids = server.engine.regions.list().map(({ id }) => id);
    const [loaded, ...others] = (await server.engine.regions.hold(ids)).regions;
    if (loaded === undefined || others.length > 0) throw new Error('one region should be served, and only one');
    region = loaded;
    index = await openExactIndex(join(region.dir, region.manifest.index.file));
  }, BUILD_TIMEOUT_MS);

  afterAll(async () => {
    await index?.close();
    await server?.stop();
    await rm(root, { recursive: true, force: true });
  });

  test('the region has tiles of the model’s size at its recommended headings, cut from every aerial image', () => {
    const { geometry, orientationBank } = server.engine.model.manifest;
    expect(pairs).toHaveLength(10);
    expect(region.manifest).toMatchObject({
      metresPerTile: geometry.satellite.metresPerTile,
      headings: orientationBank.recommended,
    });
    for (const pair of pairs) {
      const own = region.tiles.ids.filter((id) => id.startsWith(`${pair.id}_`));
      expect(own.length).toBe(region.tiles.count / pairs.length);
      expect(tilesCovering(region, pair.location).length, `tiles that show ${pair.id}`).toBeGreaterThan(0);
    }
  });

  /** The vectors that compete: of an aligned photo those that turn nothing. */
  async function hypothesesOf(photo: Uint8Array, headingDeg: number | undefined): Promise<Float32Array[]> {
    const { model, limits } = server.engine;
    const { geometry, hypotheses } = model.manifest;
    const query = await readGroundQuery(photo, { limits, headingDeg, minFovDeg: geometry.ground.fovDeg.min });
    const [ground] = await model.embedGround([query.canvas]);
    return (ground?.hypotheses ?? []).filter((_, i) => headingDeg === undefined || hypotheses[i]?.turnDeg === 0);
  }

  describe.each(CONDITIONS)('$condition', ({ condition, aligned }) => {
    test.each(pairs)('photo $id gets a well-formed answer with a sane accuracy', async (pair) => {
      const photo = new Uint8Array(await readFile(join(HELSINKI_DIR, pair.groundFile)));
      const heading = aligned ? `&headingDeg=${pair.headingDeg}` : '';
      const answer = WellFormedAnswerSchema.parse(await post(server, `/v1/geolocate?topK=50${heading}`, photo));
      const { model, reasons, candidates } = answer;
      expect(model).toEqual(region.manifest.model);
      expect(reasons).toContain('assumed_fov'); // nobody tells the lens, and the files have lost their EXIF
      for (const candidate of candidates) {
        expect(candidate.regionId).toBe(REGION.id);
        expect(pairs.some(({ aerialBounds }) => containsPoint(aerialBounds, candidate.location.coordinates))).toBe(
          true,
        );
        expect(candidate.headingDeg === undefined).toBe(aligned); // only what was not told can be found
      }
      if (answer.status !== 'no_match') {
        expect(answer.location).toEqual(candidates[0]?.location);
        expect(answer.region).toMatchObject(REGION);
        expect(answer.accuracy.radiusM).toBeLessThan(extentM(region));
        if (aligned) expect(answer.heading.deg).toBeCloseTo(pair.headingDeg, 6);
      }

      const embedded = EmbedBodySchema.parse(await post(server, `/v1/embed?view=ground${heading}`, photo));
      const [{ headingDeg }] = embedded.items;
      expect(headingDeg).toBe(aligned ? pair.headingDeg : undefined); // the file itself must not tell it
      const similarities = await similaritiesOf(await hypothesesOf(photo, aligned ? pair.headingDeg : undefined), {
        index,
        headings: region.manifest.headings,
        aligned,
      });
      // by every hypothesis and an exact search: the service's index is right, and it forgets none
      for (const { tileId, similarity } of candidates) {
        expect(similarity).toBeCloseTo(similarities[region.tiles.ids.indexOf(tileId)] ?? Number.NaN, 4);
      }
      expect(Math.max(...candidates.map(({ similarity }) => similarity))).toBeCloseTo(Math.max(...similarities), 4);

      const right = tilesCovering(region, pair.location);
      const rank = rankOf(right, similarities);
      const nearestRank = rankOf(tilesNearest(region, pair.location), similarities);
      expect(nearestRank).toBeGreaterThanOrEqual(rank);
      measurements.push({ pair, condition, answer, rank, nearestRank, right: right.length });
    });
  });

  test('the ranks of the true places are measured over every photo, and told as they are', async () => {
    expect(measurements).toHaveLength(pairs.length * CONDITIONS.length);
    const system = region.manifest.model.name;
    const rows = CONDITIONS.flatMap(({ condition }) => {
      const ranks = measurements.filter((one) => one.condition === condition).map(({ rank }) => rank);
      return rankRows(ranks, { system, condition });
    });
    const all = region.tiles.count;
    for (const { rank, right } of measurements) {
      expect(rank).toBeGreaterThanOrEqual(1);
      expect(rank).toBeLessThanOrEqual(all - right + 1);
    }
    const right = Math.max(...measurements.map((one) => one.right));
    const chance = [1, 10].map((k) => `r${k} ${(100 * chanceWithin(k, { right, all })).toFixed(1)}`).join(', ');
    const about = `${system} ${region.manifest.model.version}: rank of the first tile that shows the true place, among ${all}`;
    process.stdout.write(`\n${about}\n${photoTable(measurements)}\n${summaryTable(rows)}by chance: ${chance}\n`);
    if (process.env.GEO2_WRITE_RESULTS !== '1') return;
    await mkdir(dirname(RESULTS), { recursive: true });
    await writeFile(RESULTS, reportText(rows));
    process.stdout.write(`written: ${RESULTS}\n`);
  });
});

async function buildHelsinki(config: Config): Promise<void> {
  const tiles = pairs.map(({ id, aerialFile, aerialBounds }) => ({ id, image: aerialFile, bounds: aerialBounds }));
  const source = viewSetImagery(HELSINKI_DIR, tiles);
  const store = createFsObjectStore({ url: config.storeUrl });
  const logger = createLogger({ level: config.logLevel, version: 'test' });
  const engine = await startEngine(config, { logger });
  try {
    const about = {
      licence: 'CC-BY-4.0',
      attribution: 'National Land Survey of Finland, orthophotos 2020',
      capturedAt: { start: '2020-01-01T00:00:00Z', end: '2020-12-31T23:59:59Z' },
    };
    const deps = {
      model: engine.model,
      store,
      writeIndex: writeFlatRegionIndex,
      openIndex: openExactIndex,
      now: () => new Date(),
    };
    await buildRegion({ source, ...REGION, ...about }, deps);
    await publishRegion(store, REGION, { openIndex: openExactIndex });
  } finally {
    await engine.stop();
  }
}

const EmbedBodySchema = z.object({
  items: z.tuple([z.object({ embedding: z.array(z.number()), headingDeg: z.number().optional() })]),
});

async function post({ url }: RunningServer, path: string, photo: Uint8Array<ArrayBuffer>): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method: 'POST',
    body: photo,
    headers: { 'content-type': 'image/jpeg' },
  });
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

/** Metres from corner to corner: nobody who is in the region is farther from any place of it. */
function extentM({ bounds: { west, south, east, north } }: Region): number {
  return distanceM([west, south], [east, north]);
}

function photoTable(measured: readonly Measurement[]): string {
  const metres = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(0));
  const located = ({ answer }: Measurement) => (answer.status === 'no_match' ? undefined : answer);
  return formatTable(measured, [
    { title: 'photo', cell: ({ pair }) => pair.id },
    { title: 'condition', cell: ({ condition }) => condition },
    { title: 'status', cell: ({ answer }) => answer.status },
    { title: 'probability', align: 'right', cell: ({ answer }) => answer.probability.toFixed(3) },
    { title: 'radius m', align: 'right', cell: (one) => metres(located(one)?.accuracy.radiusM) },
    {
      title: 'error m',
      align: 'right',
      cell: (one) => {
        const answer = located(one);
        return metres(answer && distanceM(answer.location.coordinates, one.pair.location));
      },
    },
    { title: 'rank', align: 'right', cell: ({ rank }) => String(rank) },
    { title: 'of nearest', align: 'right', cell: ({ nearestRank }) => String(nearestRank) },
  ]);
}

function summaryTable(rows: ReturnType<typeof rankRows>): string {
  return formatTable(rows, [
    { title: 'condition', cell: ({ condition }) => condition },
    { title: 'metric', cell: ({ metric }) => metric },
    { title: 'value', align: 'right', cell: ({ value }) => String(value) },
    { title: 'n', align: 'right', cell: ({ n }) => String(n) },
    { title: '95 %', align: 'right', cell: ({ ci95 }) => `${ci95[0]} .. ${ci95[1]}` },
  ]);
}
