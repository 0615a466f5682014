import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { canceled, Geo2Error } from '../errors.ts';
import type { Bounds } from '../geo/bounds.ts';
import { type MapTile, mapTileBounds } from '../geo/web-mercator.ts';
import type { PinnedFetcher } from '../outbound/pinned-fetcher.ts';
import { mapTileGrid } from './map-tile-grid.ts';
import type { PixelGrid } from './pixel-grid.ts';

export interface XyzUrlOptions {
  /** With `{z}`, `{x}` and `{y}` (or `{-y}`, counted northward). */
  readonly template: string;
  /** What the tiles are wanted for: a template does not say where it has any. */
  readonly bounds: Bounds;
  /** The zoom that is fetched. */
  readonly zoom: number;
  readonly fetcher: PinnedFetcher;
}

const MAX_TILE_BYTES = 8 * 1024 * 1024;
const TIMEOUT_MS = 20_000;
/** A server that is asked for thousands of tiles is sometimes busy. */
const TRIES = 4;
const FIRST_PAUSE_MS = 500;
const HEADERS = { accept: 'image/webp, image/png, image/jpeg', 'accept-encoding': 'identity', 'user-agent': 'geo2' };

/** Tiles behind a URL template. 404, 204 and 410 are holes. Errors of its tiles: SOURCE_INVALID, CANCELED. */
export function openXyzUrl({ template, bounds, zoom, fetcher }: XyzUrlOptions): PixelGrid {
  checkTemplate(template);
  return mapTileGrid({
    name: template,
    bounds,
    minZoom: zoom,
    maxZoom: zoom,
    read: (tile, signal) => fetchTile(fill(template, tile), fetcher, signal),
  });
}

async function fetchTile(
  url: string,
  fetcher: PinnedFetcher,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  let why = '';
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await pause(FIRST_PAUSE_MS * 2 ** (attempt - 1), signal);
    const result = await fetcher.fetch({
      url,
      method: 'GET',
      headers: HEADERS,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_TILE_BYTES,
      signal,
    });
    if (result.type === 'refused') throw failed(url, `is not fetched: ${result.why}`);
    if (result.type !== 'answer') {
      why = `could not be fetched: ${result.why}`;
      continue;
    }
    const { status, body, truncated } = result;
    if (status === 404 || status === 204 || status === 410) return undefined;
    if (status === 200 && truncated) throw failed(url, `has more than ${MAX_TILE_BYTES} bytes`);
    if (status === 200) return body;
    why = `was answered with ${status}`;
    if (status !== 429 && status < 500) break;
  }
  throw failed(url, why);
}

function failed(url: string, why: string): Geo2Error {
  return new Geo2Error('SOURCE_INVALID', `${url} ${why}.`, { data: { file: url } });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await wait(ms, undefined, { signal }).catch(() => {
    throw canceled(signal);
  });
}

function checkTemplate(template: string): void {
  const parts = ['{z}', '{x}'].filter((part) => !template.includes(part));
  if (!/\{-?y\}/.test(template)) parts.push('{y}');
  if (parts.length === 0) return;
  throw new Geo2Error(
    'SOURCE_INVALID',
    `${template} lacks ${parts.join(' and ')}: write for example …/{z}/{x}/{y}.png.`,
  );
}

function fill(template: string, { z, x, y }: MapTile): string {
  const values: Readonly<Record<string, number>> = { z, x, y, '-y': 2 ** z - 1 - y };
  return template.replaceAll(/\{(z|x|y|-y)\}/g, (_, name: string) => String(values[name]));
}

/** A folder of `z/x/y.png` (or .jpg, .webp). Errors: SOURCE_INVALID. */
export async function openXyzFolder(dir: string): Promise<PixelGrid> {
  const zooms = await numbersIn(dir);
  const [minZoom, maxZoom] = [zooms[0], zooms.at(-1)];
  if (minZoom === undefined || maxZoom === undefined) {
    throw new Geo2Error(
      'SOURCE_INVALID',
      `${dir} holds no imagery: it has neither a tiles.csv, as a view set has, nor folders z/x with map tiles y.png.`,
    );
  }
  const { bounds, extension } = await extentOf(dir, maxZoom);
  return mapTileGrid({
    name: dir,
    bounds,
    minZoom,
    maxZoom,
    async read({ z, x, y }) {
      const path = join(dir, String(z), String(x), `${y}.${extension}`);
      return readFile(path).catch((cause: unknown) => {
        if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
        throw new Geo2Error('SOURCE_INVALID', `${path} cannot be read.`, { data: { file: path }, cause });
      });
    },
  });
}

async function extentOf(dir: string, zoom: number): Promise<{ bounds: Bounds; extension: string }> {
  const columns = await numbersIn(join(dir, String(zoom)));
  let extension: string | undefined;
  let [top, bottom] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const x of columns) {
    for (const name of await readdir(join(dir, String(zoom), String(x)))) {
      const [, y, found] = /^(\d+)\.(png|jpe?g|webp)$/.exec(name) ?? [];
      if (y === undefined) continue;
      extension ??= found;
      top = Math.min(top, Number(y));
      bottom = Math.max(bottom, Number(y));
    }
  }
  const [left, right] = [columns[0], columns.at(-1)];
  if (left === undefined || right === undefined || extension === undefined) {
    throw new Geo2Error('SOURCE_INVALID', `${dir} has no images at its deepest zoom, ${zoom}.`);
  }
  const { west, north } = mapTileBounds({ z: zoom, x: left, y: top });
  const { east, south } = mapTileBounds({ z: zoom, x: right, y: bottom });
  return { bounds: { west, south, east, north }, extension };
}

/** Names of folders that are whole numbers, ascending. */
async function numbersIn(dir: string): Promise<number[]> {
  const entries = await readdir(dir, { withFileTypes: true }).catch((cause: unknown) => {
    throw new Geo2Error('SOURCE_INVALID', `${dir} cannot be read.`, { cause });
  });
  return entries
    .filter((entry) => entry.isDirectory() && /^\d+$/.test(entry.name))
    .map((entry) => Number(entry.name))
    .sort((a, b) => a - b);
}
