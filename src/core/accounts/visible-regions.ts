import type { RegionSource } from '../retrieval/region.ts';
import type { Caller } from './caller.ts';

/** The regions that the caller may know of; any other is as if it did not exist. */
export function visibleRegions(source: RegionSource, { regions }: Pick<Caller, 'regions'>): RegionSource {
  if (regions === undefined) return source;
  const allowed = new Set(regions);
  return {
    list: () => source.list().filter(({ id }) => allowed.has(id)),
    hold: (ids, options) =>
      source.hold(
        ids.filter((id) => allowed.has(id)),
        options,
      ),
    coverage: source.coverage,
  };
}
