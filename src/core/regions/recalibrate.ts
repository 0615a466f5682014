import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { Geo2Error } from '../errors.ts';
import type { Calibration } from '../inference/manifest.ts';
import type { Region } from '../retrieval/region.ts';
import type { RegionManifest } from '../retrieval/region-manifest.ts';
import type { FileFacts } from '../storage/checksums.ts';
import type { ObjectStore } from '../storage/object-store.ts';

/** Beside `calibration.json` in a bundle: how often answers are right that say how sure they are. */
export const DIAGRAM_FILE = 'calibration.svg';

export interface RecalibrateOptions {
  /** The new version's name. */
  readonly version: string;
  readonly calibration: Calibration;
  /** SVG. */
  readonly diagram: string;
  readonly createdAt: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A new version of a region that differs from the one in use by its calibration alone; the pointer is left alone. Errors:
 * STORE_CONFLICT (the version exists), STORE_FAILED, CANCELED.
 */
export async function recalibrateRegion(
  store: ObjectStore,
  { id, dir, manifest }: Pick<Region, 'id' | 'dir' | 'manifest'>,
  { version, calibration, diagram, createdAt, signal }: RecalibrateOptions,
): Promise<RegionManifest> {
  const prefix = `regions/${id}/${version}`;
  for await (const { key } of store.list(`${prefix}/`)) {
    throw new Geo2Error('STORE_CONFLICT', `${prefix} exists already: choose another name.`, { data: { key } });
  }
  const own = new Map([
    [manifest.calibration.file, `${JSON.stringify({ ...calibration, fittedOnRegion: id }, undefined, 2)}\n`],
    [DIAGRAM_FILE, diagram],
  ]);
  const same = manifest.files.filter(({ path }) => !own.has(path));
  const written: string[] = [];
  const put = async (path: string, body: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> => {
    await store.put(`${prefix}/${path}`, body, { ifNoneMatch: '*', signal });
    written.push(`${prefix}/${path}`);
  };
  try {
    for (const { path } of same) await put(path, createReadStream(join(dir, path)));
    for (const [path, text] of own) await put(path, new TextEncoder().encode(text));
    const files = [...same, ...Array.from(own, ([path, text]) => factsOf(path, text))];
    const changed: RegionManifest = { ...manifest, version, createdAt, files };
    await put('manifest.json', new TextEncoder().encode(`${JSON.stringify(changed, undefined, 2)}\n`));
    return changed;
  } catch (error) {
    for (const key of written) await store.delete(key).catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

function factsOf(path: string, text: string): FileFacts {
  const bytes = new TextEncoder().encode(text);
  return { path, sha256: createHash('sha256').update(bytes).digest('hex'), sizeBytes: bytes.length };
}
