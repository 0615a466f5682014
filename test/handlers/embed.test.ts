import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { createEmbed, type Embed } from '#core/embed.ts';
import { DEFAULT_IMAGE_LIMITS } from '#core/image/limits.ts';
import { loadOnnxModel } from '#core/inference/model.onnx.ts';
import { appUnderTest, problemOf, tinyModelDir } from '../app-under-test.ts';
import { embeddingOf, TINY_WIDTH } from '../core/inference/tiny-model.ts';

/** The use case on a real model in its process; the model tells colours apart. */
let embed: Embed;
let stop: () => Promise<void>;

beforeAll(async () => {
  const model = await loadOnnxModel({ dir: await tinyModelDir(), threads: 1 });
  stop = () => model.stop();
  embed = createEmbed({ model, limits: DEFAULT_IMAGE_LIMITS, maxImages: 4, nowMs: () => performance.now() });
});
afterAll(() => stop());

type Colour = readonly [number, number, number];
const GREEN: Colour = [0, 200, 50];
const BLUE: Colour = [0, 40, 220];
const TEAL: Colour = [0, 120, 130];

async function imageOf([r, g, b]: Colour): Promise<Uint8Array<ArrayBuffer>> {
  const image = sharp({ create: { width: 256, height: 128, channels: 3, background: { r, g, b } } });
  return new Uint8Array(await image.png().toBuffer());
}
const base64 = async (colour: Colour) => Buffer.from(await imageOf(colour)).toString('base64');

const AnswerSchema = z.object({
  view: z.string(),
  width: z.int(),
  encoding: z.string(),
  items: z.array(z.object({ embedding: z.unknown(), reasons: z.array(z.string()), headingDeg: z.number().optional() })),
  requestId: z.string(),
});

async function answerOf(response: Response) {
  if (response.status !== 200) throw new Error(await response.text());
  return AnswerSchema.parse(await response.json());
}

/** The colour whose embedding this is. */
function colourOf(embedding: unknown, colours: readonly Colour[]): Colour | undefined {
  const floats = z.array(z.number()).length(TINY_WIDTH).parse(embedding);
  return colours.find((colour) => embeddingOf(colour).every((value, i) => Math.abs(value - (floats[i] ?? 9)) < 0.02));
}

const json = (body: unknown): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json' },
});

describe('the three forms', () => {
  test('give the same embedding of the same image', async () => {
    const { request } = await appUnderTest({ embed });
    const form = new FormData();
    form.append('image', new Blob([await imageOf(GREEN)]), 'green.png');
    form.append('options', JSON.stringify({ view: 'ground', headingDeg: 45 }));
    const answers = await Promise.all(
      [
        request('/v1/embed?view=ground&headingDeg=45', {
          method: 'POST',
          body: await imageOf(GREEN),
          headers: { 'content-type': 'image/png' },
        }),
        request('/v1/embed', json({ view: 'ground', headingDeg: 45, image: { base64: await base64(GREEN) } })),
        request('/v1/embed', { method: 'POST', body: form }),
      ].map(async (response) => answerOf(await response)),
    );
    for (const answer of answers) {
      expect(answer).toMatchObject({ view: 'ground', width: TINY_WIDTH, encoding: 'float', requestId: 'generated-id' });
      expect(answer.items).toHaveLength(1);
      expect(answer.items[0]).toEqual(answers[0]?.items[0]);
      expect(answer.items[0]?.headingDeg).toBe(45);
    }
  });

  test('several images come back in their order', async () => {
    const { request } = await appUnderTest({ embed });
    const colours = [BLUE, GREEN, TEAL];
    const form = new FormData();
    for (const colour of colours) form.append('image', new Blob([await imageOf(colour)]), 'a.png');
    form.append('options', JSON.stringify({ view: 'satellite' }));
    const images = await Promise.all(colours.map(async (colour) => ({ base64: await base64(colour) })));
    for (const init of [{ method: 'POST', body: form }, json({ view: 'satellite', images })]) {
      const { items } = await answerOf(await request('/v1/embed', init));
      expect(items.map(({ embedding }) => colourOf(embedding, colours))).toEqual(colours);
    }
  });

  test('an image’s own heading overrides that of the request', async () => {
    const { request } = await appUnderTest({ embed });
    const image = { base64: await base64(GREEN) };
    const init = json({ view: 'ground', headingDeg: 10, images: [image, { ...image, headingDeg: 20 }] });
    const { items } = await answerOf(await request('/v1/embed', init));
    expect(items.map(({ headingDeg }) => headingDeg)).toEqual([10, 20]);
  });
});

describe('the encodings', () => {
  test('base64 holds the same floats, little-endian', async () => {
    const { request } = await appUnderTest({ embed });
    const image = { base64: await base64(BLUE) };
    const list = await answerOf(await request('/v1/embed', json({ view: 'satellite', image })));
    const packed = await answerOf(await request('/v1/embed', json({ view: 'satellite', image, encoding: 'base64' })));
    expect(packed.encoding).toBe('base64');
    const bytes = Buffer.from(z.string().parse(packed.items[0]?.embedding), 'base64');
    const floats = Array.from({ length: TINY_WIDTH }, (_, i) => bytes.readFloatLE(i * 4));
    expect(bytes).toHaveLength(TINY_WIDTH * 4);
    expect(floats).toEqual(list.items[0]?.embedding);
    expect(Math.hypot(...floats)).toBeCloseTo(1, 5);
  });
});

describe('a request that is wrong', () => {
  test.each<[string, object, string[]]>([
    ['no view', {}, ['#/view']],
    ['a view that is none', { view: 'aerial' }, ['#/view']],
    ['an encoding that is none', { view: 'ground', encoding: 'fp16' }, ['#/encoding']],
    ['an unknown option', { view: 'ground', topK: 3 }, ['#/topK']],
    ['a heading of an aerial tile', { view: 'satellite', headingDeg: 10 }, ['#/headingDeg']],
  ])('%s is refused with a pointer', async (_name, options, pointers) => {
    const { request } = await appUnderTest({ embed });
    const init = json({ image: { base64: await base64(GREEN) }, ...options });
    const problem = await problemOf(await request('/v1/embed', init));
    expect(problem).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    expect(problem.pointers).toEqual(pointers);
  });

  test('an image and images are refused', async () => {
    const { request } = await appUnderTest({ embed });
    const image = { base64: await base64(GREEN) };
    for (const body of [
      { view: 'ground', image, images: [image] },
      { view: 'ground' },
      { view: 'ground', images: [] },
    ]) {
      expect(await problemOf(await request('/v1/embed', json(body)))).toMatchObject({ code: 'INVALID_REQUEST' });
    }
  });

  test('more images than the limit are refused, with the limit, before any is fetched', async () => {
    const { request } = await appUnderTest({ embed });
    const images = Array.from({ length: 5 }, () => ({ url: 'https://example.org/a.jpg' }));
    const form = new FormData();
    for (let i = 0; i < 5; i++) form.append('image', new Blob([await imageOf(GREEN)]), 'a.png');
    form.append('options', '{"view":"ground"}');
    for (const init of [json({ view: 'ground', images }), { method: 'POST', body: form }]) {
      const problem = await problemOf(await request('/v1/embed', init));
      expect(problem).toMatchObject({
        status: 422,
        code: 'BATCH_TOO_LARGE',
        detail: expect.stringMatching(/at most 4/),
      });
    }
  });

  test('one image that cannot be decoded is named by its place', async () => {
    const { request } = await appUnderTest({ embed });
    const images = [{ base64: await base64(GREEN) }, { base64: Buffer.from('no image').toString('base64') }];
    const problem = await problemOf(await request('/v1/embed', json({ view: 'ground', images })));
    expect(problem).toMatchObject({ status: 415, code: 'IMAGE_UNSUPPORTED' });
    expect(problem.pointers).toEqual(['#/images/1']);
  });
});
