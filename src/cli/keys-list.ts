import type { KeyBody } from '../handlers/keys.ts';
import { TenantSchema } from '../handlers/keys.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, UsageError } from './failure.ts';
import { DATABASE_DETAILS, URL_OPTION, withKeys } from './keys.ts';
import { formatTable } from './table.ts';
import { checked } from './values.ts';

const options = {
  tenant: { type: 'string', value: 'TENANT', help: 'only the keys of this tenant' },
  ...URL_OPTION,
} as const;

const spec = {
  name: 'keys list',
  summary: 'Shows the API keys, newest first, with how each begins; a key itself is stored nowhere.',
  arguments: '',
  details: DATABASE_DETAILS,
  options,
  examples: ['geo2 keys list', 'geo2 keys list --tenant acme --json'],
} as const satisfies CommandSpec;

export const keysList: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) throw new UsageError(`geo2 keys list takes no ${JSON.stringify(positionals[0])}`);
    const tenant = values.tenant === undefined ? undefined : checked('--tenant', TenantSchema, values.tenant);
    const keys = await withKeys(context, values, (ring) => ring.list(tenant));
    if (values.json === true) context.stdout.write(`${JSON.stringify(keys, undefined, 2)}\n`);
    else context.stdout.write(keys.length === 0 ? 'There is no key. See: geo2 keys create --help\n' : tableOf(keys));
    return EXIT.ok;
  },
};

function tableOf(keys: readonly KeyBody[]): string {
  const now = new Date().toISOString();
  return formatTable(keys, [
    { title: 'id', cell: ({ id }) => id },
    { title: 'key', cell: ({ hint }) => hint },
    { title: 'tenant', cell: ({ tenant }) => tenant },
    { title: 'name', cell: ({ name }) => name },
    { title: 'state', cell: (key) => stateOf(key, now) },
    { title: 'scopes', cell: ({ scopes }) => scopes.join(',') },
    { title: 'regions', cell: ({ regions }) => regions?.join(',') ?? 'all' },
    { title: 'rate', cell: ({ rate }) => (rate === undefined ? '' : `${rate.requests}/${rate.windowS}`) },
    { title: 'expires', cell: ({ expiresAt }) => expiresAt?.slice(0, 16) ?? 'never' },
    { title: 'last used', cell: ({ lastUsedAt }) => lastUsedAt?.slice(0, 16) ?? 'never' },
  ]);
}

/** Times in ISO 8601, all in UTC, compare as text. */
function stateOf({ revokedAt, expiresAt }: KeyBody, now: string): string {
  if (revokedAt !== undefined) return 'revoked';
  return expiresAt !== undefined && expiresAt <= now ? 'expired' : 'usable';
}
