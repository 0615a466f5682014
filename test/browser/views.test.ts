import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { prepareFiles } from '../e2e/service.ts';
import { launchChromium, openPage } from './chromium.ts';
import { type Demo, startDemo } from './demo-server.ts';
import { pixelOf } from './map-of-page.ts';

const SLOW = { timeout: 180_000 };
/** In the imagery of the region that a test writes. */
const PLACE = [0.0003, 0.0003] as const;

const PanoramaSchema = z.object({ id: z.string(), lon: z.number(), lat: z.number() });

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium({ webgl: true });
});
afterAll(() => browser?.close());

async function demoWith({ makesViews }: { makesViews: boolean }): Promise<Demo> {
  const files = await prepareFiles({ makesViews });
  const demo = await startDemo({
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
    GEO2_REQUEST_TIMEOUT_MS: '60000',
  });
  onTestFinished(() => demo.stop());
  return demo;
}

async function visit(demo: Demo) {
  const { page, complaints } = await openPage(browser, demo.url);
  onTestFinished(() => page.context().close());
  return { page, complaints };
}

test('a click on the map shows the street there, and a drag turns it', SLOW, async () => {
  const { page, complaints } = await visit(await demoWith({ makesViews: true }));
  await page.locator('#views').waitFor();
  await page.evaluate(`new Promise((done) => {
    const map = globalThis.geo2.map.native;
    map.once('idle', done);
    map.jumpTo({ center: [${PLACE.join()}], zoom: 18 });
  })`);
  const { x, y } = await pixelOf(page, PLACE);
  await page.mouse.click(x, y);
  const street = page.locator('#street');
  await street.waitFor();
  await expect.poll(() => page.evaluate("document.getElementById('street').naturalWidth")).toBe(384);
  const first = await street.getAttribute('src');
  expect(await page.locator('#street-note').textContent()).toMatch(/0\.0003\d, 0\.0003\d/);

  const box = await street.boundingBox();
  if (box === null) throw new Error('the street is not to be seen');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + 20, box.y + box.height / 2, { steps: 5 });
  await page.mouse.up();
  const heading = Number(await page.locator('#street-heading').inputValue());
  expect(heading).toBeGreaterThan(10);
  expect(heading).toBeLessThan(90);
  await expect.poll(() => street.getAttribute('src')).not.toBe(first);
  expect(complaints).toEqual({ errors: [], foreignRequests: [] });
});

test('where a panorama was rendered it is beside the street, and turns with it', SLOW, async () => {
  const demo = await startDemo({ GEO2_THREADS: '1', GEO2_VECTOR_INDEX: 'exact', GEO2_REQUEST_TIMEOUT_MS: '60000' });
  onTestFinished(() => demo.stop());
  const { page, complaints } = await visit(demo);
  await page.locator('#views').waitFor();
  const sample = PanoramaSchema.parse(
    await page.evaluate(`fetch('/demo/samples.json').then((r) => r.json()).then((found) => found.samples.find(
      (each) => each.kind === 'panorama' && each.lon !== null))`),
  );
  const place = [sample.lon, sample.lat] as const;
  await page.evaluate(`new Promise((done) => {
    const map = globalThis.geo2.map.native;
    map.once('idle', done);
    map.jumpTo({ center: [${place.join()}], zoom: 18 });
  })`);
  const { x, y } = await pixelOf(page, place);
  await page.mouse.click(x, y);
  const truth = page.locator('#street-truth');
  await truth.waitFor();
  await page.locator('#street').waitFor();
  expect(await truth.getAttribute('data-sample')).toBe(sample.id);
  const shift = () =>
    page.evaluate<number>("parseFloat(document.getElementById('street-truth').style.backgroundPosition)");
  const [north, turnedDeg] = [await shift(), 40];
  await page.locator('#street-heading').fill(String(turnedDeg));
  const widthPx = await page.evaluate<number>("document.getElementById('street-truth').clientWidth");
  await expect.poll(shift).toBeCloseTo(north - (turnedDeg / 90) * widthPx, 0);
  expect(complaints).toEqual({ errors: [], foreignRequests: [] });
});

test('a photo that is chosen is shown from above', SLOW, async () => {
  const { page, complaints } = await visit(await demoWith({ makesViews: true }));
  await page.locator('#views').waitFor();
  await page.locator('[role=option]').first().click();
  const aerial = page.locator('#aerial');
  await aerial.waitFor();
  await expect.poll(() => page.evaluate("document.getElementById('aerial').naturalWidth")).toBe(256);
  expect(await page.locator('#aerial-note').textContent()).toMatch(/north is up/);
  expect(complaints).toEqual({ errors: [], foreignRequests: [] });
});

test('the page offers no views where the served model makes none', SLOW, async () => {
  const { page } = await visit(await demoWith({ makesViews: false }));
  await page.locator('#map[data-kind]').waitFor();
  await page.waitForLoadState('networkidle');
  expect(await page.locator('#views').isVisible()).toBe(false);
});
