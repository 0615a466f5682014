import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import sharp from 'sharp';
import type * as z from 'zod';
import { createGeo2Client, type Geo2Client } from '../../clients/typescript/src/index.ts';
import { type Config, readConfig } from '../../src/config.ts';
import { AnswerSchema } from '../../src/handlers/geolocate.ts';
import { createLogger } from '../../src/logging.ts';
import { type RunningServer, startServer } from '../../src/main.ts';
import { writeTinyModel } from '../core/inference/tiny-model.ts';
import { TINY_SYNTHESIS_WIDTH, writeTinySynthesisModel } from '../core/inference/tiny-synthesis.ts';
import { type Colour, writeTestRegion } from './region-bundle.ts';

/** The whole service on a real socket: a real (tiny) model in its process, real regions in a real store. */
export interface Service {
  readonly url: string;
  readonly server: RunningServer;
  /** The client that integrators use, without its retries: a test wants the first answer. */
  readonly client: Geo2Client;
  /** Lines of the log, parsed. */
  readonly log: Record<string, unknown>[];
  stop(): Promise<void>;
}

export const GREEN: Colour = [0, 200, 50];
export const BLUE: Colour = [0, 40, 220];
/** One reference tile each; the model tells them apart by their direction in colour space. */
export const COLOURS: readonly Colour[] = [GREEN, BLUE, [220, 30, 20], [200, 180, 10], [190, 20, 200], [0, 150, 150]];

/** The reference tile that a photo of this colour was taken on. */
export function tileOf(colour: Colour): string {
  return `tile-${COLOURS.indexOf(colour)}`;
}

export interface ServiceFiles {
  readonly root: string;
  readonly modelDir: string;
  readonly modelVersionDir: string;
  readonly storeDir: string;
  /** Folder of the published version by the region's id. */
  readonly regionDirs: Readonly<Record<string, string>>;
}

/**
 * Writes a model (one that makes views, if asked) and regions (`test` unless named) into a new folder, which goes with the service that
 * is started on it.
 */
export async function prepareFiles(
  options: { regions?: readonly string[]; regionModelVersion?: string; makesViews?: boolean } = {},
): Promise<ServiceFiles> {
  const root = await mkdtemp(join(tmpdir(), 'geo2-e2e-'));
  const modelDir = join(root, 'models/tiny');
  const modelVersionDir = join(modelDir, '0.0.1');
  const storeDir = join(root, 'store');
  await mkdir(modelVersionDir, { recursive: true });
  const { makesViews = false } = options;
  await (makesViews ? writeTinySynthesisModel : writeTinyModel)(modelVersionDir);
  await writeFile(join(modelDir, 'current.json'), '{"version":"0.0.1"}\n');
  const regionDirs: Record<string, string> = {};
  for (const id of options.regions ?? ['test']) {
    regionDirs[id] = await writeTestRegion(storeDir, {
      id,
      colours: COLOURS,
      modelVersion: options.regionModelVersion ?? '0.0.1',
      ...(makesViews ? { width: TINY_SYNTHESIS_WIDTH } : {}),
    });
  }
  return { root, modelDir, modelVersionDir, storeDir, regionDirs };
}

/** What a process needs to be told to work on these files. */
export function environmentOf(files: ServiceFiles): Record<string, string> {
  return {
    GEO2_STORE: pathToFileURL(files.storeDir).href,
    GEO2_MODEL_DIR: files.modelDir,
    GEO2_THREADS: '1',
    GEO2_VECTOR_INDEX: 'exact',
  };
}

/** On a free port, with the exact index unless another is asked for. Removes its files when it stops or does not start. */
export async function startService(
  overrides: Partial<Config> = {},
  options: { files?: ServiceFiles } = {},
): Promise<Service> {
  const files = options.files ?? (await prepareFiles());
  const remove = () => rm(files.root, { recursive: true, force: true });
  const log: Record<string, unknown>[] = [];
  const config: Config = {
    ...readConfig({
      ...environmentOf(files),
      GEO2_CACHE_DIR: join(files.root, 'cache'),
      GEO2_DATA_DIR: join(files.root, 'data'),
      PORT: '0',
    }),
    ...overrides,
  };
  const logger = createLogger(
    { level: 'debug', version: 'test' },
    { write: (line) => void log.push(JSON.parse(line)) },
  );
  try {
    const server = await startServer(config, { logger });
    return {
      url: server.url,
      server,
      client: createGeo2Client({ baseUrl: server.url, retry: { maxAttempts: 1 } }),
      log,
      stop: async () => {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** A photo of one colour. */
export async function colourImage([r, g, b]: Colour): Promise<Uint8Array<ArrayBuffer>> {
  const image = sharp({ create: { width: 256, height: 192, channels: 3, background: { r, g, b } } });
  return new Uint8Array(await image.png().toBuffer());
}

/** A panorama whose first pixel makes the model take `level` tenths of a second, more or less. */
export async function slowImage(level: number): Promise<Uint8Array<ArrayBuffer>> {
  const image = sharp({ create: { width: 512, height: 256, channels: 3, background: { r: level, g: 200, b: 50 } } });
  return new Uint8Array(await image.png().toBuffer());
}

export function postImage(
  service: Service,
  body: Uint8Array<ArrayBuffer>,
  query = '',
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Response> {
  return fetch(`${service.url}/v1/geolocate${query}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'image/png', ...headers },
    ...(signal === undefined ? {} : { signal }),
  });
}

/** The answer of a request that must be served, checked against the schema that the OpenAPI document shows. */
export async function answerOf(response: Response): Promise<z.infer<typeof AnswerSchema>> {
  if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`);
  return AnswerSchema.parse(await response.json());
}

/** The value of one line of /metrics, by everything before the value; 0 when there is none. */
export async function metricOf(service: Service, line: string): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  const found = text.split('\n').find((candidate) => candidate.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length + 1));
}
