import { type Bounds, intersects, unionOf, widthDeg } from '../geo/bounds.ts';
import { wrap180 } from '../geo/units.ts';

/** Finds which of many rectangles touch one, by a grid whose cells are as large as the largest of them. */
export function createBoundsIndex<T extends { readonly bounds: Bounds }>(items: readonly T[]): (bounds: Bounds) => T[] {
  const all = unionOf(items.map(({ bounds }) => bounds));
  if (all === undefined) return () => [];
  const origin = { west: all.west, south: all.south };
  const largest = (size: (bounds: Bounds) => number) =>
    items.reduce((max, { bounds }) => Math.max(max, size(bounds)), 1e-9);
  const cellLon = largest(widthDeg);
  const cellLat = largest(({ south, north }) => north - south);

  function cellsOf(bounds: Bounds): { west: number; south: number; east: number; north: number } {
    const westDeg = wrap180(bounds.west - origin.west);
    return {
      west: Math.floor(westDeg / cellLon),
      south: Math.floor((bounds.south - origin.south) / cellLat),
      east: Math.floor((westDeg + widthDeg(bounds)) / cellLon),
      north: Math.floor((bounds.north - origin.south) / cellLat),
    };
  }

  const cells = new Map<string, T[]>();
  for (const item of items) {
    const { west, south, east, north } = cellsOf(item.bounds);
    for (let y = south; y <= north; y++) {
      for (let x = west; x <= east; x++) {
        const cell = cells.get(`${x},${y}`);
        if (cell === undefined) cells.set(`${x},${y}`, [item]);
        else cell.push(item);
      }
    }
  }

  return (bounds) => {
    const { west, south, east, north } = cellsOf(bounds);
    // beyond that, and where an edge wraps round the world, every item is looked at
    if ((east - west + 1) * (north - south + 1) > cells.size || widthDeg(all) + widthDeg(bounds) > 180) {
      return items.filter((item) => intersects(item.bounds, bounds));
    }
    const found = new Set<T>();
    for (let y = south; y <= north; y++) {
      for (let x = west; x <= east; x++) for (const item of cells.get(`${x},${y}`) ?? []) found.add(item);
    }
    return [...found].filter((item) => intersects(item.bounds, bounds));
  };
}
