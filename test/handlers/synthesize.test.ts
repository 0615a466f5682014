import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SynthesizeBodySchema } from '../../src/handlers/synthesize.ts';
import { type AppUnderTest, appUnderTest, problemOf } from '../app-under-test.ts';
import { pictureOf, type SynthesisUnderTest, synthesisUnderTest } from '../synthesis-under-test.ts';

let under: SynthesisUnderTest;
beforeAll(async () => {
  under = await synthesisUnderTest();
});
afterAll(() => under.stop());

function appOf(overrides: Parameters<typeof appUnderTest>[0] = {}): Promise<AppUnderTest> {
  const { model, synthesize } = under;
  const limits = { ...LIMITS, requestTimeoutMs: 60_000 };
  return appUnderTest({ model, synthesize, limits, ...overrides });
}

const LIMITS = { maxImageBytes: 100_000, maxBatch: 4, maxBatchBytes: 1e6, uploadTimeoutMs: 10_000, maxHeldBytes: 1e6 };

const json = (body: unknown, headers: Record<string, string> = {}): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json', ...headers },
});
const base64 = async (widthPx: number, heightPx: number): Promise<{ base64: string }> => ({
  base64: Buffer.from(await pictureOf(widthPx, heightPx)).toString('base64'),
});

async function answerOf(response: Response) {
  if (response.status !== 200) throw new Error(await response.text());
  const body = SynthesizeBodySchema.parse(await response.json());
  return { ...body, bytes: Buffer.from(body.image.base64, 'base64') };
}

describe('the three forms', () => {
  test('make the same picture of the same photo', async () => {
    const { request } = await appOf();
    const photo = await pictureOf(256, 192);
    const options = { direction: 'ground_to_satellite', fovDeg: 70, headingDeg: 30, steps: 2, format: 'png' };
    const form = new FormData();
    form.append('image', new Blob([photo]), 'photo.png');
    form.append('options', JSON.stringify(options));
    const query = new URLSearchParams({ ...options, fovDeg: '70', headingDeg: '30', steps: '2' });
    const answers = [
      await request(`/v1/synthesize?${query}`, {
        method: 'POST',
        body: photo,
        headers: { 'content-type': 'image/png' },
      }),
      await request('/v1/synthesize', json({ ...options, image: { base64: Buffer.from(photo).toString('base64') } })),
      await request('/v1/synthesize', { method: 'POST', body: form }),
    ];
    const [first, ...others] = await Promise.all(answers.map(answerOf));
    const pixels = async (bytes: Buffer | undefined) => sharp(bytes).raw().toBuffer();
    expect(first).toMatchObject({
      direction: 'ground_to_satellite',
      image: { mediaType: 'image/png', kind: 'tile', widthPx: 128, heightPx: 128, headingDeg: 0, groundSizeM: 70 },
      solver: { name: 'heun', steps: 2, evaluations: 4 },
      provenance: { synthetic: true, source: 'image', generator: 'tiny 0.0.1' },
      requestId: 'generated-id',
    });
    expect(Math.abs(first?.consistency ?? 2)).toBeLessThanOrEqual(1 + 1e-6);
    for (const other of others) expect(await pixels(other.bytes)).toEqual(await pixels(first?.bytes));
  });
});

describe('the picture', () => {
  test('of a covered place looks where it is asked to, at the size that is asked for', async () => {
    const { request } = await appOf();
    const common = { direction: 'satellite_to_ground', location: under.covered, steps: 1 };
    const panorama = await answerOf(await request('/v1/synthesize', json({ ...common, widthPx: 256 })));
    expect(panorama).toMatchObject({
      image: { mediaType: 'image/webp', kind: 'panorama', widthPx: 256, heightPx: 64, headingDeg: 0, fovDeg: 360 },
      region: { id: 'null-island-demo' },
      provenance: { source: 'location' },
    });
    const look = { ...common, headingDeg: 90, fovDeg: 80, widthPx: 200 };
    const perspective = await answerOf(await request('/v1/synthesize', json(look)));
    expect(perspective.image).toMatchObject({
      kind: 'perspective',
      widthPx: 200,
      heightPx: 150,
      headingDeg: 90,
      fovDeg: 80,
    });
    expect(await sharp(perspective.bytes).metadata()).toMatchObject({ format: 'webp', width: 200, height: 150 });
  });

  test.each(['webp', 'png', 'jpeg'])('comes as it is to who accepts image/%s, marked as synthetic', async (format) => {
    const { request } = await appOf();
    const body = { direction: 'satellite_to_ground', location: under.covered, steps: 1 };
    const response = await request('/v1/synthesize', json(body, { accept: `image/${format}` }));
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe(`image/${format}`);
    expect(response.headers.get('cache-control')).toBe('no-store');
    const { format: found, xmp } = await sharp(await response.arrayBuffer()).metadata();
    expect(found).toBe(format);
    expect(xmp?.toString()).toContain('digitalsourcetype/trainedAlgorithmicMedia');
    expect(xmp?.toString()).toContain('tiny 0.0.1');
  });

  test('of an aerial image says what it had to assume', async () => {
    const { request } = await appOf();
    const ask = async (body: object) => {
      const init = json({ direction: 'satellite_to_ground', steps: 1, ...body });
      return (await answerOf(await request('/v1/synthesize', init))).reasons;
    };
    const square = await base64(128, 128);
    expect(await ask({ image: square })).toEqual(['assumed_ground_size']);
    expect(await ask({ image: square, groundSizeM: 70 })).toEqual([]);
    expect(await ask({ image: await base64(200, 128), groundSizeM: 70 })).toEqual(['cropped_to_square']);
    expect(await ask({ image: square, groundSizeM: 700 })).toEqual(['coarse_imagery']);
  });

  test('of a photo says that its field of view is narrow, and that nothing told where it looks', async () => {
    const { request } = await appOf();
    const body = { direction: 'ground_to_satellite', image: await base64(256, 192), fovDeg: 40, steps: 1 };
    const { reasons, image } = await answerOf(await request('/v1/synthesize', json(body)));
    expect(reasons).toEqual(expect.arrayContaining(['narrow_fov', 'unknown_heading']));
    expect(image.headingDeg).toBeUndefined();
  });

  test('follows the solver: more steps of euler come closer to many steps of rk4', async () => {
    const { request } = await appOf();
    const pixels = async (solver: string, steps: number): Promise<Buffer> => {
      const body = { direction: 'satellite_to_ground', location: under.covered, solver, steps, format: 'png' };
      return sharp((await answerOf(await request('/v1/synthesize', json(body)))).bytes)
        .raw()
        .toBuffer();
    };
    const exact = await pixels('rk4', 8);
    const away = (got: Buffer): number => got.reduce((sum, value, i) => sum + Math.abs(value - (exact[i] ?? 0)), 0);
    expect(away(await pixels('euler', 16))).toBeLessThan(away(await pixels('euler', 1)));
  });
});

describe('a request that is wrong', () => {
  test.each<[string, object, string[]]>([
    ['no direction', {}, ['#/direction']],
    ['a direction that is none', { direction: 'sideways' }, ['#/direction']],
    ['no steps', { direction: 'satellite_to_ground', steps: 0 }, ['#/steps']],
    ['ten thousand steps', { direction: 'satellite_to_ground', steps: 10_000 }, ['#/steps']],
    ['half a step', { direction: 'satellite_to_ground', steps: 1.5 }, ['#/steps']],
    ['a solver that is none', { direction: 'satellite_to_ground', solver: 'midpoint' }, ['#/solver']],
    ['a width of a poster', { direction: 'satellite_to_ground', widthPx: 5000 }, ['#/widthPx']],
    ['a format that is none', { direction: 'satellite_to_ground', format: 'gif' }, ['#/format']],
    ['a lens that sees more than the panorama', { direction: 'satellite_to_ground', fovDeg: 150 }, ['#/fovDeg']],
    ['a ground size of a photo', { direction: 'ground_to_satellite', groundSizeM: 70 }, ['#/groundSizeM']],
    ['an image of too little ground', { direction: 'satellite_to_ground', groundSizeM: 20 }, ['#/groundSizeM']],
    ['an unknown option', { direction: 'satellite_to_ground', topK: 3 }, ['#/topK']],
  ])('%s is refused with a pointer', async (_name, options, pointers) => {
    const { request } = await appOf();
    const init = json({ image: await base64(128, 128), ...options });
    const problem = await problemOf(await request('/v1/synthesize', init));
    expect(problem).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    expect(problem.pointers).toEqual(pointers);
  });

  test('a place that no region covers is refused, and so is one to look down on', async () => {
    const { request } = await appOf();
    const outside = json({ direction: 'satellite_to_ground', location: [10, 50] });
    const problem = await problemOf(await request('/v1/synthesize', outside));
    expect(problem).toMatchObject({ status: 422, code: 'OUT_OF_COVERAGE', pointers: ['#/location'] });
    const down = json({ direction: 'ground_to_satellite', location: under.covered });
    expect((await problemOf(await request('/v1/synthesize', down))).pointers).toEqual(['#/direction']);
  });

  test('a place outside the regions of a key is as one outside all', async () => {
    const call = under.synthesize({
      direction: 'satellite_to_ground',
      source: { type: 'location', location: under.covered },
      allowedRegions: [],
    });
    await expect(call).rejects.toMatchObject({ code: 'OUT_OF_COVERAGE' });
  });

  test('an image and a location, or neither, are refused', async () => {
    const { request } = await appOf();
    const direction = 'satellite_to_ground';
    for (const body of [{ direction }, { direction, image: await base64(128, 128), location: under.covered }]) {
      expect(await problemOf(await request('/v1/synthesize', json(body)))).toMatchObject({ code: 'INVALID_REQUEST' });
    }
  });

  test('what gives values that are not finite is a failure, and never a picture', async () => {
    const { request } = await appOf();
    const black = sharp({ create: { width: 128, height: 128, channels: 3, background: 'black' } });
    const image = { base64: (await black.png().toBuffer()).toString('base64') };
    const init = json({ direction: 'satellite_to_ground', image, steps: 1 });
    expect(await problemOf(await request('/v1/synthesize', init))).toMatchObject({ code: 'INFERENCE_FAILED' });
  });

  test('a model that makes no views says so, before it reads the image', async () => {
    const { request } = await appUnderTest();
    const problem = await problemOf(await request('/v1/synthesize', json({})));
    expect(problem).toMatchObject({ status: 501, code: 'NO_SYNTHESIS', retryable: false });
    expect(problem.detail).toContain('tiny 0.0.1');
  });
});

describe('a request that ends early', () => {
  test('by its deadline stops within a step, and the next one is served', async () => {
    const { request } = await appOf({ limits: { ...LIMITS, requestTimeoutMs: 100 } });
    const body = { direction: 'satellite_to_ground', location: under.covered, solver: 'rk4', steps: 100 };
    const problem = await problemOf(await request('/v1/synthesize', json(body)));
    expect(problem).toMatchObject({ status: 504, code: 'DEADLINE_EXCEEDED' });
    const { request: patient } = await appOf();
    await answerOf(await patient('/v1/synthesize', json({ ...body, solver: 'euler', steps: 1 })));
  });
});
