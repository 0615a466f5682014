import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from '../browser/chromium.ts';
import { blocksOf, createGuideReader, type GuideReader, readGuide } from '../e2e/guide.ts';
import { COLOURS, colourImage, GREEN, startService, tileOf } from '../e2e/service.ts';
import { type InstalledClient, installClient } from './package.ts';

/** The package as it is published, in the hands of those who install it. */

const GUIDE = 'clients/typescript/README.md';
const SHOWN_ONLY = ['json', 'text', 'console'];
const blocks = blocksOf(await readGuide(GUIDE)).filter(({ language }) => !SHOWN_ONLY.includes(language));

let client: InstalledClient;
let reader: GuideReader;
beforeAll(async () => {
  client = await installClient();
  reader = await createGuideReader(client);
}, 120_000);
afterAll(async () => {
  await reader.stop();
  await client.remove();
});

describe(`the examples of ${GUIDE}`, () => {
  test.each(blocks.map((block) => [block.section, block.line, block] as const))(
    'do what the text says: %s, line %i',
    { timeout: 330_000 },
    async (_section, _line, block) => {
      expect(await reader.run(block)).toBe('');
    },
  );

  test('have the types that they are shown with', { timeout: 120_000 }, async () => {
    const programs = blocks.filter(({ language }) => language === 'ts');
    expect(programs.length).toBeGreaterThan(3);
    const files = programs.map(({ line, code }) => ({ name: `line-${line}.ts`, code }));
    for (const { name, code } of files) await writeFile(join(reader.dir, name), code);
    const compilerOptions = { strict: true, module: 'nodenext', target: 'es2023', types: ['node'], noEmit: true };
    await writeFile(
      join(reader.dir, 'tsconfig.json'),
      JSON.stringify({ compilerOptions, files: files.map(({ name }) => name) }),
    );
    await writeFile(join(reader.dir, 'package.json'), '{"type":"module"}');
    const tsc = join(client.nodeModules, 'typescript/bin/tsc');
    const complaints = promisify(execFile)(process.execPath, [tsc, '-p', reader.dir]).catch((error: unknown) => error);
    expect(await complaints).toMatchObject({ stdout: '' });
  });
});

describe('in a browser', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium({ webgl: false });
  });
  afterAll(() => browser.close());

  test('a page of another origin locates a photo, with nothing built or bundled', async () => {
    const service = await startService();
    const pages = createServer(async (request, response) => {
      const { pathname } = new URL(request.url ?? '/', 'http://localhost');
      const [type, body] =
        pathname === '/'
          ? ['text/html', pageWith(service.url)]
          : ['text/javascript', await readFile(join(client.nodeModules, pathname))];
      response.writeHead(200, { 'content-type': type }).end(body);
    });
    try {
      pages.listen(0, '127.0.0.1');
      await once(pages, 'listening');
      const address = pages.address();
      if (address === null || typeof address === 'string') throw new Error('the server has no port');
      const page = await browser.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.message));
      await page.goto(`http://127.0.0.1:${address.port}/`);
      await page.locator('input').setInputFiles({
        name: 'photo.png',
        mimeType: 'image/png',
        buffer: Buffer.from(await colourImage(GREEN)),
      });
      await page.locator('output:not(:empty)').waitFor();
      expect(await page.locator('output').textContent()).toBe(`matched ${tileOf(GREEN)}, ${COLOURS.length} tiles`);
      expect(complaints).toEqual([]);
    } finally {
      pages.closeAllConnections();
      pages.close();
      await service.stop();
    }
  });
});

function pageWith(serviceUrl: string): string {
  const imports = { 'geo2-client': '/geo2-client/dist/index.js', 'openapi-fetch': '/openapi-fetch/dist/index.mjs' };
  return `<!doctype html>
<link rel="icon" href="data:,">
<input type="file"><output></output>
<script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
import { createGeo2Client } from 'geo2-client';
const geo2 = createGeo2Client({ baseUrl: ${JSON.stringify(serviceUrl)} });
document.querySelector('input').addEventListener('change', async ({ target }) => {
  const { status, candidates } = await geo2.geolocate(target.files[0], {}, { requestId: 'from-a-page' });
  const [region] = await geo2.regions.list();
  document.querySelector('output').textContent = status + ' ' + candidates[0].tileId + ', ' + region.tileCount + ' tiles';
});
</script>`;
}
