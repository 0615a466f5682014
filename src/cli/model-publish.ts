import { readConfig } from '../config.ts';
import { openModelStore } from '../model-store.ts';
import { openVersionCache } from '../object-store.ts';
import { type Command, type CommandSpec, parseCommand } from './command.ts';
import { EXIT } from './failure.ts';
import { onlyArgument } from './store.ts';

const spec = {
  name: 'model publish',
  summary: 'Makes a version of the model the one that is served.',
  arguments: 'VERSION',
  details: `In GEO2_MODEL_DIR. The size and sha256 of its files are verified first. Running services take it over when every region has a version that
it embedded: docs/regions.md.`,
  options: {},
  examples: ['geo2 model publish 0.3.0'],
} as const satisfies CommandSpec;

export const modelPublish: Command = {
  spec,
  async run(argv, { env, stdout, signal }) {
    const { values, positionals } = parseCommand(spec, argv);
    const version = onlyArgument(positionals, 'geo2 model publish VERSION');
    const config = readConfig(env);
    const models = await openModelStore(config);
    const { replaced } = await models.publish(version, { cache: openVersionCache(config), signal });
    if (values.json === true) {
      stdout.write(`${JSON.stringify({ model: models.name, version, replaced: replaced ?? null })}\n`);
    } else {
      const before = replaced === undefined || replaced === version ? '' : ` (before: ${replaced})`;
      stdout.write(`${models.name}: ${version} is published${before}\n`);
    }
    return EXIT.ok;
  },
};
