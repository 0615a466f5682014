import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { PROGRAM_DIR } from '../config.ts';
import { type Command, type CommandContext, helpOf } from './command.ts';
import { EXIT, expectedError, UsageError } from './failure.ts';

interface Entry {
  readonly name: string;
  readonly summary: string;
  /** Loaded when it is used: `--help` starts nothing. */
  readonly load: () => Promise<Command>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: 'serve',
    summary: 'serve the API and the page',
    load: async () => (await import('./serve.ts')).serve,
  },
  {
    name: 'locate',
    summary: 'say where photos were taken',
    load: async () => (await import('./locate.ts')).locate,
  },
  {
    name: 'embed',
    summary: 'turn photos or aerial tiles into vectors',
    load: async () => (await import('./embed.ts')).embed,
  },
  {
    name: 'synthesize',
    summary: 'make the street of an aerial tile, or the other way round',
    load: async () => (await import('./synthesize.ts')).synthesize,
  },
  {
    name: 'region build',
    summary: 'make a searchable region of your own imagery',
    load: async () => (await import('./region-build.ts')).regionBuild,
  },
  {
    name: 'region merge',
    summary: 'join the parts of a region that were built apart',
    load: async () => (await import('./region-merge.ts')).regionMerge,
  },
  {
    name: 'region verify',
    summary: 'check every file of a region',
    load: async () => (await import('./region-verify.ts')).regionVerify,
  },
  {
    name: 'region list',
    summary: 'show the regions of the store and their versions',
    load: async () => (await import('./region-list.ts')).regionList,
  },
  {
    name: 'region publish',
    summary: 'choose the version of a region that is served',
    load: async () => (await import('./region-publish.ts')).regionPublish,
  },
  {
    name: 'region rollback',
    summary: 'serve the version again that was served before',
    load: async () => (await import('./region-rollback.ts')).regionRollback,
  },
  {
    name: 'model publish',
    summary: 'choose the version of the model that is served',
    load: async () => (await import('./model-publish.ts')).modelPublish,
  },
  {
    name: 'model rollback',
    summary: 'publish the version of the model again that was published before',
    load: async () => (await import('./model-rollback.ts')).modelRollback,
  },
  {
    name: 'keys create',
    summary: 'make an API key',
    load: async () => (await import('./keys-create.ts')).keysCreate,
  },
  {
    name: 'keys list',
    summary: 'show the API keys',
    load: async () => (await import('./keys-list.ts')).keysList,
  },
  {
    name: 'keys revoke',
    summary: 'have an API key refused from now on',
    load: async () => (await import('./keys-revoke.ts')).keysRevoke,
  },
  {
    name: 'doctor',
    summary: 'check what the service stands on, and say what to do',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  {
    name: 'evaluate',
    summary: 'measure the service on photos whose place is known',
    load: async () => (await import('./evaluate.ts')).evaluate,
  },
  {
    name: 'calibrate',
    summary: 'fit the probabilities to photos whose place is known',
    load: async () => (await import('./calibrate.ts')).calibrate,
  },
];

/** `serve` stops by itself, in order: it must see the signals. */
const OWN_SIGNALS = new Set(['serve']);

export type ProgramContext = Omit<CommandContext, 'signal'>;

/** Runs a command line; resolves with the exit code. Never rejects for what was foreseen. */
export async function runProgram(argv: readonly string[], context: ProgramContext): Promise<number> {
  const { stdout, stderr } = context;
  try {
    const [first, ...rest] = argv;
    if (first === undefined) {
      stderr.write(overview());
      return EXIT.usage;
    }
    if (first === '--version' || first === '-V') {
      stdout.write(`${await programVersion()}\n`);
      return EXIT.ok;
    }
    if (first === '--help' || first === '-h') return showHelp([], context);
    if (first === 'help') return await showHelp(rest, context);
    return await runCommand(argv, context);
  } catch (error) {
    return report(error, { argv, context });
  }
}

async function runCommand(argv: readonly string[], context: ProgramContext): Promise<number> {
  const { entry, rest, group } = findCommand(argv);
  if (entry === undefined) return showHelp([group], context);
  const command = await entry.load();
  if (asksForHelp(rest)) {
    context.stdout.write(helpOf(command.spec));
    return EXIT.ok;
  }
  if (OWN_SIGNALS.has(entry.name)) {
    return command.run(rest, { ...context, signal: new AbortController().signal });
  }
  return interruptible((signal) => command.run(rest, { ...context, signal }));
}

/** Runs until done or until Ctrl-C or SIGTERM: then the work is told to stop and cleans up; a second signal does not wait. */
async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new Interrupted('interrupted'));
  };
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  try {
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.aborted) throw new Interrupted('interrupted', { cause: error });
    throw error;
  } finally {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, onSignal);
  }
}

class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** The command that the first words name; only a group when it stops there (`geo2 region --help`). */
function findCommand(argv: readonly string[]): { entry: Entry | undefined; rest: readonly string[]; group: string } {
  const [first = '', second = ''] = argv;
  const single = COMMANDS.find(({ name }) => name === first);
  if (single !== undefined) return { entry: single, rest: argv.slice(1), group: first };
  const members = COMMANDS.filter(({ name }) => name.startsWith(`${first} `));
  if (first === '' || members.length === 0) {
    throw new UsageError(
      `There is no command ${JSON.stringify(first)}. Commands: ${names(COMMANDS)}. See: geo2 --help`,
    );
  }
  const entry = members.find(({ name }) => name === `${first} ${second}`);
  if (entry !== undefined) return { entry, rest: argv.slice(2), group: first };
  if (asksForHelp(argv.slice(1, 2))) return { entry: undefined, rest: [], group: first };
  const asked = second === '' || second.startsWith('-') ? 'needs one more word' : `has no ${JSON.stringify(second)}`;
  throw new UsageError(`geo2 ${first} ${asked}: ${names(members)}. See: geo2 ${first} --help`);
}

async function showHelp(words: readonly string[], context: ProgramContext): Promise<number> {
  if (words.length === 0) {
    context.stdout.write(overview());
    return EXIT.ok;
  }
  const [group = ''] = words;
  const members = COMMANDS.filter(({ name }) => name.startsWith(`${group} `));
  if (words.length === 1 && members.length > 0) {
    context.stdout.write(overview(members));
    return EXIT.ok;
  }
  const { entry } = findCommand(words);
  if (entry !== undefined) context.stdout.write(helpOf((await entry.load()).spec));
  return EXIT.ok;
}

function overview(entries: readonly Entry[] = COMMANDS): string {
  const width = Math.max(...entries.map(({ name }) => name.length));
  return [
    'Geo2: from a photo to the place where it was taken.',
    '',
    'Usage:',
    '  geo2 <command> [arguments] [options]',
    '',
    'Commands:',
    ...entries.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'geo2 <command> --help says more, with examples. geo2 --version prints the version.',
    '',
    'Commands work on the store directly (GEO2_STORE, by default the demo), or send to a running server with --url.',
    'Exit codes: 0 done, 1 failed, 2 the command line is wrong, 130 interrupted.',
    '',
  ].join('\n');
}

/** Tells of an error where people and scripts look; gives the exit code. */
function report(error: unknown, { argv, context }: { argv: readonly string[]; context: ProgramContext }): number {
  const { stdout, stderr } = context;
  if (error instanceof Interrupted) {
    stderr.write('geo2: interrupted\n');
    return EXIT.interrupted;
  }
  const expected = expectedError(error);
  if (expected === undefined) {
    stderr.write(`geo2: this is a fault of the program:\n${error instanceof Error ? error.stack : String(error)}\n`);
    if (argv.includes('--json'))
      stdout.write(`${JSON.stringify({ error: { code: 'INTERNAL', message: String(error) } })}\n`);
    return EXIT.failure;
  }
  stderr.write(`geo2: ${expected.message}\n`);
  if (argv.includes('--json')) stdout.write(`${JSON.stringify({ error: expected })}\n`);
  return error instanceof UsageError ? EXIT.usage : EXIT.failure;
}

/** Before `--`, which ends the options. */
function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end === -1 ? argv : argv.slice(0, end)).some((argument) => argument === '--help' || argument === '-h');
}

function names(entries: readonly Entry[]): string {
  return entries.map(({ name }) => name).join(', ');
}

async function programVersion(): Promise<string> {
  const text = await readFile(join(PROGRAM_DIR, 'package.json'), 'utf8');
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
