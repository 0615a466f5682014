import { createHash } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import * as z from 'zod';
import type { Config } from '../config.ts';
import { centreOf } from '../core/geo/bounds.ts';
import { metresPerPixel } from '../core/geo/web-mercator.ts';
import { createPinnedFetcher } from '../core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '../core/outbound/public-address.ts';
import { openGeotiffSource } from '../core/regions/geotiff-source.ts';
import { gridImagery } from '../core/regions/grid-imagery.ts';
import { type ImagerySource, viewSetImagery } from '../core/regions/imagery-source.ts';
import { openMbtilesSource } from '../core/regions/mbtiles-source.ts';
import { openPmtilesSource } from '../core/regions/pmtiles-source.ts';
import type { Area } from '../core/regions/tile-grid.ts';
import { readViewSetTiles } from '../core/regions/view-set.ts';
import { openXyzFolder, openXyzUrl } from '../core/regions/xyz-source.ts';
import { rectangleAround } from '../core/retrieval/tile-selection.ts';
import { Failure, UsageError } from './failure.ts';

export interface OpenedSource {
  readonly source: ImagerySource;
  /** Changes with the source's content, as far as that is seen from outside. */
  readonly identity: string;
  /** The folder, where it is a view set. */
  readonly viewSet?: string | undefined;
  /** Imagery of Null Island says itself what it is. */
  readonly about?: { readonly licence: string; readonly attribution: string } | undefined;
}

export interface OpenSourceOptions {
  readonly area: Area | undefined;
  /** Of a URL template. */
  readonly zoom: number | undefined;
  /** Metres per pixel that the model needs. */
  readonly neededM: number;
  readonly config: Pick<Config, 'outboundAllow'>;
}

const ARCHIVES = [
  { names: /\.pmtiles$/i, open: openPmtilesSource },
  { names: /\.mbtiles$/i, open: openMbtilesSource },
  { names: /\.(geo)?tiff?$/i, open: openGeotiffSource },
] as const;
const TAKES =
  '--from takes the folder of a view set, with tiles.csv and images, a .pmtiles or .mbtiles archive, a folder of z/x/y tiles, ' +
  'a URL template with {z}, {x} and {y}, or a GeoTIFF';
const DEEPEST = 22;

/** Opens what `--from` names, by its name and form. Errors: Failure SOURCE_INVALID, those of the sources. */
export async function openSource(from: string, options: OpenSourceOptions): Promise<OpenedSource> {
  if (/^https?:\/\//i.test(from)) return openUrl(from, options);
  const found = await stat(from).catch(() => undefined);
  if (found === undefined) throw new Failure('SOURCE_INVALID', `${from} is not there: ${TAKES}.`);
  if (!found.isDirectory()) {
    const kind = ARCHIVES.find(({ names }) => names.test(from));
    if (kind === undefined)
      throw new Failure('SOURCE_INVALID', `${from} is no kind of imagery that is known: ${TAKES}.`);
    const identity = `${resolve(from)} ${found.size} ${found.mtimeMs}`;
    return { source: gridImagery(await kind.open(from)), identity };
  }
  const table = await readFile(join(from, 'tiles.csv')).catch(() => undefined);
  if (table !== undefined) {
    const identity = `${resolve(from)} ${createHash('sha256').update(table).digest('hex')}`;
    return {
      source: viewSetImagery(from, await readViewSetTiles(from)),
      identity,
      about: await worldOf(from),
      viewSet: from,
    };
  }
  return { source: gridImagery(await openXyzFolder(from)), identity: resolve(from) };
}

function openUrl(template: string, { area, zoom, neededM, config }: OpenSourceOptions): OpenedSource {
  if (area === undefined) {
    throw new UsageError('--area is needed with a URL template: a server does not say where it has imagery');
  }
  const bounds = rectangleAround(area);
  const lat = centreOf(bounds)[1];
  let needed = 0;
  while (needed < DEEPEST && metresPerPixel(lat, needed) > neededM) needed++;
  const fetcher = createPinnedFetcher({
    isAllowed: createAddressPolicy(config.outboundAllow),
    resolveHost: (host) => lookup(host, { all: true }),
  });
  const grid = openXyzUrl({ template, bounds, zoom: zoom ?? needed, fetcher });
  return { source: gridImagery(grid), identity: `${template} ${zoom ?? needed}` };
}

const WorldSchema = z.object({ seed: z.int(), version: z.string(), split: z.object({ name: z.string() }) });

async function worldOf(dir: string): Promise<OpenedSource['about']> {
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
