import { isId } from '../core/ids.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, UsageError } from './failure.ts';
import { DATABASE_DETAILS, URL_OPTION, withKeys } from './keys.ts';
import { onlyArgument } from './store.ts';

const spec = {
  name: 'keys revoke',
  summary: 'Revokes an API key: from now on it is refused, for good.',
  arguments: 'ID',
  details: DATABASE_DETAILS,
  options: URL_OPTION,
  examples: ['geo2 keys revoke key_abcdefghijklmnopqrstuvwxyz'],
} as const satisfies CommandSpec;

export const keysRevoke: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const id = onlyArgument(positionals, 'geo2 keys revoke ID');
    if (!isId('key', id)) {
      throw new UsageError(`${JSON.stringify(id)} is no key’s id: it is key_ and 26 characters. See: geo2 keys list`);
    }
    const key = await withKeys(context, values, (keys) => keys.revoke(id));
    if (values.json === true) context.stdout.write(`${JSON.stringify(key)}\n`);
    else context.stdout.write(`${key.id} (${key.name}, of ${key.tenant}) is revoked since ${key.revokedAt}\n`);
    return EXIT.ok;
  },
};
