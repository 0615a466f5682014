import { expect, test } from 'vitest';
import { runFaults } from '../../bench/faults/run.ts';

test('no job, result or event is lost, and no image left, when every process is killed while jobs run', {
  timeout: 600_000,
}, async () => {
  const lines: string[] = [];
  const counts = await runFaults({
    rounds: 1,
    jobsPerRound: 30,
    seed: 7,
    activeMs: 5_000,
    say: (line) => void lines.push(line),
  });
  expect(counts.kills).toEqual({ api: 1, worker: 1, inference: 1, postgres: 1 });
  expect(counts.accepted).toBe(30);
  expect({ lines, broken: counts.broken }).toEqual({
    lines: [expect.stringMatching(/^round 1 of 1: 30 jobs accepted/)],
    broken: Object.fromEntries(Object.keys(counts.broken).map((promise) => [promise, 0])),
  });
});
