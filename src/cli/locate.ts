import * as z from 'zod';
import type { Prior } from '../core/geo/prior.ts';
import { type GeolocateBody, GeolocateBodySchema, toGeolocateBody } from '../handlers/geolocate.ts';
import { BboxSchema, FovSchema, HeadingSchema, PriorSchema, RegionIdSchema } from '../handlers/schemas.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { eachFile } from './each-file.ts';
import { withEngine } from './engine.ts';
import { UsageError } from './failure.ts';
import { createRemote } from './remote.ts';
import { formatTable } from './table.ts';
import { checked, numberOption, numbersOption } from './values.ts';

const options = {
  region: { type: 'string', value: 'ID', multiple: true, help: 'search only this region; may be repeated' },
  heading: {
    type: 'string',
    value: 'DEG',
    help: 'azimuth of the image’s middle, degrees clockwise from north;\nleft out, it is read from the file or found',
  },
  fov: {
    type: 'string',
    value: 'DEG',
    help: 'horizontal field of view in degrees (beyond 150: a panorama);\nleft out, it is read from the file or assumed',
  },
  near: { type: 'string', value: 'LON,LAT,RADIUS_M', help: 'taken within this distance of a point' },
  bbox: { type: 'string', value: 'W,S,E,N', help: 'taken inside this rectangle' },
  top: { type: 'string', value: 'K', help: 'candidates to list, 1 to 50 (default 5)' },
  confidence: {
    type: 'string',
    value: 'P',
    help: 'probability with which the radius holds the truth (default 0.68)',
  },
  url: { type: 'string', value: 'URL', help: 'send to a running server instead (default: GEO2_URL, if set)' },
} as const;

const spec = {
  name: 'locate',
  summary: 'Says where photos and panoramas were taken, with an honest accuracy.',
  arguments: 'FILE...',
  details: `The status is matched (this place), ambiguous (several places hold the probability), no_match (none of the searched
places) or out_of_coverage (no region there). FILE may be - for the standard input. With --json each file gives one line.`,
  options,
  examples: [
    'geo2 locate photo.jpg',
    'geo2 locate --heading 137 --near 0.004,-0.002,300 photo.jpg',
    'geo2 locate --url http://127.0.0.1:8080 --json *.jpg | jq .status',
  ],
} as const satisfies CommandSpec;

const TopKSchema = z.int('must be a whole number').min(1, 'is from 1 to 50').max(50, 'is from 1 to 50');
const ConfidenceSchema = z.number().min(0.01, 'is from 0.01 to 0.999').max(0.999, 'is from 0.01 to 0.999');

interface Asked {
  readonly headingDeg?: number | undefined;
  readonly fovDeg?: number | undefined;
  readonly prior?: Prior | undefined;
  readonly regions?: readonly string[] | undefined;
  readonly topK?: number | undefined;
  readonly confidence?: number | undefined;
}

/** As the API answers; a server adds its request's id. */
type Located = Omit<GeolocateBody, 'requestId'> & { readonly requestId?: string };
type Locate = (image: Uint8Array) => Promise<Located>;

export const locate: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals: files } = parseCommand(spec, argv);
    if (files.length === 0) throw new UsageError('Name at least one image: geo2 locate FILE...');
    const asked: Asked = {
      headingDeg: numberOption('--heading', values.heading, HeadingSchema),
      fovDeg: numberOption('--fov', values.fov, FovSchema),
      prior: priorOf(values),
      regions: values.region?.map((id) => checked('--region', RegionIdSchema, id)),
      topK: numberOption('--top', values.top, TopKSchema),
      confidence: numberOption('--confidence', values.confidence, ConfidenceSchema),
    };
    const url = values.url ?? context.env.GEO2_URL;
    const json = values.json === true;
    const run = (work: Locate): Promise<number> => eachFile(files, { label: 'locate', json, context, work, describe });
    if (url !== undefined && url !== '') return run(throughServer(url, asked, context));
    const only = asked.regions?.length === 1 ? asked.regions[0] : undefined;
    return withEngine(context, { region: only, needsRegion: true }, (engine) =>
      run(async (image) => {
        const answer = await engine.geolocate({ image, ...given(asked), signal: context.signal });
        const { requestId: _, ...body } = toGeolocateBody(answer, '');
        return body;
      }),
    );
  },
};

function throughServer(url: string, asked: Asked, { env, signal }: CommandContext): Locate {
  const remote = createRemote({ url, apiKey: env.GEO2_API_KEY, signal });
  const { prior } = asked;
  const query = {
    headingDeg: asked.headingDeg?.toString(),
    fovDeg: asked.fovDeg?.toString(),
    near: prior?.type === 'circle' ? [...prior.center, prior.radiusM].join(',') : undefined,
    bbox: prior?.type === 'bbox' ? prior.bbox.join(',') : undefined,
    regions: asked.regions?.join(','),
    topK: asked.topK?.toString(),
    confidence: asked.confidence?.toString(),
  };
  return (image) => remote.postImage('/v1/geolocate', image, { query, answer: GeolocateBodySchema });
}

function priorOf({ near, bbox }: { near?: string | undefined; bbox?: string | undefined }): Prior | undefined {
  if (near !== undefined && bbox !== undefined) throw new UsageError('--near and --bbox exclude each other');
  if (near !== undefined) {
    const [lon, lat, radiusM] = numbersOption('--near', near, ['LON', 'LAT', 'RADIUS_M']);
    return checked('--near', PriorSchema, { type: 'circle', center: [lon, lat], radiusM });
  }
  if (bbox === undefined) return undefined;
  const numbers = numbersOption('--bbox', bbox, ['W', 'S', 'E', 'N']);
  return { type: 'bbox', bbox: checked('--bbox', BboxSchema, numbers) };
}

/** Only what was asked: an option that is there holds a value. */
function given({ headingDeg, fovDeg, prior, regions, topK, confidence }: Asked) {
  return {
    ...(headingDeg === undefined ? {} : { headingDeg: headingDeg % 360 }),
    ...(fovDeg === undefined ? {} : { fovDeg }),
    ...(prior === undefined ? {} : { prior }),
    ...(regions === undefined ? {} : { regions: [...new Set(regions)] }),
    ...(topK === undefined ? {} : { topK }),
    ...(confidence === undefined ? {} : { confidence }),
  };
}

/** A block of lines for a person. */
function describe(file: string, answer: Located): string {
  const { status, location, accuracy, heading, probability, candidates, region, model, reasons, timingMs } = answer;
  const lines = [`${file}: ${status.replaceAll('_', ' ')} (probability ${probability.toFixed(3)})`];
  if (location !== undefined) {
    const [lon, lat] = location.coordinates;
    const within =
      accuracy === undefined ? '' : `, within ${metres(accuracy.radiusM)} (${percent(accuracy.confidence)})`;
    const towards = heading === undefined ? '' : `, looking ${degrees(heading.deg)} ± ${degrees(heading.accuracyDeg)}`;
    lines.push(`  lon ${lon.toFixed(6)}, lat ${lat.toFixed(6)}${within}${towards}`);
  }
  if (candidates.length > 0) {
    const table = formatTable(candidates, [
      { title: 'rank', align: 'right', cell: ({ rank }) => String(rank) },
      { title: 'probability', align: 'right', cell: (candidate) => candidate.probability.toFixed(3) },
      { title: 'similarity', align: 'right', cell: ({ similarity }) => similarity.toFixed(3) },
      { title: 'lon', align: 'right', cell: (candidate) => candidate.location.coordinates[0].toFixed(6) },
      { title: 'lat', align: 'right', cell: (candidate) => candidate.location.coordinates[1].toFixed(6) },
      { title: 'tile', cell: ({ tileId }) => tileId },
      { title: 'region', cell: ({ regionId }) => regionId },
    ]);
    lines.push(table.trimEnd().replaceAll(/^/gm, '  '));
  }
  if (reasons.length > 0) lines.push(`  less certain because: ${reasons.join(', ')}`);
  const searched = region === undefined ? '' : `region ${region.id} ${region.version} (${region.attribution}), `;
  lines.push(`  ${searched}model ${model.name} ${model.version}, ${timingMs.total.toFixed(0)} ms`);
  return `${lines.join('\n')}\n`;
}

function metres(value: number): string {
  return value < 1000 ? `${value.toFixed(0)} m` : `${(value / 1000).toFixed(1)} km`;
}

function degrees(value: number): string {
  return `${value.toFixed(0)}°`;
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}
