import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { distanceM } from '#core/geo/great-circle.ts';
import { temporaryFolder } from '../temporary.ts';
import { type Complaints, launchChromium, openPage } from './chromium.ts';
import { type Demo, startDemo } from './demo-server.ts';
import { coloursOnMap, mapAtRest, paintedLayers, pixelOf, sceneOnMap } from './map-of-page.ts';

/** Not the synchronous one: the server answers from this very process. */
const run = promisify(execFile);

const Position = z.tuple([z.number(), z.number()]);
const Point = z.object({ coordinates: Position });
const Answer = z.object({
  status: z.string(),
  location: Point.optional(),
  accuracy: z.object({ radiusM: z.number() }).optional(),
  heading: z.object({ deg: z.number(), accuracyDeg: z.number() }).optional(),
  candidates: z.array(
    z.object({
      rank: z.number(),
      location: Point,
      tileId: z.string(),
      probability: z.number(),
      bounds: z.array(z.number()),
    }),
  ),
});
type Answer = z.infer<typeof Answer>;

const Samples = z.object({
  samples: z.array(
    z.object({
      id: z.string(),
      image: z.string(),
      kind: z.string(),
      headingDeg: z.number().nullable(),
      fovDeg: z.number().nullable(),
      lon: z.number().nullable(),
      lat: z.number().nullable(),
    }),
  ),
});
type Sample = z.infer<typeof Samples>['samples'][number];

const TITLES: Record<string, string> = {
  matched: 'Found',
  ambiguous: 'Several places fit',
  no_match: 'Not found here',
  out_of_coverage: 'Outside the covered area',
};

let demo: Demo;
let browser: Browser;
let samples: readonly Sample[];
/** A sample with a place to show, and what the service says about it. */
let located: { sample: Sample; answer: Answer };

beforeAll(async () => {
  [demo, browser] = await Promise.all([startDemo(), launchChromium({ webgl: true })]);
  samples = Samples.parse(await (await fetch(`${demo.url}/demo/samples.json`)).json()).samples;
  located = await firstLocated();
});

afterAll(async () => {
  await browser?.close();
  await demo?.stop();
});

/** What the page sends for a sample: its heading, and a photo's field of view. */
function optionsOf({ kind, headingDeg, fovDeg }: Sample): Record<string, number> {
  return {
    ...(headingDeg === null ? {} : { headingDeg: Math.round(headingDeg) % 360 }),
    ...(fovDeg === null || kind !== 'photo' ? {} : { fovDeg: Math.round(fovDeg) }),
  };
}

async function locate(sample: Sample, options: Record<string, unknown>): Promise<Answer> {
  const form = new FormData();
  form.set('image', await (await fetch(`${demo.url}${sample.image}`)).blob(), 'sample');
  form.set('options', JSON.stringify(options));
  const response = await fetch(`${demo.url}/v1/geolocate`, { method: 'POST', body: form });
  if (!response.ok) throw new Error(`${sample.id}: ${response.status} ${await response.text()}`);
  return Answer.parse(await response.json());
}

async function firstLocated(): Promise<{ sample: Sample; answer: Answer }> {
  let second: { sample: Sample; answer: Answer } | undefined;
  for (const sample of samples) {
    const answer = await locate(sample, optionsOf(sample));
    if (answer.status === 'matched') return { sample, answer };
    if (answer.location !== undefined) second ??= { sample, answer };
  }
  if (second !== undefined) return second;
  throw new Error(`None of the ${samples.length} samples is located: there is nothing that the page could show.`);
}

/** Opens the page; once the test has ended nothing but `allowed` may have been complained about, and nobody else called. */
async function visit(options: BrowserContextOptions & { allowed?: RegExp; in?: Browser } = {}): Promise<Page> {
  const { allowed, in: where = browser, ...context } = options;
  const { page, complaints } = await openPage(where, `${demo.url}/`, context);
  onTestFinished(async () => {
    await page.context().close();
    expectQuiet(complaints, allowed);
  });
  return page;
}

function expectQuiet({ errors, foreignRequests }: Complaints, allowed: RegExp | undefined): void {
  expect(errors.filter((message) => !allowed?.test(message))).toEqual([]);
  expect(foreignRequests).toEqual([]);
}

async function answered(page: Page, status: string): Promise<void> {
  await page.locator(`#answer[data-status=${status}]`).waitFor();
}

async function pickLocated(page: Page): Promise<void> {
  await page.locator(`[role=option][data-id="${located.sample.id}"]`).click();
  await answered(page, located.answer.status);
}

async function shownAnswer(page: Page): Promise<Answer> {
  return Answer.parse(JSON.parse((await page.locator('.raw code').textContent()) ?? ''));
}

async function drop(page: Page, file: { name: string; type: string; bytes: Uint8Array }): Promise<void> {
  const base64 = Buffer.from(file.bytes).toString('base64');
  const transfer = await page.evaluateHandle(`(() => {
    const bytes = Uint8Array.from(atob(${JSON.stringify(base64)}), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], ${JSON.stringify(file.name)}, { type: ${JSON.stringify(file.type)} }));
    return transfer;
  })()`);
  await page.dispatchEvent('#drop', 'drop', { dataTransfer: transfer });
}

async function scrollsSideways(page: Page): Promise<boolean> {
  return z.boolean().parse(await page.evaluate('document.documentElement.scrollWidth > innerWidth'));
}

describe('the page at /', () => {
  test('says in words what the service answers to a sample', async () => {
    const page = await visit();
    await pickLocated(page);
    const { answer, sample } = located;
    const shown = await shownAnswer(page);
    expect(shown.location).toEqual(answer.location);
    expect(await page.locator('#answer h2').textContent()).toBe(TITLES[answer.status]);
    expect(await page.locator('.facts').textContent()).toContain(`${Math.round(answer.accuracy?.radiusM ?? 0)} m`);
    if (answer.location !== undefined && sample.lon !== null && sample.lat !== null) {
      const errorM = distanceM(answer.location.coordinates, [sample.lon, sample.lat]);
      const words = errorM < 9.95 ? errorM.toFixed(1) : String(Math.round(errorM));
      expect(await page.locator('#verdict').textContent()).toContain(`${words} m from the truth`);
    }
    expect(await page.locator('.candidate .tile-id').allTextContents()).toEqual(shown.candidates.map((c) => c.tileId));
  });

  test('draws imagery, the accuracy circle in metres, every candidate and the truth', async () => {
    const page = await visit();
    await pickLocated(page);
    const { answer, sample } = located;
    const at = answer.location?.coordinates ?? [Number.NaN, Number.NaN];
    const scene = await sceneOnMap(page);
    const circle = scene.find(({ properties }) => properties.role === 'accuracy')?.geometry;
    if (circle?.type !== 'Polygon') throw new Error('There is no circle on the map.');
    for (const point of circle.coordinates[0] ?? []) {
      expect(distanceM(at, point)).toBeCloseTo(answer.accuracy?.radiusM ?? 0, 2);
    }
    const ranks = scene.flatMap(({ properties }) => (properties.role === 'tile' ? [properties.rank] : []));
    expect(ranks.sort()).toEqual(answer.candidates.map(({ rank }) => rank).sort());
    const truth = scene.find(({ properties }) => properties.role === 'truth')?.geometry;
    expect(truth).toEqual({ type: 'Point', coordinates: [sample.lon, sample.lat] });

    const painted = await paintedLayers(page);
    expect(painted).toEqual(expect.arrayContaining(['accuracy', 'location', 'tile', 'truth']));
    expect(await coloursOnMap(page)).toBeGreaterThan(30);
  });

  test('shows the candidate that is clicked in the list', async () => {
    const page = await visit();
    await pickLocated(page);
    const last = located.answer.candidates.at(-1);
    if (last === undefined) throw new Error('The answer has no candidate.');
    await page.locator(`.candidate[data-rank="${last.rank}"]`).click();
    await mapAtRest(page);
    expect(await page.locator('.candidate[aria-pressed=true]').getAttribute('data-rank')).toBe(String(last.rank));
    const selected = (await sceneOnMap(page)).filter(({ properties }) => properties.selected);
    expect(selected.map(({ properties }) => properties.rank)).toEqual([last.rank]);
    const [west = 0, south = 0, east = 0, north = 0] = last.bounds;
    const view = z.object({ west: z.number(), south: z.number(), east: z.number(), north: z.number() }).parse(
      await page.evaluate(`(() => {
          const bounds = globalThis.geo2.map.native.getBounds();
          return { west: bounds.getWest(), south: bounds.getSouth(), east: bounds.getEast(), north: bounds.getNorth() };
        })()`),
    );
    expect(view.west < west && view.south < south && view.east > east && view.north > north).toBe(true);
  });

  test('is worked by the keyboard alone', async () => {
    const page = await visit();
    await page.locator('input[name=kind]').first().focus();
    await page.keyboard.press('Tab');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Enter');
    await page.locator('#answer .raw').waitFor();
    const picked = page.locator('[role=option][aria-selected=true]');
    expect(await picked.getAttribute('data-id')).toBe(samples[1]?.id);
    expect(await picked.getAttribute('tabindex')).toBe('0');
    expect(await page.locator('[role=option][tabindex="0"]').count()).toBe(1);
  });

  test('locates a photo that is dropped on it, without what was known of the sample before', async () => {
    const page = await visit();
    await pickLocated(page);
    const bytes = new Uint8Array(await (await fetch(`${demo.url}${located.sample.image}`)).arrayBuffer());
    await drop(page, { name: "my 'photo'.jpg", type: 'image/jpeg', bytes });
    const expected = await locate(located.sample, {});
    await page.locator('.curl', { hasText: 'photo' }).waitFor();
    const shown = await shownAnswer(page);
    expect(shown.status).toBe(expected.status);
    expect(shown.candidates.map(({ tileId }) => tileId)).toEqual(expected.candidates.map(({ tileId }) => tileId));
    expect(await page.locator('#chosen').textContent()).toBe("my 'photo'.jpg");
    expect(await page.locator('[role=option][aria-selected=true]').count()).toBe(0);
    expect((await sceneOnMap(page)).some(({ properties }) => properties.role === 'truth')).toBe(false);
  });

  test('says in words why a text file is refused, and works on', async () => {
    const page = await visit({ allowed: /status of 4\d\d/ });
    await page.locator('#file').setInputFiles({
      name: 'notes.txt',
      mimeType: 'text/plain',
      buffer: Buffer.from('This is no photo.\n'),
    });
    await answered(page, 'error');
    const facts = await page.locator('.facts').textContent();
    expect(facts).toContain('IMAGE_UNSUPPORTED');
    expect(await page.locator('#answer h2').textContent()).toBe('The image is of no supported kind');
    expect((await page.locator('#answer [role=alert]').textContent())?.length).toBeGreaterThan(20);
    expect(await page.locator('#verdict').isVisible()).toBe(false);
    await pickLocated(page);
    expect(await page.locator('#verdict').isVisible()).toBe(true);
  });

  test('says that the service is away when nothing answers', async () => {
    const page = await visit({ allowed: /ERR_INTERNET_DISCONNECTED/ });
    await pickLocated(page);
    await page.context().setOffline(true);
    await page.locator('#locate').click();
    await answered(page, 'error');
    expect(await page.locator('#answer h2').textContent()).toBe('No answer');
    await page.context().setOffline(false);
    await page.locator('#locate').click();
    await answered(page, located.answer.status);
  });

  test('searches the circle whose centre is clicked on the map', async () => {
    const page = await visit();
    await pickLocated(page);
    await mapAtRest(page);
    await page.locator('input[name=prior][value=circle]').check();
    await page.locator('#prior-radius').fill('60');
    const at = located.answer.location?.coordinates ?? [0, 0];
    const pixel = await pixelOf(page, at);
    await page.mouse.click(pixel.x, pixel.y);
    await page.locator('#locate').click();
    await page.locator('.curl', { hasText: '"radiusM":60' }).waitFor();
    const circle = (await sceneOnMap(page)).find(({ properties }) => properties.role === 'prior')?.geometry;
    if (circle?.type !== 'Polygon') throw new Error('There is no prior on the map.');
    for (const point of circle.coordinates[0] ?? []) expect(Math.abs(distanceM(at, point) - 60)).toBeLessThan(8);
    const { candidates } = await shownAnswer(page);
    expect(candidates.length).toBeGreaterThan(0);
    for (const { location } of candidates) expect(distanceM(at, location.coordinates)).toBeLessThan(60 + 120);
  });

  test('asks for the missing centre of a circle instead of sending it', async () => {
    const page = await visit();
    await page.locator('input[name=prior][value=circle]').check();
    await page.locator('[role=option]').first().click();
    await page.locator('#answer .hint', { hasText: 'what is missing' }).waitFor();
    expect(await page.locator('#answer .raw').count()).toBe(0);
  });

  test('says that a circle far away is outside the covered area', async () => {
    const page = await visit();
    await page.locator('input[name=prior][value=circle]').check();
    await page.locator('#prior-lon').fill('120');
    await page.locator('#prior-lat').fill('-40');
    await page.locator('[role=option]').first().click();
    await answered(page, 'out_of_coverage');
    expect(await page.locator('#answer h2').textContent()).toBe('Outside the covered area');
    expect(await page.locator('.candidate').count()).toBe(0);
  });

  test('gives the command that repeats the request', async ({ skip }) => {
    const hasCurl = await run('curl', ['--version']).then(Boolean, () => false);
    if (!hasCurl) skip('curl is not installed on this machine');
    const page = await visit();
    await pickLocated(page);
    const ofSample = (await page.locator('.curl code').textContent()) ?? '';
    expect(await repeated(ofSample, '.')).toEqual(comparable(await shownAnswer(page)));

    const folder = await temporaryFolder();
    const name = 'a "photo", it\'s; mine.jpg';
    const bytes = new Uint8Array(await (await fetch(`${demo.url}${located.sample.image}`)).arrayBuffer());
    await writeFile(join(folder, name), bytes);
    await page.locator('#file').setInputFiles({ name, mimeType: 'image/jpeg', buffer: Buffer.from(bytes) });
    await page.locator('.curl', { hasText: 'mine.jpg' }).waitFor();
    const ofFile = (await page.locator('.curl code').textContent()) ?? '';
    expect(await repeated(ofFile, folder)).toEqual(comparable(await shownAnswer(page)));
  });

  test('fits a phone without scrolling sideways, before and after an answer', async () => {
    const page = await visit({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    expect(await scrollsSideways(page)).toBe(false);
    await pickLocated(page);
    await page.locator('.raw summary').click();
    expect(await scrollsSideways(page)).toBe(false);
    const box = await page.locator('#map').boundingBox();
    expect(box?.width).toBeGreaterThan(300);
    expect(await paintedLayers(page)).toContain('location');
  });

  test('follows the dark colour scheme', async () => {
    const background = async (colorScheme: 'dark' | 'light') => {
      const page = await visit({ colorScheme });
      const colour = z.string().parse(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      return Number(/\d+/.exec(colour)?.[0]);
    };
    expect(await background('dark')).toBeLessThan(60);
    expect(await background('light')).toBeGreaterThan(200);
  });

  test('shows a static map and the same answer where the browser has no WebGL', async () => {
    const plain = await launchChromium({ webgl: false });
    onTestFinished(() => plain.close());
    const page = await visit({ in: plain, allowed: /WebGL/i });
    await pickLocated(page);
    expect(await page.locator('#map-note').textContent()).toContain('no WebGL');
    expect((await shownAnswer(page)).location).toEqual(located.answer.location);
    expect(await page.locator('.static-shapes .shape-accuracy').count()).toBeGreaterThan(0);
    const tiles = page.locator('.static-tiles img');
    await expect
      .poll(() =>
        tiles.evaluateAll((all) => all.filter((one) => 'naturalWidth' in one && one.naturalWidth === 256).length),
      )
      .toBeGreaterThan(0);
  });
});

/** What two answers to one request have in common: all but times and ids. */
function comparable({ status, location, accuracy, heading, candidates }: Answer) {
  return { status, location, accuracy, heading, candidates };
}

async function repeated(command: string, folder: string): Promise<unknown> {
  const { stdout } = await run('bash', ['-c', command], { cwd: folder });
  return comparable(Answer.parse(JSON.parse(stdout)));
}
