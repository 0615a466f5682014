import type { Output } from './command.ts';

export interface Progress {
  /** `done` of `total` so far. */
  update(done: number, total: number): void;
  /** Clears the line that is being renewed; with `text`, leaves that instead. */
  end(text?: string): void;
}

export interface ProgressOptions {
  readonly label: string;
  readonly stderr: Output;
  readonly nowMs: () => number;
}

const TTY_EVERY_MS = 100;
const LINE_EVERY_MS = 10_000;

/**
 * How long work goes on: on a terminal one line that is renewed (count, rate, time left), elsewhere a line now and then, so
 * that a log stays readable. Short work says nothing there.
 */
export function createProgress({ label, stderr, nowMs }: ProgressOptions): Progress {
  const isTty = stderr.isTTY === true;
  const startedMs = nowMs();
  let shownMs = isTty ? Number.NEGATIVE_INFINITY : startedMs;
  let open = false;

  return {
    update(done, total) {
      const now = nowMs();
      if (now - shownMs < (isTty ? TTY_EVERY_MS : LINE_EVERY_MS)) return;
      shownMs = now;
      const line = `${label}: ${describe(done, total, now - startedMs)}`;
      if (!isTty) {
        stderr.write(`${line}\n`);
        return;
      }
      stderr.write(`\r\u001b[K${line.slice(0, (stderr.columns ?? 80) - 1)}`);
      open = true;
    },
    end(text) {
      if (open) stderr.write('\r\u001b[K');
      open = false;
      if (text !== undefined) stderr.write(`${text}\n`);
    },
  };
}

function describe(done: number, total: number, elapsedMs: number): string {
  const share = total === 0 ? 100 : Math.floor((100 * done) / total);
  const counted = `${done}/${total} (${share} %)`;
  if (done === 0 || elapsedMs < 500) return counted;
  const perSecond = (1000 * done) / elapsedMs;
  return `${counted}, ${pace(perSecond)}, ${duration((1000 * (total - done)) / perSecond)} left`;
}

function pace(perSecond: number): string {
  if (perSecond < 1) return `${(1 / perSecond).toFixed(1)} s each`;
  return `${perSecond >= 10 ? perSecond.toFixed(0) : perSecond.toFixed(1)}/s`;
}

/** `8 s`, `3 min 05 s`, `2 h 10 min`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const pad = (n: number): string => String(n).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${pad(Math.floor((seconds % 3600) / 60))} min`;
}
