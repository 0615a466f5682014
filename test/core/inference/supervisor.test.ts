import { describe, expect, test } from 'vitest';
import type { ModelState } from '#core/inference/model.ts';
import { createSupervisor, type Supervised } from '#core/inference/supervisor.ts';

/** A process that ends when told, started by a script of outcomes. */
function scripted(outcomes: ('up' | 'fails')[], backoff = { firstMs: 1, maxMs: 4, stableMs: 1e9 }) {
  const log: string[] = [];
  const children: { end: (reason: string) => void; closed: boolean }[] = [];
  let unavailable = 0;
  const supervisor = createSupervisor<Supervised & { readonly number: number }>({
    bringUp: async () => {
      await new Promise((resolve) => setImmediate(resolve));
      if (outcomes.shift() === 'fails') throw new Error('no such luck');
      let end: (reason: string) => void = () => {};
      const ended = new Promise<string>((resolve) => {
        end = resolve;
      });
      const child = { end, closed: false };
      children.push(child);
      return {
        number: children.length,
        ended,
        close: async () => {
          child.closed = true;
          end('closed');
        },
      };
    },
    backoff,
    closeGraceMs: 10,
    nowMs: () => performance.now(),
    observer: {
      onState: (state: ModelState) => log.push(state.status),
      onRestart: ({ delayMs }) => log.push(`restart after ${delayMs}`),
    },
    onUnavailable: () => {
      unavailable++;
    },
  });
  return { supervisor, children, log, unavailableCount: () => unavailable };
}

const noDrain = async () => {};

describe('life', () => {
  test('concurrent starts share one process, and a start after that changes nothing', async () => {
    const { supervisor, children, log } = scripted(['up']);
    await Promise.all([supervisor.start(), supervisor.start()]);
    await supervisor.start();
    expect(children).toHaveLength(1);
    expect(log).toEqual(['LOADING', 'READY']);
    await supervisor.stop(noDrain);
  });

  test('stop drains first, then ends the process; a second stop and a stop before any start do nothing', async () => {
    const { supervisor, children, log } = scripted(['up']);
    await supervisor.stop(noDrain);
    await supervisor.start();
    await Promise.all([
      supervisor.stop(async () => {
        expect(children[0]?.closed).toBe(false);
        expect((await supervisor.ready()).number).toBe(1);
        log.push('drained');
      }),
      supervisor.stop(noDrain),
    ]);
    await supervisor.stop(noDrain);
    expect(log).toEqual(['LOADING', 'READY', 'UNLOADING', 'drained', 'UNAVAILABLE']);
    expect(children[0]?.closed).toBe(true);
  });

  test('it starts again after a stop', async () => {
    const { supervisor, children } = scripted(['up', 'up']);
    await supervisor.start();
    await supervisor.stop(noDrain);
    await supervisor.start();
    expect(supervisor.state).toEqual({ status: 'READY' });
    expect(children).toHaveLength(2);
    await supervisor.stop(noDrain);
  });

  test('stopped while it starts, it leaves no process behind', async () => {
    const { supervisor, children } = scripted(['up']);
    const starting = supervisor.start();
    const failed = expect(starting).rejects.toMatchObject({ code: 'MODEL_UNAVAILABLE' });
    await supervisor.stop(noDrain);
    await failed;
    expect(children.every((child) => child.closed)).toBe(true);
    expect(supervisor.state.status).toBe('UNAVAILABLE');
  });

  test('stopped while it restarts, it leaves no process behind', async () => {
    const { supervisor, children } = scripted(['up', 'up']);
    await supervisor.start();
    children[0]?.end('signal SIGKILL');
    await new Promise((resolve) => setTimeout(resolve, 2));
    await supervisor.stop(noDrain);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(children.slice(1).every((child) => child.closed)).toBe(true);
    expect(supervisor.state.status).toBe('UNAVAILABLE');
  });
});

describe('death', () => {
  test('the next process is there without anyone asking, and who waits gets it', async () => {
    const { supervisor, children, log } = scripted(['up', 'up']);
    await supervisor.start();
    children[0]?.end('signal SIGSEGV');
    await Promise.resolve();
    expect(supervisor.state).toEqual({ status: 'LOADING', reason: 'restarting: signal SIGSEGV' });
    expect((await supervisor.ready()).number).toBe(2);
    expect(log).toEqual(['LOADING', 'READY', 'LOADING', 'restart after 0', 'READY']);
    await supervisor.stop(noDrain);
  });

  test('a process that keeps dying is restarted later and later, up to a limit', async () => {
    const { supervisor, children, log } = scripted(Array.from({ length: 6 }, () => 'up'));
    await supervisor.start();
    for (let n = 0; n < 5; n++) {
      children[n]?.end('again');
      await Promise.resolve();
      await supervisor.ready();
    }
    const delays = log.filter((line) => line.startsWith('restart'));
    expect(delays).toEqual([0, 1, 2, 4, 4].map((ms) => `restart after ${ms}`));
    await supervisor.stop(noDrain);
  });

  test('a process that lived long enough is restarted at once', async () => {
    const { supervisor, children, log } = scripted(['up', 'up', 'up'], { firstMs: 50, maxMs: 50, stableMs: 0 });
    await supervisor.start();
    for (let n = 0; n < 2; n++) {
      children[n]?.end('again');
      await Promise.resolve();
      await supervisor.ready();
    }
    expect(log.filter((line) => line.startsWith('restart'))).toEqual(['restart after 0', 'restart after 0']);
    await supervisor.stop(noDrain);
  });

  test('when a restart fails whoever waits is told, and it goes on trying', async () => {
    const { supervisor, children, unavailableCount } = scripted(['up', 'fails', 'up']);
    await supervisor.start();
    children[0]?.end('gone');
    await Promise.resolve();
    await expect(supervisor.ready()).rejects.toMatchObject({ code: 'MODEL_UNAVAILABLE', data: { retryable: true } });
    expect(unavailableCount()).toBe(1);
    await expect.poll(() => supervisor.state.status).toBe('READY');
    expect((await supervisor.ready()).number).toBe(2);
    await supervisor.stop(noDrain);
  });

  test('a first start that fails is the caller’s to repeat', async () => {
    const { supervisor } = scripted(['fails', 'up']);
    await expect(supervisor.start()).rejects.toThrow('no such luck');
    expect(supervisor.state).toEqual({ status: 'UNAVAILABLE', reason: 'no such luck' });
    await supervisor.start();
    expect(supervisor.state).toEqual({ status: 'READY' });
    await supervisor.stop(noDrain);
  });
});
