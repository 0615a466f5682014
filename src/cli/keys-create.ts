import * as z from 'zod';
import { RateTextSchema } from '../config.ts';
import { SCOPES } from '../core/accounts/caller.ts';
import {
  AllowedRegionsSchema,
  DEFAULT_SCOPES,
  KeyNameSchema,
  MaxConcurrentSchema,
  ScopesSchema,
  TenantSchema,
} from '../handlers/keys.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, UsageError } from './failure.ts';
import { DATABASE_DETAILS, URL_OPTION, withKeys } from './keys.ts';
import { checked, numberOption, required } from './values.ts';

const options = {
  tenant: {
    type: 'string',
    value: 'TENANT',
    help: 'whose key it is: lower-case letters, digits and -; tenants see nothing of each other',
  },
  name: { type: 'string', value: 'NAME', help: 'by which you tell it from others' },
  scopes: {
    type: 'string',
    value: 'A,B',
    help: `what it may do: ${SCOPES.join(', ')}\n(default: all but admin)`,
  },
  expires: {
    type: 'string',
    value: 'WHEN',
    help: 'in so many days or hours (90d, 12h), or at a date or time (2027-01-31)\n(default: never)',
  },
  regions: { type: 'string', value: 'A,B', help: 'the only regions that it may ask for (default: all)' },
  rate: {
    type: 'string',
    value: 'N/SECONDS',
    help: 'requests in a window, such as 600/60 (default: GEO2_RATE_LIMIT of the server)',
  },
  concurrency: { type: 'string', value: 'N', help: 'requests in flight (default: GEO2_MAX_CONCURRENT of the server)' },
  ...URL_OPTION,
} as const;

const spec = {
  name: 'keys create',
  summary: 'Makes an API key and prints it once: it is stored nowhere, and cannot be shown again.',
  arguments: '--tenant TENANT --name NAME',
  details: `The key alone goes to the standard output, what is said of it to the standard error.
${DATABASE_DETAILS} The tenant local is whoever runs the service: its admins manage the keys of all tenants.`,
  options,
  examples: [
    'geo2 keys create --tenant acme --name "mobile backend" --scopes geolocate,jobs --expires 90d',
    'KEY=$(geo2 keys create --tenant acme --name test)',
    'geo2 keys create --tenant local --name operator --scopes admin',
  ],
} as const satisfies CommandSpec;

export const keysCreate: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) throw new UsageError(`geo2 keys create takes no ${JSON.stringify(positionals[0])}`);
    const asked = {
      tenant: checked('--tenant', TenantSchema, required('--tenant', values.tenant, 'acme')),
      name: checked('--name', KeyNameSchema, required('--name', values.name, '"mobile backend"')),
      scopes:
        values.scopes === undefined ? [...DEFAULT_SCOPES] : checked('--scopes', ScopesSchema, listOf(values.scopes)),
      ...(values.regions === undefined
        ? {}
        : { regions: checked('--regions', AllowedRegionsSchema, listOf(values.regions)) }),
      ...(values.expires === undefined ? {} : { expiresAt: momentOf(values.expires, new Date()).toISOString() }),
      ...(values.rate === undefined ? {} : { rate: checked('--rate', RateTextSchema, values.rate) }),
      ...(values.concurrency === undefined
        ? {}
        : { maxConcurrent: numberOption('--concurrency', values.concurrency, MaxConcurrentSchema) }),
    };
    const created = await withKeys(context, values, (keys) => keys.create(asked));
    if (values.json === true) {
      context.stdout.write(`${JSON.stringify(created)}\n`);
      return EXIT.ok;
    }
    const until = created.expiresAt === undefined ? '' : `, until ${created.expiresAt}`;
    context.stderr.write(
      `${created.id}: ${created.name}, of ${created.tenant}, may ${created.scopes.join(', ')}${until}. Keep the key: it is not shown again.\n`,
    );
    context.stdout.write(`${created.key}\n`);
    return EXIT.ok;
  },
};

const MS = { h: 3_600_000, d: 86_400_000 };
const DateTextSchema = z.union([z.iso.date(), z.iso.datetime({ offset: true })]);

/** When a key expires. Throws UsageError for what is no time, or has passed. */
export function momentOf(text: string, now: Date): Date {
  const [, count, unit] = /^(\d{1,5})([hd])$/.exec(text) ?? [];
  if (count !== undefined && Number(count) > 0) {
    return new Date(now.getTime() + Number(count) * (unit === 'h' ? MS.h : MS.d));
  }
  if (!DateTextSchema.safeParse(text).success) {
    throw new UsageError(
      `--expires must be such as 90d, 12h, 2027-01-31 or 2027-01-31T12:00:00Z, not ${JSON.stringify(text)}`,
    );
  }
  const moment = new Date(text);
  if (moment <= now) throw new UsageError(`--expires ${text} has passed already`);
  return moment;
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}
