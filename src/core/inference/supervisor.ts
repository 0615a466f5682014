import { Geo2Error } from '../errors.ts';
import type { ModelState } from './model.ts';
import type { InferenceObserver } from './observer.ts';

/** Something that runs until it ends: the part of an inference child that its supervision needs. */
export interface Supervised {
  /** Resolves with the reason when it ends, asked or not. */
  readonly ended: Promise<string>;
  close(graceMs: number): Promise<void>;
}

/** Keeps one process alive: brings it up, notices its end, brings up the next after a back-off. */
export interface Supervisor<T extends Supervised> {
  readonly state: ModelState;
  /** Resolves when READY. Concurrent calls share one promise. Rejects when the first attempt fails; it is not repeated. */
  start(): Promise<void>;
  /** The process that is ready, as soon as one is. Rejects with MODEL_UNAVAILABLE when none is coming. */
  ready(): Promise<T>;
  /** Ends the process: `drain` is awaited first, while the state is UNLOADING. */
  stop(drain: () => Promise<void>): Promise<void>;
}

export interface SupervisorOptions<T> {
  /** Starts a process and returns it checked and warm, or throws with the process ended. */
  readonly bringUp: () => Promise<T>;
  readonly backoff: BackoffOptions;
  readonly closeGraceMs: number;
  readonly nowMs: () => number;
  readonly observer: InferenceObserver;
  /** Called when waiting makes no sense any more. */
  readonly onUnavailable: (error: Geo2Error) => void;
}

export interface BackoffOptions {
  /** Delay before the second restart in a row; the first is immediate and each later one twice as long. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** A process that lived this long was healthy: the next restart is immediate again. */
  readonly stableMs: number;
}

export function createSupervisor<T extends Supervised>(options: SupervisorOptions<T>): Supervisor<T> {
  const { bringUp, backoff, closeGraceMs, nowMs, observer, onUnavailable } = options;
  let state: ModelState = { status: 'UNAVAILABLE', reason: 'not started' };
  let current: T | undefined;
  let starting: Promise<void> | undefined;
  let stopping: Promise<void> | undefined;
  let attempting: Promise<void> | undefined;
  let restartsInARow = 0;
  let restartTimer: NodeJS.Timeout | undefined;
  const waiters: { resolve: (child: T) => void; reject: (error: Geo2Error) => void }[] = [];

  function setState(next: ModelState): void {
    state = next;
    observer.onState?.(next);
  }

  function attempt(): Promise<void> {
    attempting = bringUp()
      .then(adopt)
      .finally(() => {
        attempting = undefined;
      });
    return attempting;
  }

  async function adopt(child: T): Promise<void> {
    if (stopping !== undefined) {
      await child.close(closeGraceMs);
      throw unavailable('it is being stopped');
    }
    current = child;
    const readyAtMs = nowMs();
    setState({ status: 'READY' });
    for (const { resolve } of waiters.splice(0)) resolve(child);
    void child.ended.then((reason) => onEnd(child, reason, readyAtMs));
  }

  function onEnd(child: T, reason: string, readyAtMs: number): void {
    if (current !== child) return;
    current = undefined;
    if (stopping !== undefined) return;
    if (nowMs() - readyAtMs >= backoff.stableMs) restartsInARow = 0;
    setState({ status: 'LOADING', reason: `restarting: ${reason}` });
    scheduleRestart(reason);
  }

  function scheduleRestart(reason: string): void {
    const delayMs =
      restartsInARow === 0 ? 0 : Math.min(backoff.maxMs, backoff.firstMs * 2 ** Math.min(30, restartsInARow - 1));
    restartsInARow++;
    observer.onRestart?.({ reason, delayMs });
    restartTimer = setTimeout(() => void restart(), delayMs);
  }

  async function restart(): Promise<void> {
    try {
      await attempt();
    } catch (error) {
      if (stopping !== undefined) return;
      giveUpWaiting(error);
      scheduleRestart(messageOf(error));
    }
  }

  function giveUpWaiting(cause: unknown): void {
    setState({ status: 'UNAVAILABLE', reason: messageOf(cause) });
    const error = unavailable(messageOf(cause), cause);
    for (const { reject } of waiters.splice(0)) reject(error);
    onUnavailable(error);
  }

  async function startOnce(): Promise<void> {
    if (stopping !== undefined) await stopping;
    setState({ status: 'LOADING' });
    restartsInARow = 0;
    try {
      await attempt();
    } catch (error) {
      if (stopping === undefined) giveUpWaiting(error);
      throw error;
    }
  }

  async function stopOnce(drain: () => Promise<void>): Promise<void> {
    starting = undefined;
    setState({ status: 'UNLOADING' });
    clearTimeout(restartTimer);
    await drain();
    await attempting?.catch(() => {});
    const child = current;
    current = undefined;
    await child?.close(closeGraceMs);
    const error = unavailable('it was stopped');
    for (const { reject } of waiters.splice(0)) reject(error);
    stopping = undefined;
    setState({ status: 'UNAVAILABLE', reason: 'stopped' });
  }

  return {
    get state() {
      return state;
    },
    start() {
      if (starting !== undefined) return starting;
      const mine = startOnce().catch((error: unknown) => {
        if (starting === mine) starting = undefined;
        throw error;
      });
      starting = mine;
      return mine;
    },
    ready() {
      if (current !== undefined) return Promise.resolve(current);
      if (state.status !== 'LOADING') return Promise.reject(unavailable(state.reason ?? state.status));
      return new Promise((resolve, reject) => {
        waiters.push({ resolve, reject });
      });
    },
    stop(drain) {
      if (starting === undefined && stopping === undefined) return Promise.resolve();
      stopping ??= stopOnce(drain);
      return stopping;
    },
  };
}

function unavailable(reason: string, cause?: unknown): Geo2Error {
  return new Geo2Error('MODEL_UNAVAILABLE', `The model is not available: ${reason}`, {
    data: { retryable: true, retryAfterS: 5, reason },
    cause,
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
