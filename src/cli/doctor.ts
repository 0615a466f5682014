import { type Config, readConfig } from '../config.ts';
import { Geo2Error } from '../core/errors.ts';
import { type Command, type CommandContext, type CommandSpec, parseCommand } from './command.ts';
import { checkDatabase } from './doctor/database.ts';
import { checkEngine, checkIndex } from './doctor/engine.ts';
import { checkKeys, checkOutbound } from './doctor/exposure.ts';
import type { Finding } from './doctor/finding.ts';
import { checkDisk, checkNode, checkThreads } from './doctor/machine.ts';
import { checkStore } from './doctor/store.ts';
import { EXIT, UsageError } from './failure.ts';

const NODE = { major: 24, minor: 12 };

const spec = {
  name: 'doctor',
  summary:
    'Checks what the service stands on: settings, Node, disk, database, store, model, regions, index, device, what it may reach.',
  arguments: '',
  details: `A line each, with what to do about it; the exit code is 1 when something would keep the service from serving. Nothing is changed:
no schema is made, no folder, no file. It takes the settings from the same environment as serve does.`,
  options: {},
  examples: ['geo2 doctor', 'GEO2_STORE=file:///srv/geo2 geo2 doctor --json'],
} as const satisfies CommandSpec;

export const doctor: Command = {
  spec,
  async run(argv, context) {
    const { values, positionals } = parseCommand(spec, argv);
    if (positionals.length > 0) throw new UsageError(`geo2 doctor takes no ${JSON.stringify(positionals[0])}`);
    const findings: Finding[] = [];
    for await (const finding of examine(context)) {
      findings.push(finding);
      if (values.json !== true) context.stdout.write(lineOf(finding));
    }
    const failed = findings.filter(({ status }) => status === 'fail').length;
    const warned = findings.filter(({ status }) => status === 'warn').length;
    if (values.json === true) context.stdout.write(`${JSON.stringify({ ok: failed === 0, checks: findings })}\n`);
    else context.stdout.write(`${findings.length - failed - warned} ok, ${warned} warn, ${failed} fail\n`);
    return failed === 0 ? EXIT.ok : EXIT.failure;
  },
};

async function* examine({ env, signal }: Pick<CommandContext, 'env' | 'signal'>): AsyncGenerator<Finding> {
  yield checkNode(process.versions.node, NODE);
  const config = settingsOf(env);
  if (!('storeUrl' in config)) {
    yield* config;
    return;
  }
  yield { check: 'settings', status: 'ok', detail: 'every variable can be used' };
  const index = await checkIndex(config);
  const steps: (() => Promise<Finding | Finding[]> | Finding)[] = [
    () => checkDatabase(config),
    () => checkDisk(config.dataDir),
    () => checkStore(config),
    () => index,
    () => checkThreads(config),
    () =>
      checkEngine({ ...config, vectorIndex: index.status === 'ok' ? config.vectorIndex : 'exact' }, libraryPath(env)),
    () => checkKeys(config),
    () => checkOutbound(config),
  ];
  for (const step of steps) {
    signal.throwIfAborted();
    const found = await step();
    if (Array.isArray(found)) yield* found;
    else yield found;
  }
}

/** The settings, or a finding for each variable that is wrong. */
function settingsOf(env: CommandContext['env']): Config | Finding[] {
  try {
    return readConfig(env);
  } catch (error) {
    if (!(error instanceof Geo2Error)) throw error;
    const [, ...problems] = error.message.split('\n');
    return problems.map((line) => ({
      check: 'settings',
      status: 'fail',
      detail: line.trim(),
      advice: 'correct this variable; docs/operating.md lists them',
    }));
  }
}

function libraryPath({ LD_LIBRARY_PATH }: CommandContext['env']): Record<string, string> {
  return LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH };
}

function lineOf({ check, status, detail, advice }: Finding): string {
  const line = `${status.padEnd(4)}  ${check.padEnd(10)}  ${detail}\n`;
  return advice === undefined ? line : `${line}${' '.repeat(6)}-> ${advice}\n`;
}
