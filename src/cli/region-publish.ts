import { openVersion, readCurrent, writeCurrent } from '../core/storage/versioned.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, UsageError } from './failure.ts';
import { onlyArgument, openStore, regionPrefix, regionReference } from './store.ts';

const spec = {
  name: 'region publish',
  summary: 'Makes a version of a region the one that is served.',
  arguments: 'ID@VERSION',
  details: 'Its files are verified first. Going back to an older version is the same command.',
  options: {},
  examples: ['geo2 region publish null-island-demo@2026-01-31'],
} as const satisfies CommandSpec;

export const regionPublish: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const { id, version } = regionReference(onlyArgument(positionals, 'geo2 region publish ID@VERSION'));
    if (version === undefined) throw new UsageError(`Which version of ${id}? See: geo2 region list`);
    const store = openStore(context);
    const prefix = regionPrefix(id);
    await openVersion(store, prefix, { version, signal: context.signal });
    const before = await readCurrent(store, prefix);
    if (before?.version !== version) await writeCurrent(store, prefix, { version, replaces: before });
    const previous = before?.version ?? null;
    if (values.json === true) context.stdout.write(`${JSON.stringify({ id, version, previous })}\n`);
    else context.stdout.write(`${id}: ${version} is served${previous === null ? '' : ` (before: ${previous})`}\n`);
    return EXIT.ok;
  },
};
