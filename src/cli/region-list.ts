import { listRegions } from '../core/regions/publish.ts';
import { RegionManifestSchema } from '../core/retrieval/region-manifest.ts';
import { type ObjectStore, readBytes } from '../core/storage/object-store.ts';
import { parseStoredJson } from '../core/storage/stored-json.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, expectedError, UsageError } from './failure.ts';
import { openStore } from './store.ts';
import { bytes, formatTable } from './table.ts';

const spec = {
  name: 'region list',
  summary: 'Shows the regions of the store, their versions, and which one is served.',
  arguments: '',
  options: {},
  examples: ['geo2 region list', 'GEO2_STORE=file:///srv/geo2 geo2 region list --json'],
} as const satisfies CommandSpec;

interface ListedVersion {
  readonly version: string;
  readonly served: boolean;
  readonly createdAt?: string;
  readonly tiles?: number;
  readonly headings?: number;
  readonly model?: string;
  readonly sizeBytes?: number;
  /** Why the manifest cannot be read. */
  readonly problem?: string;
}

interface ListedRegion {
  readonly id: string;
  readonly served: string | null;
  readonly versions: readonly ListedVersion[];
}

export const regionList: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) throw new UsageError(`geo2 region list takes no ${JSON.stringify(positionals[0])}`);
    const { store } = await openStore(context);
    const regions = await describeRegions(store);
    if (values.json === true) context.stdout.write(`${JSON.stringify(regions, undefined, 2)}\n`);
    else context.stdout.write(regions.length === 0 ? `${store.url} holds no region.\n` : tableOf(regions));
    return EXIT.ok;
  },
};

async function describeRegions(store: ObjectStore): Promise<ListedRegion[]> {
  const regions: ListedRegion[] = [];
  for (const { id, versions, current } of await listRegions(store)) {
    const described: ListedVersion[] = [];
    for (const version of versions) {
      described.push({ version, served: version === current, ...(await aboutVersion(store, { id, version })) });
    }
    regions.push({ id, served: current ?? null, versions: described });
  }
  return regions;
}

type About = Omit<ListedVersion, 'version' | 'served'>;

/** A version that is damaged is listed with its problem: the others are no worse for it. */
async function aboutVersion(store: ObjectStore, place: { id: string; version: string }): Promise<About> {
  const key = `regions/${place.id}/${place.version}/manifest.json`;
  try {
    const found = await readBytes(store, key);
    if (found === undefined) return { problem: `${key} is missing` };
    const { createdAt, tileCount, headings, model, files } = parseStoredJson(RegionManifestSchema, found.bytes, key);
    return {
      createdAt,
      tiles: tileCount,
      headings,
      model: `${model.name} ${model.version}`,
      sizeBytes: files.reduce((sum, file) => sum + file.sizeBytes, 0),
    };
  } catch (error) {
    const expected = expectedError(error);
    if (expected === undefined) throw error;
    return { problem: expected.message };
  }
}

function tableOf(regions: readonly ListedRegion[]): string {
  const rows = regions.flatMap(({ id, versions }) => versions.map((found) => ({ id, ...found })));
  return formatTable<{ id: string } & ListedVersion>(rows, [
    { title: 'region', cell: ({ id }) => id },
    { title: 'version', cell: ({ version }) => version },
    { title: 'served', cell: ({ served }) => (served ? 'yes' : '') },
    { title: 'tiles', align: 'right', cell: ({ tiles }) => tiles?.toString() ?? '' },
    { title: 'headings', align: 'right', cell: ({ headings }) => headings?.toString() ?? '' },
    { title: 'size', align: 'right', cell: ({ sizeBytes }) => (sizeBytes === undefined ? '' : bytes(sizeBytes)) },
    { title: 'model', cell: ({ model }) => model ?? '' },
    { title: 'created', cell: ({ createdAt, problem }) => problem?.split('\n', 1)[0] ?? createdAt ?? '' },
  ]);
}
