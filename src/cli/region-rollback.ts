import { rollBackRegion } from '../core/regions/publish.ts';
import { RegionIdSchema } from '../core/retrieval/region-manifest.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT } from './failure.ts';
import { openIndexFile } from './index-file.ts';
import { onlyArgument, openStore } from './store.ts';
import { tellPublication } from './tell-publication.ts';
import { checked } from './values.ts';

const spec = {
  name: 'region rollback',
  summary: 'Serves the version of a region again that was served before the present one.',
  arguments: 'ID',
  details: `It is verified first, as by geo2 region publish, and running services take it over within their poll (GEO2_POLL_S). Nothing is
deleted: rolling back twice is to go back and forth.`,
  options: {},
  examples: ['geo2 region rollback helsinki', 'GEO2_STORE=s3://imagery/geo2 geo2 region rollback helsinki --json'],
} as const satisfies CommandSpec;

export const regionRollback: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    const id = checked('ID', RegionIdSchema, onlyArgument(positionals, 'geo2 region rollback ID'));
    const { store, cache } = await openStore(context);
    const options = { cache, openIndex: openIndexFile, signal: context.signal };
    const { version, replaced } = await rollBackRegion(store, id, options);
    await tellPublication(context, { store, id });
    if (values.json === true) context.stdout.write(`${JSON.stringify({ id, version, replaced })}\n`);
    else context.stdout.write(`${id}: ${version} is served again (before: ${replaced})\n`);
    return EXIT.ok;
  },
};
