import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Software rendering: a machine that runs tests has no graphics card. */
const WEBGL = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader'];
const NO_WEBGL = ['--disable-3d-apis'];

/** Debian's Chromium, or the one that CHROMIUM_PATH names. */
export async function launchChromium({ webgl }: { webgl: boolean }): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-dev-shm-usage', ...(webgl ? WEBGL : NO_WEBGL)];
  return chromium.launch({ executablePath: chromiumPath(), args });
}

function chromiumPath(): string {
  const given = process.env.CHROMIUM_PATH;
  if (given !== undefined && given !== '') return given;
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found = folders.map((folder) => join(folder, 'chromium')).find(isExecutable);
  if (found !== undefined) return found;
  throw new Error('There is no chromium on the PATH: install it (apt install chromium) or set CHROMIUM_PATH.');
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** What a page complained about, and whom it called beside its own origin. */
export interface Complaints {
  readonly errors: string[];
  readonly foreignRequests: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; complaints: Complaints }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints: Complaints = { errors: [], foreignRequests: [] };
  const { origin } = new URL(url);
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.errors.push(message.text());
  });
  page.on('pageerror', (error) => complaints.errors.push(error.message));
  page.on('request', (request) => {
    const called = new URL(request.url());
    if (/^https?:$/.test(called.protocol) && called.origin !== origin) complaints.foreignRequests.push(request.url());
  });
  await page.goto(url);
  await page.locator('[role=option]').first().waitFor();
  await page.locator('#map[data-kind]').waitFor();
  return { page, complaints };
}
