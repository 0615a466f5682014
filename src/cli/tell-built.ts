import { publishRegion } from '../core/regions/publish.ts';
import type { RegionManifest } from '../core/retrieval/region-manifest.ts';
import type { ObjectStore } from '../core/storage/object-store.ts';
import type { VersionCache } from '../core/storage/version-cache.ts';
import { readCurrent } from '../core/storage/versioned.ts';
import type { CommandContext } from './command.ts';
import { EXIT } from './failure.ts';
import { openIndexFile } from './index-file.ts';
import { duration } from './progress.ts';
import { bytes, count } from './table.ts';
import { tellPublication } from './tell-publication.ts';

export interface TellOptions {
  readonly json: boolean;
  readonly context: CommandContext;
  /** When the work began, as `context.nowMs` counts. */
  readonly startedMs: number;
}

/** Serves a version that was just built when it is asked for or the first of its region, and says what it is; gives the exit code. */
export async function tellBuilt(
  { id, version, tileCount: tiles, leftOutTiles, headings, model, index, files }: RegionManifest,
  options: TellOptions & {
    readonly store: ObjectStore;
    readonly cache: VersionCache;
    readonly publish: boolean | undefined;
  },
): Promise<number> {
  const { json, context, startedMs, store, cache, publish } = options;
  const { stdout, stderr, signal, nowMs } = context;
  const first = (await readCurrent(store, `regions/${id}`)) === undefined;
  const published = publish === true || first;
  if (published) {
    await publishRegion(store, { id, version }, { cache, openIndex: openIndexFile, signal });
    await tellPublication(context, { store, id });
  }
  const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
  if (json) {
    const told = { id, version, published, tiles, leftOutTiles: leftOutTiles ?? 0, headings, model, index, sizeBytes };
    stdout.write(`${JSON.stringify({ ...told, store: store.url })}\n`);
    return EXIT.ok;
  }
  stderr.write(`geo2: built in ${duration(nowMs() - startedMs)}\n`);
  stdout.write(
    `${id}@${version}: ${count(tiles, 'tile')} with ${count(headings, 'heading')} by ${model.name} ${model.version}, ` +
      `${bytes(sizeBytes)}${tellLeftOut(leftOutTiles ?? 0)}; ` +
      `${published ? 'served' : `not served yet: geo2 region publish ${id}@${version}`}\n`,
  );
  return EXIT.ok;
}

/** Nothing where no tile was left out. */
export function tellLeftOut(leftOut: number): string {
  return leftOut === 0 ? '' : `, ${count(leftOut, 'tile')} left out where imagery is missing`;
}
