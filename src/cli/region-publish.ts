import { publishRegion } from '../core/regions/publish.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, UsageError } from './failure.ts';
import { openIndexFile } from './index-file.ts';
import { onlyArgument, openStore, regionReference } from './store.ts';
import { tellPublication } from './tell-publication.ts';

const spec = {
  name: 'region publish',
  summary: 'Makes a version of a region the one that is served.',
  arguments: 'ID@VERSION',
  details: `It is verified first, as by geo2 region verify, and running services take it over within their poll (GEO2_POLL_S). Going back to
the version before is geo2 region rollback, going to any other this same command.`,
  options: {},
  examples: ['geo2 region publish null-island-demo@20260131T120000Z'],
} as const satisfies CommandSpec;

export const regionPublish: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const { id, version } = regionReference(onlyArgument(positionals, 'geo2 region publish ID@VERSION'));
    if (version === undefined) throw new UsageError(`Which version of ${id}? See: geo2 region list`);
    const { store, cache } = await openStore(context);
    const { replaced } = await publishRegion(
      store,
      { id, version },
      { cache, openIndex: openIndexFile, signal: context.signal },
    );
    await tellPublication(context, { store, id });
    if (values.json === true) {
      context.stdout.write(`${JSON.stringify({ id, version, replaced: replaced ?? null })}\n`);
    } else {
      const before = replaced === undefined || replaced === version ? '' : ` (before: ${replaced})`;
      context.stdout.write(`${id}: ${version} is served${before}\n`);
    }
    return EXIT.ok;
  },
};
