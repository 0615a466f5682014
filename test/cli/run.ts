import { type ChildProcess, spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

export const GEO2 = join(import.meta.dirname, '../../bin/geo2');

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: Uint8Array;
}

/** Runs `bin/geo2` as a shell would, with an environment of its own, and waits for its end. */
export async function geo2(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const started = start(args, options);
  started.child.stdin?.end(options.stdin);
  return started.ended;
}

/** The same without waiting; it is killed when the test ends. */
export function start(
  args: readonly string[],
  { env = {}, cwd }: RunOptions = {},
): { child: ChildProcess; ended: Promise<Ran>; printed(): Omit<Ran, 'code'> } {
  const child = spawn(GEO2, [...args], {
    env: { PATH: process.env.PATH, ...env },
    ...(cwd === undefined ? {} : { cwd }),
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended, printed: () => ({ stdout, stderr }) };
}

/** The inference process that a command has started; it may start others for a moment. */
export async function childOf({ pid }: ChildProcess): Promise<number> {
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const [stat, line] = await Promise.all(
      ['stat', 'cmdline'].map((file) => readFile(`/proc/${name}/${file}`, 'utf8').catch(() => '')),
    );
    const isChild = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === String(pid);
    if (isChild && line?.includes('inference/child.ts')) return Number(name);
  }
  throw new Error(`process ${pid} has no inference process`);
}
