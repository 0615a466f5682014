import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_ATTEMPTS, nextAttemptAt, readRetryAfter } from '#core/webhooks/schedule.ts';

const now = new Date('2026-01-31T12:00:00Z');
const middle = (): number => 0.5;

function delayS(attempts: number, random = middle, retryAfter?: Date): number | undefined {
  const at = nextAttemptAt(attempts, { now, random, retryAfter });
  return at === undefined ? undefined : (at.getTime() - now.getTime()) / 1000;
}

describe('the retry schedule', () => {
  test('is 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, then nothing', () => {
    const hours = [2, 5, 10, 14, 20, 24].map((hour) => hour * 3600);
    const delays = Array.from({ length: MAX_ATTEMPTS }, (_, index) => delayS(index + 1));
    expect(delays).toEqual([5, 300, 1800, ...hours, undefined]);
  });

  test('is spread by 20 % to both sides', () => {
    expect(delayS(2, () => 0)).toBeCloseTo(240, 3);
    expect(delayS(2, () => 1 - 2 ** -53)).toBeCloseTo(360, 3);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (n, r) => {
          const [plain = 0, spread = 0] = [delayS(n), delayS(n, () => r)];
          return spread >= 0.8 * plain - 0.001 && spread <= 1.2 * plain + 0.001;
        },
      ),
    );
  });

  test('waits longer when the receiver asks for it, and never shorter', () => {
    expect(delayS(1, middle, new Date(now.getTime() + 60_000))).toBe(60);
    expect(delayS(2, middle, new Date(now.getTime() + 60_000))).toBe(300);
    expect(delayS(MAX_ATTEMPTS, middle, new Date(now.getTime() + 60_000))).toBeUndefined();
  });
});

describe('Retry-After', () => {
  test.each([
    ['120', 120],
    [' 5 ', 5],
    ['Sat, 31 Jan 2026 12:02:00 GMT', 120],
    ['99999999', 86_400],
    ['Sun, 31 Jan 2027 12:00:00 GMT', 86_400],
  ])('%j is %i seconds', (header, seconds) => {
    expect(readRetryAfter(header, now)).toEqual(new Date(now.getTime() + seconds * 1000));
  });

  test.each(['0', '-5', '1.5', 'soon', '', '2026-01-31T12:02:00Z', 'Sat, 31 Jan 2026 11:00:00 GMT', '9'.repeat(400)])(
    '%j is nothing',
    (header) => {
      expect(readRetryAfter(header, now)).toBeUndefined();
    },
  );

  test('is nothing when it is missing, and the first one when there are several', () => {
    expect(readRetryAfter(undefined, now)).toBeUndefined();
    expect(readRetryAfter(['60', '120'], now)).toEqual(new Date(now.getTime() + 60_000));
  });
});
