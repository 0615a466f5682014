import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import * as z from 'zod';
import { PROGRAM_DIR } from '../../src/config.ts';
import { prepareFiles, slowImage } from './service.ts';

/** The program as an operator runs it. */

const LineSchema = z.looseObject({ msg: z.string(), url: z.string().optional() });

function start(env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, [join(PROGRAM_DIR, 'src/main.ts')], {
    env: { PATH: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

async function environment(): Promise<Record<string, string>> {
  const files = await prepareFiles();
  onTestFinished(() => rm(files.root, { recursive: true, force: true }));
  return {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
    GEO2_DATA_DIR: join(files.root, 'data'),
    PORT: '0',
  };
}

/** Reads the log until the service is ready; then its address. */
async function untilReady(child: ChildProcess): Promise<string> {
  if (child.stdout === null) throw new Error('the child has no output');
  for await (const line of createInterface({ input: child.stdout })) {
    const { msg, url } = LineSchema.parse(JSON.parse(line));
    if (msg === 'ready' && url !== undefined) return url;
  }
  throw new Error('it ended before it was ready');
}

async function textOf(child: ChildProcess, stream: 'stderr'): Promise<string> {
  let text = '';
  for await (const chunk of child[stream] ?? []) text += chunk;
  return text;
}

describe('the process', () => {
  test('finishes what is in flight on SIGTERM and exits with 0', async () => {
    const child = start(await environment());
    const url = await untilReady(child);
    const exited = once(child, 'exit');
    const inFlight = fetch(`${url}/v1/geolocate`, {
      method: 'POST',
      body: await slowImage(8),
      headers: { 'content-type': 'image/png' },
    });
    const metrics = async () => (await fetch(`${url}/metrics`)).text();
    await expect.poll(metrics, { timeout: 10_000 }).toMatch(/^inference_pending\{[^}]*\} [1-9]/m);
    child.kill('SIGTERM');
    expect((await inFlight).status).toBe(200);
    expect(await exited).toEqual([0, null]);
  });

  test('exits with 1 and says every problem of its environment', async () => {
    const child = start({ PORT: 'http', GEO2_THREADS: '0' });
    const [text, [code]] = await Promise.all([textOf(child, 'stderr'), once(child, 'exit')]);
    expect(code).toBe(1);
    expect(text).toMatch(/PORT="http": must be/);
    expect(text).toMatch(/GEO2_THREADS="0": must be/);
    expect(text).not.toMatch(/\bat .*\.ts:\d+/);
  });
});
