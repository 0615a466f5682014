import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Geo2Error } from '../errors.ts';
import { type ChildReply, type ChildRequest, type ChildResult, type ChildTensor, parseReply } from './protocol.ts';

/** One running inference process. */
export interface InferenceChild {
  readonly pid: number;
  /** Resolves with why it ended, whenever it ends. */
  readonly ended: Promise<string>;
  load(options: LoadOptions): Promise<void>;
  /** Runs one graph; a run that takes longer than `timeoutMs` has its process killed. Errors: INFERENCE_CRASHED, INFERENCE_FAILED. */
  run(graph: string, inputs: Record<string, ChildTensor>, options: { timeoutMs: number }): Promise<ChildResult>;
  /** Closes the channel, which the child obeys after its current run, and kills it when it has not left after `graceMs`. */
  close(graceMs: number): Promise<void>;
  kill(reason: string): void;
}

export interface LoadOptions {
  readonly graphs: Record<string, string>;
  readonly provider: string;
  readonly threads: number;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly resolve: (reply: ChildReply) => void;
  readonly reject: (error: Geo2Error) => void;
  readonly timer: NodeJS.Timeout;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

const CHILD_PROGRAM = fileURLToPath(new URL('./child.ts', import.meta.url));
const STDERR_KEPT_CHARS = 2_000;

/** Starts a child with an environment of its own (`env`), so that no secret of this process travels with it. */
export function spawnInferenceChild(options: { env: Readonly<Record<string, string>> }): InferenceChild {
  const child = fork(CHILD_PROGRAM, [], {
    serialization: 'advanced',
    env: { ...options.env },
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const waiting = new Map<number, Waiting>();
  let nextId = 1;
  let killedBecause: string | undefined;
  let stderrTail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderrTail = (stderrTail + text).slice(-STDERR_KEPT_CHARS);
  });

  child.on('message', (message) => {
    const reply = parseReply(message);
    const entry = waiting.get(reply.id);
    if (entry === undefined) return;
    waiting.delete(reply.id);
    clearTimeout(entry.timer);
    if (reply.type === 'error') entry.reject(new Geo2Error('INFERENCE_FAILED', `The model failed: ${reply.message}`));
    else entry.resolve(reply);
  });

  const ended = new Promise<string>((resolve) => {
    const onEnd = (how: string): void => {
      const reason = killedBecause ?? [how, stderrTail.trim()].filter((part) => part !== '').join(': ');
      for (const [id, entry] of waiting) {
        waiting.delete(id);
        clearTimeout(entry.timer);
        entry.reject(crashed(reason));
      }
      resolve(reason);
    };
    child.once('exit', (code, signal) => onEnd(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.once('error', (error) => onEnd(error.message));
  });

  function kill(reason: string): void {
    killedBecause ??= reason;
    child.kill('SIGKILL');
  }

  function ask(request: WithoutId<ChildRequest>, timeoutMs: number): Promise<ChildReply> {
    if (!isAlive(child)) return Promise.reject(crashed(killedBecause ?? 'the process has ended'));
    const id = nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => kill(`${request.type} took longer than ${timeoutMs} ms`), timeoutMs);
      waiting.set(id, { resolve, reject, timer });
      // an error here means that the channel is closed: the exit event answers everyone who waits
      child.send({ ...request, id }, () => {});
    });
  }

  return {
    pid: child.pid ?? -1,
    ended,
    kill,
    async load({ graphs, provider, threads, timeoutMs }) {
      await ask({ type: 'load', graphs, provider, threads }, timeoutMs);
    },
    async run(graph, inputs, { timeoutMs }) {
      const reply = await ask({ type: 'run', graph, inputs }, timeoutMs);
      if (reply.type !== 'result')
        throw new Geo2Error('INFERENCE_FAILED', `The child answered a run with ${reply.type}.`);
      return reply;
    },
    async close(graceMs) {
      if (child.connected) child.disconnect();
      const timer = setTimeout(() => kill(`did not leave within ${graceMs} ms`), graceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

function isAlive(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null && child.connected;
}

function crashed(reason: string): Geo2Error {
  return new Geo2Error('INFERENCE_CRASHED', 'The inference process ended while it worked on this request.', {
    data: { retryable: true, reason },
  });
}
