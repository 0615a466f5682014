import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import * as z from 'zod';
import { PROGRAM_DIR } from '../src/config.ts';

/** `bin/geo2 serve` in processes of its own, on a free port. */
export interface Service {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const ReadySchema = z.object({ url: z.string(), regions: z.array(z.string()) });

/** Resolves when it is ready. Rejects with what it printed when it ends before. */
export async function startService(env: Readonly<Record<string, string | undefined>>): Promise<Service> {
  const dataDir = await mkdtemp(join(tmpdir(), 'geo2-bench-'));
  const child = spawn(join(PROGRAM_DIR, 'bin/geo2'), ['serve', '--port', '0', '--json'], {
    env: { ...env, GEO2_DATA_DIR: dataDir, GEO2_LOG_LEVEL: 'error' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const ended = once(child, 'close');
  const ready = await Promise.race([readyLine(child.stdout), ended.then(() => undefined)]);
  const { pid } = child;
  if (ready === undefined || pid === undefined) throw new Error(`geo2 serve did not start:\n${errors}`);
  if (ready.regions.length === 0) {
    child.kill('SIGTERM');
    await ended;
    throw new Error('The store has no region to search: set GEO2_STORE, or build the demo first.');
  }
  return {
    url: ready.url,
    pid,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

async function readyLine(stdout: NodeJS.ReadableStream): Promise<z.infer<typeof ReadySchema> | undefined> {
  for await (const line of createInterface({ input: stdout })) {
    const parsed = ReadySchema.safeParse(JSON.parse(line));
    if (parsed.success) {
      stdout.resume(); // nobody reads on: the pipe must not fill
      return parsed.data;
    }
  }
  return undefined;
}

export interface Photo {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headingDeg: number | undefined;
}

/** How one request went, in milliseconds. */
export interface Served {
  /** From the first byte sent to the last one read. */
  readonly wallMs: number;
  /** Of the use case. */
  readonly totalMs: number;
  /** Bytes to canvas. */
  readonly decodeMs: number;
  /** Inside the ONNX graph. */
  readonly graphMs: number;
  readonly searchMs: number;
  /** The model's name. */
  readonly model: string;
}

const AnswerSchema = z.object({
  model: z.object({ name: z.string() }),
  timingMs: z.object({ decode: z.number(), inference: z.number(), search: z.number(), total: z.number() }),
});

/** Asks once; anything but an answer is an error. */
export async function geolocate(service: Service, photo: Photo): Promise<Served> {
  const query = photo.headingDeg === undefined ? '' : `?headingDeg=${photo.headingDeg}`;
  const startedMs = performance.now();
  const response = await fetch(`${service.url}/v1/geolocate${query}`, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream' },
    body: photo.bytes,
  });
  const text = await response.text();
  const wallMs = performance.now() - startedMs;
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  const { model, timingMs } = AnswerSchema.parse(JSON.parse(text));
  const { decode: decodeMs, inference: graphMs, search: searchMs, total: totalMs } = timingMs;
  return { wallMs, totalMs, decodeMs, graphMs, searchMs, model: model.name };
}

/** Asks `requests` times, `concurrency` at once, going round the photos. */
export async function askMany(
  service: Service,
  photos: readonly Photo[],
  { requests, concurrency }: { requests: number; concurrency: number },
): Promise<{ served: Served[]; elapsedMs: number }> {
  const served: Served[] = [];
  let next = 0;
  async function worker(): Promise<void> {
    for (let at = next++; at < requests; at = next++) {
      const photo = photos[at % photos.length];
      if (photo !== undefined) served.push(await geolocate(service, photo));
    }
  }
  const startedMs = performance.now();
  await Promise.all(Array.from({ length: concurrency }, worker));
  return { served, elapsedMs: performance.now() - startedMs };
}

/** Delay of the service's event loop in milliseconds since the last time this was asked. */
export async function loopDelayMs(service: Service): Promise<{ p99: number; max: number }> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const at = (quantile: string): number => {
    const line = text.split('\n').find((found) => found.startsWith(`event_loop_delay_seconds{quantile="${quantile}"}`));
    if (line === undefined) throw new Error('/metrics tells no event loop delay');
    return Number(line.slice(line.lastIndexOf(' '))) * 1000;
  };
  return { p99: at('0.99'), max: at('1') };
}
