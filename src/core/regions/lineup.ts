import { coveredRectangles } from '../coverage.ts';
import { Geo2Error } from '../errors.ts';
import type { Region, RegionFacts } from '../retrieval/region.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import type { Pointers, Seen } from './pointers.ts';
import { readFacts } from './region-facts.ts';
import { bytesToOpen, createRegionShelf, type RegionShelf } from './region-shelf.ts';
import { type RegionOption, settle } from './settle.ts';

/** How a region stands. */
export interface RegionHealth {
  readonly id: string;
  readonly status: 'LOADING' | 'READY' | 'UNAVAILABLE';
  /** The one that is served. */
  readonly version?: string;
  /** Why it is not READY, or why another version is served than the one that is published; for an operator. */
  readonly reason?: string;
  /** The file that is the reason. */
  readonly file?: string;
}

/** What the line-up needs of a model. */
export interface LineupModel {
  readonly manifest: {
    readonly name: string;
    readonly version: string;
    readonly embedding: { readonly width: number };
  };
  /** Loads it, warm and checked against its golden samples. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** A model and the regions that it embedded: a request is answered by one of these from beginning to end. */
export interface Generation<M extends LineupModel> {
  readonly model: M;
  readonly shelf: RegionShelf;
}

/** What became of a version that was to be put to use. */
export interface Reload {
  readonly type: 'region' | 'model';
  readonly name: string;
  readonly version: string;
  readonly outcome: 'success' | 'failure';
  readonly error?: unknown;
}

/** The model and the regions in use, kept at what the pointers say. */
export interface Lineup<M extends LineupModel> {
  readonly current: Generation<M>;
  /** Does something with the model and regions in use; they stay until it has ended, also when others are put to use meanwhile. */
  run<T>(work: (generation: Generation<M>) => Promise<T>): Promise<T>;
  health(): readonly RegionHealth[];
  /** Why another version of the model is in use than the published one; undefined where it is not. */
  modelNote(): string | undefined;
  /** Ids of the regions that are to be served, loaded or not. */
  regionIds(): Promise<readonly string[]>;
  /** Whether every region was tried. */
  readonly isTried: boolean;
  /** Loads the model and the regions. Rejects, with nothing left running, when the model cannot be loaded. */
  start(): Promise<void>;
  /** Looks at the pointers once, and takes over what has moved. Errors: those of the store. */
  look(): Promise<void>;
  /** Looks every now and then, until it is stopped. */
  follow(): void;
  stop(): Promise<void>;
}

export interface LineupDeps<M extends LineupModel> {
  readonly store: ObjectStore;
  readonly pointers: Pointers;
  readonly regions: '*' | readonly string[];
  /** Versions of the model that may be served, as `settle` takes them. Errors: where there is none. */
  readonly modelVersions: () => Promise<readonly string[]>;
  readonly modelName: string;
  /** Reads the manifest and starts nothing. */
  readonly openModel: (version: string) => Promise<M>;
  /** Brings a version here, verifies and opens it, and runs its checks. */
  readonly openRegion: (region: { id: string; version: string; signal: AbortSignal }, model: M) => Promise<Region>;
  /** Of the regions that are open at one time. */
  readonly maxBytes: number;
  readonly pollMs: number;
  readonly nowMs: () => number;
  readonly onReload: (reload: Reload) => void;
  /** The store cannot be looked at. */
  readonly onError: (error: unknown) => void;
}

/** What the pointers say, and what they point at. */
interface Observation {
  readonly models: readonly string[];
  readonly regions: ReadonlyMap<string, ObservedRegion>;
}

interface ObservedRegion {
  /** The version that is published. */
  readonly published: string | undefined;
  /** Versions that may be served, the published one first. */
  readonly options: readonly RegionOption[];
  /** Why the published one is not among them. */
  readonly error?: unknown;
}

const LOOKS_AT_ONCE = 16;
/** A version that failed is tried again after one poll, then two, four, … */
const MAX_BACKOFF_MS = 10 * 60_000;

/** Errors: those of the store and of `openModel`. */
export async function openLineup<M extends LineupModel>(deps: LineupDeps<M>): Promise<Lineup<M>> {
  const { store, pointers, modelName, openModel, openRegion, maxBytes, pollMs, nowMs, onReload, onError } = deps;
  const health = new Map<string, RegionHealth>();
  const failures = new Map<string, { error: unknown; count: number; retryAtMs: number }>();
  const users = new WeakMap<Generation<M>, number>();
  const retiring = new Set<Promise<void>>();
  let stopping = new AbortController();
  let isTried = false;
  let note: string | undefined;
  let storeProblem: string | undefined;
  let following: Promise<void> | undefined;
  const first = settleAll(await observe({}));
  let current = createGeneration(await openModel(first.model));

  function createGeneration(model: M): Generation<M> {
    const known = new WeakMap<RegionFacts, ReturnType<typeof coveredRectangles>>();
    const shelf = createRegionShelf({
      maxBytes,
      open: ({ id, version }) => openRegion({ id, version, signal: stopping.signal }, model),
      coverage(facts, tiles) {
        const catalogued = pointers.catalogued(facts.id);
        if (catalogued?.version === facts.version) return catalogued.coverage;
        const { west, south, east, north } = facts.bounds;
        if (tiles === undefined) return known.get(facts) ?? [[west, south, east, north]];
        const rectangles = known.get(facts) ?? coveredRectangles(tiles.bounds);
        known.set(facts, rectangles);
        return rectangles;
      },
    });
    return { model, shelf };
  }

  async function regionIds(): Promise<readonly string[]> {
    if (deps.regions === '*') return pointers.publishedRegions();
    await pointers.lookAtCatalog();
    return deps.regions;
  }

  async function observe({ inUse }: { inUse?: string }): Promise<Observation> {
    const models = await deps.modelVersions().catch((error: unknown) => {
      if (inUse === undefined) throw error;
      note = `which version is published cannot be read: ${whyOf(error).reason}`;
      return [inUse];
    });
    // one whose pointer is gone is served on
    const ids = [...new Set([...(await regionIds()), ...health.keys()])];
    const regions = new Map<string, ObservedRegion>();
    for (let i = 0; i < ids.length; i += LOOKS_AT_ONCE) {
      const some = ids.slice(i, i + LOOKS_AT_ONCE);
      const seen = await Promise.all(some.map((id) => pointers.look(`regions/${id}`).then((at) => examine(id, at))));
      for (const [at, id] of some.entries()) regions.set(id, seen[at] ?? { published: undefined, options: [] });
    }
    return { models, regions };
  }

  async function examine(id: string, seen: Seen): Promise<ObservedRegion> {
    if (seen.type === 'problem') return { published: undefined, options: [], error: seen.error };
    if (seen.type === 'nothing') {
      const why = `regions/${id} has no published version in ${store.url}.`;
      return { published: undefined, options: [], error: new Geo2Error('FILE_MISSING', why) };
    }
    const { version: published, previous } = seen.pointer;
    const options: RegionOption[] = [];
    let problem: { error: unknown } | undefined;
    for (const version of previous === undefined ? [published] : [published, previous]) {
      try {
        options.push({ version, model: (await pointers.manifest(id, version)).model });
      } catch (error) {
        if (version === published) problem = { error };
      }
    }
    return { published, options, ...problem };
  }

  function settleAll({ models, regions }: Observation) {
    const options = new Map(Array.from(regions, ([id, region]) => [id, region.options]));
    const found = settle({ models, regions: options });
    if (found === undefined) throw new Geo2Error('FILE_MISSING', `There is no version of ${modelName}.`);
    return found;
  }

  /** Puts the version to use that belongs to the model in use; what cannot be keeps what is there. */
  async function bring(id: string, { published, options, error: problem }: ObservedRegion): Promise<void> {
    const { model, shelf } = current;
    const serving = shelf.list().find((facts) => facts.id === id)?.version;
    const fitting = options.filter((option) => isBy(option, model)).map(({ version }) => version);
    let reason = problem === undefined ? undefined : whyOf(problem);
    if (reason === undefined && published !== undefined && fitting[0] !== published) {
      reason = mismatch(id, options[0]);
    }
    // what was in use is better than what was published in between
    const candidates = serving === undefined ? fitting : fitting.slice(0, 1);
    for (const version of candidates) {
      if (version === serving) break;
      const failed = await take(id, version, serving);
      if (failed === undefined) {
        const stands: RegionHealth = { id, status: 'READY', version };
        health.set(id, reason === undefined ? stands : { ...stands, ...reason });
        return;
      }
      reason ??= whyOf(failed, version);
    }
    if (serving !== undefined) health.set(id, { id, status: 'READY', version: serving, ...reason });
    else health.set(id, { id, status: 'UNAVAILABLE', reason: 'it could not be tried', ...reason });
  }

  /** Undefined when it is in use; else why not. */
  async function take(id: string, version: string, serving: string | undefined): Promise<unknown> {
    const { model, shelf } = current;
    const key = `region ${id}@${version}`;
    const before = failures.get(key);
    if (before !== undefined && nowMs() < before.retryAtMs) return before.error;
    try {
      const manifest = await pointers.manifest(id, version);
      const isFirst = shelf.list().length === 0;
      if (serving === undefined && !isFirst && !shelf.hasRoomFor(bytesToOpen(manifest))) {
        shelf.placeClosed(await readFacts(store, { id, version }));
      } else {
        shelf.place(await openRegion({ id, version, signal: stopping.signal }, model));
      }
    } catch (error) {
      if (stopping.signal.aborted) return error;
      failed(key, error);
      onReload({ type: 'region', name: id, version, outcome: 'failure', error });
      return error;
    }
    failures.delete(key);
    onReload({ type: 'region', name: id, version, outcome: 'success' });
    return undefined;
  }

  function mismatch(id: string, found: RegionOption | undefined): { reason: string; file: string } {
    const { name, version } = current.model.manifest;
    const by = found === undefined ? 'another model' : `${found.model.name} ${found.model.version}`;
    return {
      reason:
        `Region ${id}${found === undefined ? '' : ` ${found.version}`} was embedded by ${by}; in use is ${name} ${version}. It is served when the ` +
        `model's pointer names that version and every other region has one, too; or build it again with ${name} ${version}.`,
      file: 'manifest.json',
    };
  }

  function failed(key: string, error: unknown): void {
    const count = (failures.get(key)?.count ?? 0) + 1;
    const waitMs = Math.max(pollMs, Math.min(MAX_BACKOFF_MS, pollMs * 2 ** Math.min(count - 1, 20)));
    // a little early, so that it does not fall behind the poll that it is meant for
    failures.set(key, { error, count, retryAtMs: nowMs() + waitMs - pollMs / 2 });
  }

  /** The next model with all of its regions beside those in use; it takes their place as a whole or not at all. */
  async function switchModel(version: string, { regions }: { regions: ReadonlyMap<string, string> }): Promise<void> {
    const key = `model ${version}`;
    const before = failures.get(key);
    if (before !== undefined && nowMs() < before.retryAtMs) {
      note = noteOf(version, before.error);
      return;
    }
    const { signal } = stopping;
    let next: Generation<M> | undefined;
    try {
      next = createGeneration(await openModel(version));
      await next.model.start();
      for (const [id, regionVersion] of regions) {
        const manifest = await pointers.manifest(id, regionVersion);
        const isFirst = next.shelf.list().length === 0;
        if (isFirst || next.shelf.hasRoomFor(bytesToOpen(manifest))) {
          next.shelf.place(await openRegion({ id, version: regionVersion, signal }, next.model));
        } else next.shelf.placeClosed(await readFacts(store, { id, version: regionVersion }));
      }
      signal.throwIfAborted();
    } catch (error) {
      await next?.model.stop();
      await next?.shelf.close({ force: true });
      if (signal.aborted) return;
      failed(key, error);
      note = noteOf(version, error);
      onReload({ type: 'model', name: modelName, version, outcome: 'failure', error });
      return;
    }
    failures.delete(key);
    note = undefined;
    const old = current;
    current = next;
    const retired = retire(old).finally(() => retiring.delete(retired));
    retiring.add(retired);
    onReload({ type: 'model', name: modelName, version, outcome: 'success' });
  }

  async function retire(generation: Generation<M>): Promise<void> {
    while ((users.get(generation) ?? 0) > 0) await new Promise((wake) => setTimeout(wake, 20));
    await generation.model.stop();
    await generation.shelf.close({ force: false });
  }

  async function look(): Promise<void> {
    try {
      await takeOver();
      storeProblem = undefined;
    } catch (error) {
      storeProblem = `the store cannot be looked at, what is loaded is served: ${whyOf(error).reason}`;
      throw error;
    }
  }

  async function takeOver(): Promise<void> {
    const { version } = current.model.manifest;
    note = undefined;
    const seen = await observe({ inUse: version });
    const settled = settleAll(seen);
    if (settled.model !== version) await switchModel(settled.model, settled);
    else {
      const [published = version] = seen.models;
      const waits = `version ${published} is published; it is put to use when every region has a version that it embedded`;
      if (published !== version) note = waits;
    }
    for (const [id, region] of seen.regions) {
      if (stopping.signal.aborted) return;
      await bring(id, region);
    }
  }

  async function loadRegions(): Promise<void> {
    health.clear(); // not when it stops: a start that failed is asked how far it came
    const { regions } = await observe({ inUse: current.model.manifest.version });
    for (const id of regions.keys()) if (!health.has(id)) health.set(id, { id, status: 'LOADING' });
    // one after the other: checksums are read at the speed of the disk
    for (const [id, region] of regions) await bring(id, region);
    isTried = true;
  }

  async function loop(signal: AbortSignal): Promise<void> {
    const stopped = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => stopped.resolve(), { once: true });
    while (!signal.aborted) {
      let timer: NodeJS.Timeout | undefined;
      const later = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, pollMs);
      });
      await Promise.race([later, stopped.promise]);
      clearTimeout(timer);
      if (!signal.aborted) await look().catch((error: unknown) => onError(error));
    }
  }

  async function stop(): Promise<void> {
    stopping.abort();
    await following;
    following = undefined;
    await current.model.stop();
    isTried = false;
    await current.shelf.close({ force: true });
    await Promise.all(retiring);
    stopping = new AbortController();
    failures.clear();
  }

  return {
    get current() {
      return current;
    },
    get isTried() {
      return isTried;
    },
    async run(work) {
      const generation = current;
      users.set(generation, (users.get(generation) ?? 0) + 1);
      try {
        return await work(generation);
      } finally {
        users.set(generation, (users.get(generation) ?? 1) - 1);
      }
    },
    health: () =>
      [...health.values()]
        .map((stands) => (storeProblem === undefined ? stands : { reason: storeProblem, ...stands }))
        .sort((a, b) => (a.id < b.id ? -1 : 1)),
    modelNote: () => note,
    regionIds,
    async start() {
      const results = await Promise.allSettled([current.model.start(), loadRegions()]);
      for (const result of results) {
        if (result.status === 'fulfilled') continue;
        await stop();
        throw result.reason;
      }
    },
    look,
    follow() {
      following ??= loop(stopping.signal);
    },
    stop,
  };
}

function noteOf(version: string, error: unknown): string {
  return `version ${version} is published and cannot be put to use: ${whyOf(error).reason}`;
}

function isBy({ model }: RegionOption, { manifest }: LineupModel): boolean {
  return model.name === manifest.name && model.version === manifest.version;
}

function whyOf(error: unknown, version?: string): { reason: string; file?: string } {
  const message = error instanceof Error ? error.message : String(error);
  const file = error instanceof Geo2Error && typeof error.data.file === 'string' ? error.data.file : undefined;
  const reason = version === undefined ? message : `${version} is published and cannot be served: ${message}`;
  return { reason, ...(file === undefined ? {} : { file }) };
}
