import { canceled, Geo2Error, throwIfCanceled } from '../errors.ts';
import type { HeldRegions, Region, RegionFacts, RegionSource } from '../retrieval/region.ts';
import type { RegionManifest } from '../retrieval/region-manifest.ts';
import type { RegionTiles } from '../retrieval/tiles-table.ts';

/**
 * The regions in use by id, one version each. A version is replaced between two requests: those that hold the old one use it to
 * the end, then it is closed. What is open is bounded in bytes: beyond it the region that was used longest ago is closed, and
 * opened again when it is asked for.
 */
export interface RegionShelf extends RegionSource {
  /** Puts a version to use that is open and was checked. */
  place(region: Region): void;
  /** Puts a version to use without opening it. */
  placeClosed(facts: RegionFacts): void;
  /** Whether so much may be opened without closing anything. */
  hasRoomFor(bytes: number): boolean;
  /** Closes all, once nobody holds them; `force` does not wait for that. */
  close(options: { force: boolean }): Promise<void>;
}

export interface RegionShelfOptions {
  readonly maxBytes: number;
  /** Opens a version that was put to use closed, or closed to make room. */
  readonly open: (facts: RegionFacts) => Promise<Region>;
  /** What a region covers; its tiles are given while it is open. */
  readonly coverage: (facts: RegionFacts, tiles: RegionTiles | undefined) => ReturnType<RegionSource['coverage']>;
}

interface Opened {
  readonly region: Region;
  readonly bytes: number;
  holders: number;
  /** On its way out: nobody else takes it. */
  isRetired: boolean;
}

interface Slot {
  facts: RegionFacts;
  opened: Opened | undefined;
  opening: Promise<Opened> | undefined;
}

export function createRegionShelf({ maxBytes, open, coverage }: RegionShelfOptions): RegionShelf {
  /** Ordered by use: the first was used longest ago. */
  const slots = new Map<string, Slot>();
  /** All that are not closed yet, also those that were replaced. */
  const alive = new Set<Opened>();
  const closing = new Set<Promise<void>>();

  function openBytes(): number {
    let sum = 0;
    for (const slot of slots.values()) sum += slot.opened?.bytes ?? 0;
    return sum;
  }

  function retire(opened: Opened | undefined): void {
    if (opened === undefined) return;
    opened.isRetired = true;
    closeIfFree(opened);
  }

  function closeIfFree(opened: Opened): void {
    if (!opened.isRetired || opened.holders > 0 || !alive.delete(opened)) return;
    const closed = opened.region.close().finally(() => closing.delete(closed));
    closed.catch(() => {}); // there is nothing that its user could do
    closing.add(closed);
  }

  function adopt(region: Region): Opened {
    const opened = { region, bytes: bytesToOpen(region.manifest), holders: 0, isRetired: false };
    alive.add(opened);
    return opened;
  }

  /** Closes what was used longest ago and nobody holds, until the bound is kept. */
  function makeRoom(): void {
    let total = openBytes();
    for (const slot of slots.values()) {
      if (total <= maxBytes) return;
      if (slot.opened === undefined || slot.opened.holders > 0) continue;
      total -= slot.opened.bytes;
      retire(slot.opened);
      slot.opened = undefined;
    }
  }

  async function opened(id: string): Promise<Opened | undefined> {
    const slot = slots.get(id);
    if (slot === undefined) return undefined;
    slots.delete(id);
    slots.set(id, slot);
    if (slot.opened !== undefined) return slot.opened;
    slot.opening ??= openSlot(slot).finally(() => {
      slot.opening = undefined;
    });
    return slot.opening;
  }

  async function openSlot(slot: Slot): Promise<Opened> {
    const { facts } = slot;
    const region = await open(facts).catch((cause: unknown) => {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new Geo2Error('MODEL_UNAVAILABLE', `Region ${facts.id} cannot be opened: ${why}`, {
        data: { region: facts.id, retryAfterS: 5 },
        cause,
      });
    });
    // what was published meanwhile is in the slot already
    if (slot.facts !== facts && slot.opened !== undefined) {
      await region.close();
      return slot.opened;
    }
    slot.opened = adopt(region);
    return slot.opened;
  }

  async function hold(
    ids: readonly string[],
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<HeldRegions> {
    throwIfCanceled(signal);
    checkSum(ids);
    const held: Opened[] = [];
    const release = (): void => {
      for (const one of held.splice(0)) {
        one.holders--;
        closeIfFree(one);
      }
      makeRoom();
    };
    try {
      for (const id of new Set(ids)) {
        const one = await orCanceled(opened(id), signal);
        if (one === undefined) continue;
        one.holders++;
        held.push(one);
        makeRoom();
      }
    } catch (error) {
      release();
      throw error;
    }
    return { regions: held.map(({ region }) => region), release };
  }

  function checkSum(ids: readonly string[]): void {
    const asked = [...new Set(ids)].flatMap((id) => slots.get(id)?.facts ?? []);
    const sum = asked.reduce((bytes, { manifest }) => bytes + bytesToOpen(manifest), 0);
    if (asked.length <= 1 || sum <= maxBytes) return;
    throw new Geo2Error(
      'INVALID_REQUEST',
      `The ${asked.length} regions that this would search are more than this service opens at one time: say where to look with a ` +
        'prior, or name regions.',
      { data: { regions: asked.length, bytes: sum, maxBytes } },
    );
  }

  function put(facts: RegionFacts, next: Opened | undefined): void {
    const old = slots.get(facts.id);
    slots.delete(facts.id);
    slots.set(facts.id, { facts, opened: next, opening: undefined });
    retire(old?.opened);
    makeRoom();
  }

  return {
    list: () => [...slots.values()].map(({ facts }) => facts).sort((a, b) => (a.id < b.id ? -1 : 1)),
    hold,
    coverage(facts) {
      const region = slots.get(facts.id)?.opened?.region;
      return coverage(facts, region?.version === facts.version ? region.tiles : undefined);
    },
    place: (region) => put(factsOf(region), adopt(region)),
    placeClosed: (facts) => put(facts, undefined),
    hasRoomFor: (bytes) => openBytes() + bytes <= maxBytes,
    async close({ force }) {
      await Promise.allSettled([...slots.values()].map(({ opening }) => opening));
      slots.clear();
      for (const one of alive) {
        one.isRetired = true;
        if (force) one.holders = 0;
        closeIfFree(one);
      }
      while (alive.size > 0 || closing.size > 0) {
        await Promise.allSettled(closing);
        if (alive.size > 0) await new Promise((wake) => setTimeout(wake, 5));
      }
    },
  };
}

/** Without what goes when it is closed. */
function factsOf({ id, version, manifest, collection, bounds }: Region): RegionFacts {
  return { id, version, manifest, collection, bounds };
}

/** What a region occupies while it is open: its index, and the table of its tiles. */
export function bytesToOpen({ files, index, tiles }: RegionManifest): number {
  const needed = new Set([index.file, tiles.file]);
  return files.reduce((sum, { path, sizeBytes }) => sum + (needed.has(path) ? sizeBytes : 0), 0);
}

/** The work goes on for others when one does not wait any more. */
async function orCanceled<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const left = Promise.withResolvers<never>();
  const leave = (): void => left.reject(canceled(signal));
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([work, left.promise]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
