import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AnswerSchema } from '../../src/handlers/geolocate.ts';
import { launchChromium } from '../browser/chromium.ts';
import { colourImage, GREEN, type Service, startService, tileOf } from './service.ts';

let service: Service;
let browser: Browser;
beforeAll(async () => {
  service = await startService();
  browser = await launchChromium({ webgl: false });
});
afterAll(async () => {
  await browser.close();
  await service.stop();
});

test('/docs shows every operation and tries one, with nothing from another host and within its own policy', async () => {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const foreign: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(service.url) && !/^(data|blob):/.test(url)) foreign.push(url);
  });
  await page.goto(`${service.url}/docs`);
  const operations = page.locator('.opblock-summary-path');
  await operations.first().waitFor();
  const paths = (await operations.allInnerTexts()).map((text) => text.replaceAll(/\s|\u200b/g, ''));
  expect(paths).toEqual(expect.arrayContaining(['/v1/geolocate', '/v1/embed', '/v1/regions', '/v2/health/ready']));

  await page.locator('#operations-verbs-post_v1_geolocate .opblock-summary-control').first().click();
  const block = page.locator('#operations-verbs-post_v1_geolocate');
  await block.getByRole('button', { name: 'Try it out' }).click();
  await block.locator('input[type=file]').setInputFiles({
    name: 'green.png',
    mimeType: 'image/png',
    buffer: Buffer.from(await colourImage(GREEN)),
  });
  await block.getByRole('button', { name: 'Execute' }).click();
  const answer = block.locator('.live-responses-table .response-col_description .microlight').first();
  await answer.waitFor();
  const { status, candidates } = AnswerSchema.parse(JSON.parse((await answer.textContent()) ?? ''));
  expect([status, candidates[0]?.tileId]).toEqual(['matched', tileOf(GREEN)]);
  expect(complaints).toEqual([]);
  expect(foreign).toEqual([]);
});
