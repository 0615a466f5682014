import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

/** A process that is started again whenever it ends, as an operator's supervisor does. */
export interface Kept {
  readonly pid: number | undefined;
  kill(): void;
  stop(): Promise<void>;
}

const RESTART_MS = 200;

export function keep(options: { script: string; env: Record<string, string>; logFile: string }): Kept {
  let child: ChildProcess | undefined;
  let isStopping = false;
  const running = run();

  async function run(): Promise<void> {
    while (!isStopping) {
      child = spawn(process.execPath, [options.script], {
        env: { PATH: process.env.PATH ?? '', ...options.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const log = (chunk: Buffer): void => appendFileSync(options.logFile, chunk);
      child.stdout?.on('data', log);
      child.stderr?.on('data', log);
      await once(child, 'exit');
      if (!isStopping) await pause(RESTART_MS);
    }
  }

  return {
    get pid() {
      return child?.exitCode === null && child.signalCode === null ? child.pid : undefined;
    },
    kill: () => void child?.kill('SIGKILL'),
    async stop() {
      isStopping = true;
      child?.kill('SIGTERM');
      await running;
    },
  };
}

/** The processes that a process has started; none where it has ended. Linux only. */
export async function childrenOf(pid: number | undefined): Promise<number[]> {
  if (pid === undefined) return [];
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}
