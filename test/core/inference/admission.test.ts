import { describe, expect, test } from 'vitest';
import { createAdmission } from '#core/inference/admission.ts';

/** Work that ends when it is told to. */
function work() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  return { run: () => promise, end: () => resolve('done'), fail: (error: Error) => reject(error) };
}

describe('what is on its way', () => {
  test('is counted until it is done, also when it fails', async () => {
    const admission = createAdmission({ maxImages: 3, nowMs: () => 0 });
    const first = work();
    const second = work();
    const running = admission.run({ images: 2 }, first.run);
    const failing = admission.run({ images: 1 }, second.run);
    expect(admission.held).toBe(3);
    await expect(admission.run({ images: 1 }, async () => 'never')).rejects.toMatchObject({ code: 'OVERLOADED' });
    first.end();
    second.fail(new Error('broken'));
    await expect(running).resolves.toBe('done');
    await expect(failing).rejects.toThrow('broken');
    expect(admission.held).toBe(0);
    await expect(admission.run({ images: 1 }, async () => 'served')).resolves.toBe('served');
  });

  test('never keeps a single call out, however large it is', async () => {
    const admission = createAdmission({ maxImages: 3, nowMs: () => 0 });
    await expect(admission.run({ images: 50 }, async () => 'served')).resolves.toBe('served');
  });

  test('is refused without its work being begun', async () => {
    const admission = createAdmission({ maxImages: 1, nowMs: () => 0 });
    const first = work();
    const running = admission.run({ images: 1 }, first.run);
    let begun = false;
    const refused = admission.run({ images: 1 }, async () => {
      begun = true;
    });
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED', data: { retryable: true } });
    expect(begun).toBe(false);
    first.end();
    await running;
  });
});

describe('how long it takes', () => {
  /** An admission that has seen one image a second, with so many on their way. */
  async function busyWith(count: number) {
    let clockMs = 0;
    const admission = createAdmission({ maxImages: 100, nowMs: () => clockMs });
    const all = Array.from({ length: count + 1 }, work);
    const [first, ...rest] = all;
    const running = all.map(({ run }) => admission.run({ images: 1 }, run));
    clockMs += 1_000;
    first?.end();
    await running[0];
    const end = async () => {
      for (const { end } of rest) end();
      await Promise.all(running);
    };
    return { admission, end };
  }

  test('tells when to come back', async () => {
    const { admission, end } = await busyWith(20);
    const refused = admission.run({ images: 1, deadlineMs: 10_000 }, async () => 'never');
    await expect(refused).rejects.toMatchObject({ code: 'OVERLOADED', data: { retryAfterS: 20 } });
    await end();
  });

  test('keeps out what would be answered too late, and nothing else', async () => {
    const { admission, end } = await busyWith(20);
    await expect(admission.run({ images: 1, deadlineMs: 24_000 }, async () => 'late')).rejects.toThrow();
    await expect(admission.run({ images: 1, deadlineMs: 26_000 }, async () => 'in time')).resolves.toBe('in time');
    await expect(admission.run({ images: 1 }, async () => 'no hurry')).resolves.toBe('no hurry');
    await end();
  });

  test('is not mistaken for the time in which nobody asked', async () => {
    let clockMs = 0;
    const admission = createAdmission({ maxImages: 100, nowMs: () => clockMs });
    await admission.run({ images: 1 }, async () => {
      clockMs += 10;
    });
    clockMs += 3_600_000;
    const first = work();
    const running = admission.run({ images: 1 }, first.run);
    await expect(admission.run({ images: 1, deadlineMs: 1_000 }, async () => 'served')).resolves.toBe('served');
    first.end();
    await running;
  });
});
