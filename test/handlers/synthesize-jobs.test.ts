import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { JobSchema } from '../../src/handlers/job-body.ts';
import { SynthesizeBodySchema } from '../../src/handlers/synthesize.ts';
import { problemOf } from '../app-under-test.ts';
import { type JobsUnderTest, jobsUnderTest } from '../jobs-under-test.ts';
import { pictureOf, type SynthesisUnderTest, synthesisUnderTest } from '../synthesis-under-test.ts';

const SLOW = { timeout: 120_000 };

let jobs: JobsUnderTest;
let under: SynthesisUnderTest;
beforeAll(async () => {
  [jobs, under] = await Promise.all([jobsUnderTest(), synthesisUnderTest()]);
}, 240_000);
afterAll(() => Promise.all([jobs.stop(), under.stop()]));

const ResultSchema = SynthesizeBodySchema.omit({ requestId: true });

const StepSchema = z.strictObject({
  id: z.string(),
  index: z.literal(0),
  share: z.number(),
  step: z.int(),
  of: z.int(),
});

/** Of a stream that has ended. */
function eventsOf(text: string): { id: string; event: string; data: unknown }[] {
  const blocks = text.split('\n\n').filter((block) => block.startsWith('id: '));
  return blocks.map((block) => {
    const [id = '', event = '', data = ''] = block.split('\n').map((line) => line.slice(line.indexOf(': ') + 2));
    return { id, event, data: JSON.parse(data) };
  });
}

const json = (body: unknown, headers: Record<string, string>): RequestInit => ({
  method: 'POST',
  body: JSON.stringify(body),
  headers: { 'content-type': 'application/json', ...headers },
});

describe('a view that is made a job', SLOW, () => {
  test('of a place, which needs no image, ends with the answer that the route gives', async () => {
    const { request } = await jobs.app({ model: under.model, synthesize: under.synthesize });
    const body = { direction: 'satellite_to_ground', location: under.covered, steps: 1, fovDeg: 90, headingDeg: 45 };
    const accepted = await request('/v1/synthesize', json(body, { prefer: 'respond-async' }));
    expect(accepted.status).toBe(202);
    const place = accepted.headers.get('location') ?? '';
    await (await request(`${place}/events`)).text(); // ends with the job
    const job = JobSchema.parse(await (await request(place)).json());
    expect(job).toMatchObject({ task: 'synthesize', form: 'single', status: 'succeeded' });
    const result = ResultSchema.parse(job.result);
    expect(result).toMatchObject({
      image: { kind: 'perspective', headingDeg: 45 },
      provenance: { source: 'location' },
    });
    const { format } = await sharp(Buffer.from(result.image.base64, 'base64')).metadata();
    expect(format).toBe('webp');
  });

  test('tells who listens how far it is, under the id of the event before it, and once', async () => {
    const { request } = await jobs.app({ model: under.model, synthesize: under.synthesize });
    const body = { direction: 'satellite_to_ground', location: under.covered, steps: 20, solver: 'euler' };
    const accepted = await request('/v1/synthesize', json(body, { prefer: 'respond-async' }));
    const place = accepted.headers.get('location') ?? '';
    const events = eventsOf(await (await request(`${place}/events`)).text());
    const steps = events.filter(({ event }) => event === 'step');
    expect(steps.length).toBeGreaterThan(0);
    const done = steps.map(({ data }) => StepSchema.parse(data));
    for (const { share, step, of } of done) expect({ share, of }).toEqual({ share: step / 20, of: 20 });
    expect(done.map(({ step }) => step)).toEqual(done.map(({ step }) => step).sort((a, b) => a - b));
    expect(new Set(steps.map(({ id }) => id))).toEqual(new Set([`${place.split('/').at(-1)}.1`]));
    const again = eventsOf(await (await request(`${place}/events`)).text());
    expect(again.map(({ event }) => event)).toEqual(['start', 'output', 'progress', 'completed']);
  });

  test('of an image, for a caller who waits, is answered with the picture that was preferred', async () => {
    const { request } = await jobs.app({ model: under.model, synthesize: under.synthesize });
    const image = { base64: Buffer.from(await pictureOf(128, 128)).toString('base64') };
    const headers = { prefer: 'respond-async, wait=60', accept: 'image/png' };
    const init = json({ direction: 'satellite_to_ground', image, steps: 1 }, headers);
    const response = await request('/v1/synthesize', init);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('image/png');
  });

  test('is not made where the model makes no views', async () => {
    const { request } = await jobs.app();
    const body = { direction: 'satellite_to_ground', location: under.covered };
    const response = await request('/v1/synthesize', json(body, { prefer: 'respond-async' }));
    expect(await problemOf(response)).toMatchObject({ status: 501, code: 'NO_SYNTHESIS' });
  });

  test('in a batch of images has options of its own, and one that is wrong is refused with its place', async () => {
    const { request } = await jobs.app({ model: under.model, synthesize: under.synthesize });
    const form = (options: object): FormData => {
      const parts = new FormData();
      parts.append('task', 'synthesize');
      parts.append('options', JSON.stringify(options));
      return parts;
    };
    const wrong = form({ direction: 'satellite_to_ground', steps: 0 });
    const right = form({ direction: 'satellite_to_ground', steps: 1, groundSizeM: 70 });
    for (const parts of [wrong, right]) parts.append('image', new Blob([await pictureOf(128, 128)]), 'tile.png');
    const problem = await problemOf(await request('/v1/batches', { method: 'POST', body: wrong }));
    expect(problem.pointers).toEqual(['#/options/steps']);
    const accepted = await request('/v1/batches', { method: 'POST', body: right });
    expect(accepted.status).toBe(202);
    const place = accepted.headers.get('location') ?? '';
    await (await request(`${place}/events`)).text();
    const job = JobSchema.parse(await (await request(place)).json());
    expect(job).toMatchObject({ task: 'synthesize', form: 'batch', progress: { completed: 1, total: 1 } });
  });
});
