import { parseArgs } from 'node:util';
import { UsageError } from './failure.ts';

/** What a command may touch of the world around it. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: AsyncIterable<Uint8Array | string>;
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  readonly nowMs: () => number;
}

/** A stream to write text to. */
export interface Output {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

/** An option of a command: what `parseArgs` needs, and what `--help` says. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  readonly multiple?: boolean;
  /** How its value is called in the help. */
  readonly value?: string;
  readonly help: string;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** What `--help` shows of a command; the parser reads the same options. */
export interface CommandSpec<T extends OptionSpecs = OptionSpecs> {
  /** As it is typed: `locate`, `region build`. */
  readonly name: string;
  readonly summary: string;
  /** Positional arguments as the help shows them. */
  readonly arguments: string;
  /** Paragraphs below the summary. */
  readonly details?: string;
  readonly options: T;
  readonly examples: readonly string[];
}

export interface Command {
  readonly spec: CommandSpec;
  /** Resolves with the exit code. */
  run(argv: readonly string[], context: CommandContext): Promise<number>;
}

/** Every command has these. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean', help: 'print JSON for scripts instead of text' },
  help: { type: 'boolean', short: 'h', help: 'show this help' },
} as const satisfies OptionSpecs;

/** Reads a command's arguments. Throws UsageError. */
export function parseCommand<const T extends OptionSpecs>(spec: CommandSpec<T>, argv: readonly string[]) {
  const options = { ...spec.options, ...COMMON_OPTIONS };
  try {
    return parseArgs({ args: joinNegative(argv, options), options, allowPositionals: true, strict: true });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${plain(error.message)} See: geo2 ${spec.name} --help`);
  }
}

/** The text of `--help`. */
export function helpOf(spec: CommandSpec): string {
  const usage = ['geo2', spec.name, spec.arguments, '[options]'].filter((part) => part !== '').join(' ');
  const options: OptionSpecs = { ...spec.options, ...COMMON_OPTIONS };
  const rows = Object.entries(options).map(([name, option]) => ({
    left: `${option.short === undefined ? '' : `-${option.short}, `}--${name}${option.value === undefined ? '' : ` ${option.value}`}`,
    help: option.help,
  }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  const indent = ' '.repeat(width + 4);
  return [
    spec.summary,
    ...(spec.details === undefined ? [] : ['', spec.details]),
    '',
    'Usage:',
    `  ${usage}`,
    '',
    'Options:',
    ...rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help.replaceAll('\n', `\n${indent}`)}`),
    '',
    'Examples:',
    ...spec.examples.map((example) => `  ${example}`),
    '',
  ].join('\n');
}

/** `--near -0.5,0.2,300` is meant as a value, although it starts with a dash: coordinates west and south are negative. */
function joinNegative(argv: readonly string[], options: OptionSpecs): string[] {
  const joined: string[] = [];
  let literal = false;
  for (const argument of argv) {
    const previous = joined.at(-1);
    const takesValue = previous?.startsWith('--') === true && options[previous.slice(2)]?.type === 'string';
    if (!literal && takesValue && /^-[\d.]/.test(argument)) joined[joined.length - 1] = `${previous}=${argument}`;
    else joined.push(argument);
    if (argument === '--') literal = true;
  }
  return joined;
}

/** The parser's own words, without its advice on how to quote. */
function plain(message: string): string {
  const first = message.split(/\.\s|\n/, 1)[0] ?? message;
  return `${first.endsWith('.') ? first : `${first}.`}`;
}
