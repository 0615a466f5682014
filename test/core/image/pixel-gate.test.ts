import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPixelGate } from '#core/image/pixel-gate.ts';

const settle = () => new Promise((resolve) => setImmediate(resolve));

test('what fits enters at once and what does not waits its turn', async () => {
  const gate = createPixelGate(100);
  const entered: string[] = [];
  const enter = (name: string, pixels: number) =>
    gate.enter(pixels).then((leave) => {
      entered.push(name);
      return leave;
    });
  const first = await enter('a', 60);
  const second = enter('b', 60);
  const third = enter('c', 10);
  await settle();
  expect(entered).toEqual(['a']); // c would fit, but it came after b
  first();
  await second;
  await third;
  expect(entered).toEqual(['a', 'b', 'c']);
});

test('an image larger than the budget enters alone', async () => {
  const gate = createPixelGate(100);
  const leave = await gate.enter(500);
  let entered = false;
  const next = gate.enter(1).then(() => {
    entered = true;
  });
  await settle();
  expect(entered).toBe(false);
  leave();
  leave(); // giving back twice changes nothing
  await next;
  expect(entered).toBe(true);
});

test('whoever leaves the queue lets the others pass', async () => {
  const gate = createPixelGate(100);
  await gate.enter(60);
  const gone = new AbortController();
  const large = gate.enter(90, gone.signal);
  const small = gate.enter(30);
  gone.abort();
  await expect(large).rejects.toEqual(expect.objectContaining({ code: 'CANCELED' }));
  await small;
});

test('never more than the budget is inside, and everyone gets in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 130 }), { maxLength: 40 }), async (sizes) => {
      const gate = createPixelGate(100);
      let inside = 0;
      let count = 0;
      await Promise.all(
        sizes.map(async (pixels) => {
          const leave = await gate.enter(pixels);
          inside += pixels;
          count++;
          expect(inside <= 100 || inside === pixels).toBe(true);
          await settle();
          inside -= pixels;
          leave();
        }),
      );
      expect(count).toBe(sizes.length);
    }),
    { numRuns: 30 },
  );
});
