import { readConfig } from '../config.ts';
import { openModelStore } from '../model-store.ts';
import { openVersionCache } from '../object-store.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT, UsageError } from './failure.ts';

const spec = {
  name: 'model rollback',
  summary: 'Publishes the version of the model again that was published before the present one.',
  arguments: '',
  details: `In GEO2_MODEL_DIR. Regions that the present one embedded are rolled back, too, before services take it over: geo2 region rollback.`,
  options: {},
  examples: ['geo2 model rollback'],
} as const satisfies CommandSpec;

export const modelRollback: Command = {
  spec,
  async run(argv, { env, stdout, signal }) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) throw new UsageError(`geo2 model rollback takes no ${JSON.stringify(positionals[0])}`);
    const config = readConfig(env);
    const models = await openModelStore(config);
    const { version, replaced } = await models.rollBack({ cache: openVersionCache(config), signal });
    if (values.json === true) stdout.write(`${JSON.stringify({ model: models.name, version, replaced })}\n`);
    else stdout.write(`${models.name}: ${version} is published again (before: ${replaced})\n`);
    return EXIT.ok;
  },
};
