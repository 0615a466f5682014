import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { PROGRAM_DIR, readConfig } from '../../src/config.ts';
import { createLogger } from '../../src/logging.ts';
import { type RunningServer, startServer } from '../../src/main.ts';

/** A fenced block of a guide, and the block of `json` or `text` right below it, which is what it prints. */
export interface Block {
  readonly language: string;
  readonly code: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly section: string;
  readonly printed?: { readonly language: 'json' | 'text'; readonly text: string };
}

/** The address that guides write for the service. */
const WRITTEN_URL = 'http://127.0.0.1:8080';
/** A block of one command that sets variables and serves: what follows it in the guide goes to that service. */
const SERVES = /^((?:[A-Z0-9_]+=\S*(?:\s|\\\n)+)*)make demo\s*$/;
/** A port that a guide lets a program of the reader listen on. */
const RECEIVER_PORT = /\b1808[1-4]\b/g;
const COMMAND_TIMEOUT_MS = 300_000;
/** Of curl: an answer of 400 and more, with `--fail-with-body`. */
const HTTP_ERROR = 22;

/** All blocks of a Markdown text in their order; those that only show what another one prints hang on it. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let section = '';
  let open: { language: string; line: number; lines: string[] } | undefined;
  let proseSince = true;
  for (const [index, text] of markdown.split('\n').entries()) {
    const fence = /^```(\S*)/.exec(text);
    if (open === undefined) {
      section = /^#+ (.*)/.exec(text)?.[1] ?? section;
      if (fence !== null) open = { language: fence[1] ?? '', line: index + 1, lines: [] };
      else if (text.trim() !== '') proseSince = true;
      continue;
    }
    if (fence === null) {
      open.lines.push(text);
      continue;
    }
    const { language, line } = open;
    const code = open.lines.join('\n');
    const last = blocks.at(-1);
    const runs = last !== undefined && RUNNABLE.has(last.language) && last.printed === undefined;
    if ((language === 'json' || language === 'text') && runs && !proseSince) {
      blocks[blocks.length - 1] = { ...last, printed: { language, text: code } };
    } else blocks.push({ language, code, line, section });
    open = undefined;
    proseSince = false;
  }
  return blocks;
}

const RUNNABLE = new Set(['sh', 'python', 'js', 'ts']);

/** What a block did against what the guide says of it: nothing when it is as written, else a sentence. */
export function differenceOf(block: Block, run: { exitCode: number; stdout: string; stderr: string }): string {
  const { printed } = block;
  const document = printed?.language === 'json' ? parseJson(printed.text) : undefined;
  const wanted = isProblem(document) ? HTTP_ERROR : 0;
  if (run.exitCode !== wanted) {
    return `ended with ${run.exitCode} instead of ${wanted}:\n${run.stdout.slice(-2000)}\n${run.stderr.slice(-4000)}`;
  }
  if (printed === undefined) return '';
  if (printed.language === 'text') {
    const [said, got] = [printed.text.trim(), run.stdout.trim()];
    return patternOf(said).test(got) ? '' : `printed\n${got.slice(0, 4000)}\ninstead of\n${said}`;
  }
  const differences = compare(document, parseJson(run.stdout), '');
  return differences.length === 0 ? '' : `${differences.join('\n')}\nin ${run.stdout.slice(0, 4000)}`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`this is no JSON: ${text.slice(0, 1000)}`, { cause });
  }
}

function isProblem(document: unknown): boolean {
  return isObject(document) && 'code' in document && typeof document.status === 'number' && document.status >= 400;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A guide shortens what it shows: members may be left out; `…` stands for any text, and as the last item of a list for further
 * ones. Numbers with decimals are equal when they are to the last digit that is written.
 */
function compare(written: unknown, got: unknown, at: string): string[] {
  const differs = [`${at === '' ? 'the answer' : at} is ${JSON.stringify(got)?.slice(0, 200)}, not ${text(written)}`];
  if (Array.isArray(written)) {
    if (!Array.isArray(got)) return differs;
    const more = written.at(-1) === '…';
    const items = more ? written.slice(0, -1) : written;
    if (got.length < items.length || (!more && got.length > items.length)) return differs;
    return items.flatMap((item, index) => compare(item, got[index], `${at}[${index}]`));
  }
  if (isObject(written)) {
    if (!isObject(got)) return differs;
    return Object.entries(written).flatMap(([name, value]) => compare(value, got[name], `${at}.${name}`));
  }
  if (typeof written === 'number' && typeof got === 'number') {
    const decimals = String(written).split('.')[1]?.length ?? 0;
    const close = decimals === 0 ? written === got : Math.abs(written - got) <= 10 ** -decimals;
    return close ? [] : differs;
  }
  if (typeof written === 'string' && typeof got === 'string') return patternOf(written).test(got) ? [] : differs;
  return written === got ? [] : differs;
}

function text(value: unknown): string {
  return JSON.stringify(value).slice(0, 200);
}

function patternOf(written: string): RegExp {
  const quoted = written.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${quoted.join('[^]*')}$`);
}

/** A folder that looks like a clone of the repository, a shell that remembers its variables, and the service that was last served. */
export interface GuideReader {
  readonly dir: string;
  /** Runs a block as a reader would: a shell command, a program, or a file to be saved under the name in its first line. */
  run(block: Block): Promise<string>;
  stop(): Promise<void>;
}

export interface GuideReaderOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Where programs find packages; the repository's own unless said. */
  readonly nodeModules?: string;
}

export async function createGuideReader(options: GuideReaderOptions = {}): Promise<GuideReader> {
  const dir = await mkdtemp(join(tmpdir(), 'geo2-guide-'));
  await mkdir(join(dir, 'bin'));
  for (const path of ['bin/geo2', 'demo']) await symlink(join(PROGRAM_DIR, path), join(dir, path));
  await symlink(options.nodeModules ?? join(PROGRAM_DIR, 'node_modules'), join(dir, 'node_modules'));
  await writeFile(join(dir, '.curlrc'), 'fail-with-body\nsilent\nshow-error\nmax-time = 280\n');
  const variables = join(dir, '.variables');
  await writeFile(variables, '');
  const settings = {
    GEO2_DATA_DIR: join(dir, '.geo2/data'),
    GEO2_CACHE_DIR: join(dir, '.geo2/cache'),
    ...options.env,
  };
  const path = [join(PROGRAM_DIR, '.venv/bin'), join(PROGRAM_DIR, 'node_modules/.bin'), process.env.PATH ?? ''];
  const env = {
    PATH: path.join(delimiter),
    HOME: dir,
    CURL_HOME: dir,
    LANG: 'C.UTF-8',
    VARIABLES: variables,
    ...settings,
  };
  const started: ChildProcess[] = [];
  const receiverPorts = await freePorts(4);
  let server: RunningServer | undefined;

  async function serve(assignments: string): Promise<void> {
    await server?.stop();
    server = undefined;
    const given = [...assignments.matchAll(/([A-Z0-9_]+)=(\S*)/g)].map(([, name = '', value = '']) => [name, value]);
    const config = readConfig({ GEO2_THREADS: '1', ...settings, ...Object.fromEntries(given), PORT: '0' });
    const logger = createLogger({ level: 'silent', version: 'test' });
    server = await startServer(config, { logger });
  }

  async function run(block: Block): Promise<string> {
    const served = block.language === 'sh' ? SERVES.exec(block.code) : null;
    if (served !== null) {
      await serve(served[1] ?? '');
      return '';
    }
    const url = server?.url ?? WRITTEN_URL;
    const here = (written: string): string =>
      written
        .replaceAll(WRITTEN_URL, url)
        .replaceAll(RECEIVER_PORT, (port) => String(receiverPorts[Number(port) - 18_081]));
    const code = here(block.code);
    const name = /^(?:#|\/\/) ([a-z][a-z-]*\.(?:py|mjs|ts))$/m.exec(code.split('\n', 1)[0] ?? '')?.[1];
    if (name !== undefined) {
      await writeFile(join(dir, name), `${code}\n`);
      return '';
    }
    const command = await commandOf(block.language, code);
    const result = await execute(command);
    const printed = block.printed;
    return differenceOf(
      { ...block, ...(printed === undefined ? {} : { printed: { ...printed, text: here(printed.text) } }) },
      result,
    );
  }

  /** Programs are run with the variables of the shell, as if typed into it. */
  async function commandOf(language: string, code: string): Promise<string> {
    if (language === 'sh') return code;
    const [program, file] = PROGRAMS[language] ?? [];
    if (program === undefined || file === undefined) throw new Error(`a guide cannot run ${language}`);
    await writeFile(join(dir, file), `${code}\n`);
    return `${program} ${file}`;
  }

  function execute(command: string): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    const script = `set -euo pipefail -a; source "$VARIABLES"; trap 'export -p > "$VARIABLES"' EXIT\n${command}\n`;
    const child = spawn('bash', ['-c', script], { cwd: dir, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    started.push(child);
    return new Promise((resolve, reject) => {
      const output = { stdout: '', stderr: '' };
      const timer = setTimeout(() => killGroup(child), COMMAND_TIMEOUT_MS);
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        output.stdout += chunk;
      });
      child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
        output.stderr += chunk;
      });
      child.once('error', reject);
      child.once('close', (exitCode) => {
        clearTimeout(timer);
        resolve({ exitCode: exitCode ?? -1, ...output });
      });
    });
  }

  return {
    dir,
    run,
    async stop() {
      for (const child of started) killGroup(child); // what a command left running in the background
      await server?.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Ports that nobody listened on just now. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address !== 'string') ports.push(address.port);
  }
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** By language: what runs it, and the file it is written to. */
const PROGRAMS: Readonly<Record<string, readonly [string, string]>> = {
  python: ['python3', 'block.py'],
  js: ['node', 'block.mjs'],
  ts: ['node', 'block.ts'],
};

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // the group has ended
  }
}

/** A request that a guide sends with curl. */
export interface Request {
  readonly method: string;
  readonly path: string;
}

/** Every curl command in a shell text; variables and `$(…)` inside a path stay as they are written. */
export function requestsOf(shell: string): Request[] {
  const commands = shell.replaceAll('\\\n', ' ').split(/\n|&&|\$\(|\|(?!\|)/);
  return commands.flatMap((command) => {
    const call = /\bcurl\b(.*)/.exec(command)?.[1];
    const path = /http:\/\/127\.0\.0\.1:8080([^\s'"?)]*)/.exec(call ?? '')?.[1];
    if (call === undefined || path === undefined) return [];
    const stated = /(?:^|\s)(?:-X|--request)\s*([A-Z]+)/.exec(call)?.[1];
    const sends = /(?:^|\s)(?:-d|-F|--data\S*|--form\S*|--json)\s/.test(call);
    const head = /(?:^|\s)(?:-I|--head)(?:\s|$)/.test(call);
    return [{ method: stated ?? (sends ? 'POST' : head ? 'HEAD' : 'GET'), path: path === '' ? '/' : path }];
  });
}

/** Whether a path as written calls the route of an OpenAPI template; a variable fills a whole parameter. */
export function callsRoute(path: string, template: string): boolean {
  const pattern = template.replaceAll(/[.*+?^$()|[\]\\]/g, '\\$&').replaceAll(/\{[^}]+\}/g, '[^/]+');
  return new RegExp(`^${pattern}$`).test(path);
}

export function readGuide(path: string): Promise<string> {
  return readFile(join(PROGRAM_DIR, path), 'utf8');
}
