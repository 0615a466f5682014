import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePort, freePortsFrom } from '../free-port.ts';
import { HELSINKI_DIR, readHelsinkiPairs } from '../real/helsinki-pairs.ts';
import { findSeaweedfs } from '../seaweedfs.ts';
import { type Block, blocksOf, createGuideReader, type GuideReader, readGuide } from './guide.ts';

/** docs/regions.md, followed from its first build to the roll-back on a local S3 server. */

const GUIDE = 'docs/regions.md';
/** The chapter whose commands need photos of the reader's own. */
const OF_ONES_OWN = 'Calibrate';
const blocks = blocksOf(await readGuide(GUIDE)).filter(
  ({ language, section }) => language !== 'json' && language !== 'text' && section !== OF_ONES_OWN,
);
const firstOfS3 = blocks.findIndex(({ section }) => section === 'A local S3 server');

const pairs = await readHelsinkiPairs();
if (pairs === undefined)
  process.stderr.write(`${GUIDE}: Helsinki is left out, its aerials are not in ${HELSINKI_DIR}\n`);
const seaweedfs = await findSeaweedfs();
if (seaweedfs === undefined)
  process.stderr.write(`${GUIDE}: the S3 server is left out, SeaweedFS is not installed (make setup-all)\n`);

function canRun(block: Block): boolean {
  if (pairs === undefined && block.section.includes('Helsinki')) return false;
  return seaweedfs !== undefined || blocks.indexOf(block) < firstOfS3;
}

let reader: GuideReader;
beforeAll(async () => {
  const [s3Port, port] = [await freePortsFrom(S3_OFFSETS), await freePort()];
  reader = await createGuideReader({
    env: { HELSINKI: HELSINKI_DIR, S3_PORT: String(s3Port), PORT: String(port) },
  });
});
afterAll(() => reader.stop());

/** The ports that the guide's S3 server takes, from `S3_PORT`. */
const S3_OFFSETS = [0, 1, 2, 3, 10_000, 10_001, 10_002, 10_003];

describe(`the examples of ${GUIDE}`, () => {
  let stoppedAt: number | undefined;
  for (const block of blocks) {
    test.runIf(canRun(block))(
      `do what the text says: ${block.section}, line ${block.line}`,
      { timeout: 330_000 },
      async ({ skip }) => {
        skip(stoppedAt !== undefined, `a reader came no further than line ${stoppedAt}`);
        stoppedAt = block.line;
        expect(await reader.run(block)).toBe('');
        stoppedAt = undefined;
      },
    );
  }

  test('go from imagery to the roll-back', () => {
    expect([...new Set(blocks.map(({ section }) => section))]).toEqual([
      'Build from a PMTiles archive',
      'Build from aerial photos of Helsinki',
      'Build in parts on several machines',
      'A local S3 server',
      'Publish',
      'Roll back',
      'Publish Helsinki beside it',
      'Stop',
    ]);
  });
});
