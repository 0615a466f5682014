import { describe, expect, test } from 'vitest';
import { createProgress, duration } from '../../src/cli/progress.ts';

/** A terminal or a file, and a clock that is set by hand. */
function stage(isTTY: boolean) {
  const written: string[] = [];
  const clock = { nowMs: 0 };
  const stderr = { isTTY, columns: 60, write: (text: string) => written.push(text) };
  return { written, clock, progress: createProgress({ label: 'work', stderr, nowMs: () => clock.nowMs }) };
}

describe('progress', () => {
  test('renews one line on a terminal, not more often than an eye can follow, and clears it', () => {
    const { written, clock, progress } = stage(true);
    for (let done = 0; done <= 100; done++) {
      clock.nowMs = done * 20;
      progress.update(done, 100);
    }
    progress.end('done');
    expect(written.length).toBeLessThan(25);
    expect(written[0]).toBe('\r\u001b[Kwork: 0/100 (0 %)');
    expect(written).toContain('\r\u001b[Kwork: 50/100 (50 %), 50/s, 1 s left');
    expect(written.slice(-2)).toEqual(['\r\u001b[K', 'done\n']);
  });

  test('never breaks the terminal’s line', () => {
    const written: string[] = [];
    const stderr = { isTTY: true, columns: 12, write: (text: string) => written.push(text) };
    createProgress({ label: 'a label that is long', stderr, nowMs: () => 0 }).update(1, 2);
    expect(written.join('').replace('\r\u001b[K', '').length).toBeLessThan(12);
  });

  test('writes a line now and then elsewhere, and nothing for short work', () => {
    const short = stage(false);
    short.clock.nowMs = 5_000;
    short.progress.update(1, 2);
    short.progress.end();
    expect(short.written).toEqual([]);

    const long = stage(false);
    for (let done = 1; done <= 4; done++) {
      long.clock.nowMs = done * 6_000;
      long.progress.update(done, 10);
    }
    expect(long.written).toEqual([
      'work: 2/10 (20 %), 6.0 s each, 48 s left\n',
      'work: 4/10 (40 %), 6.0 s each, 36 s left\n',
    ]);
  });

  test('tells times as a person would', () => {
    expect([400, 59_400, 185_000, 7_800_000].map(duration)).toEqual(['0 s', '59 s', '3 min 05 s', '2 h 10 min']);
  });
});
