import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HELSINKI_DIR, readHelsinkiPairs } from '../real/helsinki-pairs.ts';
import { blocksOf, createGuideReader, type GuideReader, readGuide } from './guide.ts';

/** The part of docs/regions.md that builds, followed from its first command to its last. */

const GUIDE = 'docs/regions.md';
const BUILDS = /^(Build|Where)/;
const blocks = blocksOf(await readGuide(GUIDE)).filter(
  ({ language, section }) => BUILDS.test(section) && language !== 'json' && language !== 'text',
);
const pairs = await readHelsinkiPairs();
if (pairs === undefined)
  process.stderr.write(`${GUIDE}: Helsinki is left out, its aerials are not in ${HELSINKI_DIR}\n`);

let reader: GuideReader;
beforeAll(async () => {
  reader = await createGuideReader({ env: { HELSINKI: HELSINKI_DIR } });
});
afterAll(() => reader.stop());

describe(`the examples of ${GUIDE}`, () => {
  for (const block of blocks) {
    const isHere = pairs !== undefined || !block.section.includes('Helsinki');
    test.runIf(isHere)(
      `do what the text says: ${block.section}, line ${block.line}`,
      { timeout: 330_000 },
      async () => {
        expect(await reader.run(block)).toBe('');
      },
    );
  }

  test('are there', () => {
    expect(blocks.length).toBeGreaterThanOrEqual(5);
  });
});
