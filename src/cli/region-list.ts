import { listVersions, readCurrent } from '../core/storage/versioned.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, expectedError, UsageError } from './failure.ts';
import { openStore, readManifest, regionIds, regionPrefix } from './store.ts';
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
    const { url, regions } = await listRegions(context);
    if (values.json === true) context.stdout.write(`${JSON.stringify(regions, undefined, 2)}\n`);
    else context.stdout.write(regions.length === 0 ? `${url} holds no region.\n` : describe(regions));
    return EXIT.ok;
  },
};

async function listRegions(context: CommandContext): Promise<{ url: string; regions: ListedRegion[] }> {
  const store = openStore(context);
  const regions: ListedRegion[] = [];
  for (const id of await regionIds(store, context.signal)) {
    const served = (await readCurrent(store, regionPrefix(id)))?.version ?? null;
    const versions: ListedVersion[] = [];
    for (const version of await listVersions(store, regionPrefix(id))) {
      versions.push({ version, served: version === served, ...(await aboutVersion(store, { id, version })) });
    }
    regions.push({ id, served, versions });
  }
  return { url: store.url, regions };
}

async function aboutVersion(
  store: Parameters<typeof readManifest>[0],
  place: { id: string; version: string },
): Promise<Omit<ListedVersion, 'version' | 'served'>> {
  try {
    const manifest = await readManifest(store, place);
    if (manifest === undefined) return { problem: 'has no manifest' };
    const { createdAt, tileCount, headings, model, files } = manifest;
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

function describe(regions: readonly ListedRegion[]): string {
  const rows = regions.flatMap(({ id, versions }) =>
    versions.length === 0 ? [{ id, version: '(none)', served: false }] : versions.map((found) => ({ id, ...found })),
  );
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
