/**
 * The ground that a set of tiles covers, as rectangles that share no area: tiles overlap by half, and a map should draw
 * each place once. Rectangles are as few as a sweep finds, not as few as possible.
 */
export type Rectangle = readonly [west: number, south: number, east: number, north: number];

/** Edges closer than this are one edge; about a centimetre. */
const SNAP_DEG = 1e-7;

/** `bounds` holds west, south, east, north of one tile after the other; one across the antimeridian is cut there. */
export function coveredRectangles(bounds: Float64Array): Rectangle[] {
  const tiles = Array.from({ length: bounds.length / 4 }, (_, tile) => {
    const at = (side: number): number => snap(bounds[tile * 4 + side] ?? Number.NaN);
    return cutAtAntimeridian([at(0), at(1), at(2), at(3)]);
  }).flat();
  const lats = [...new Set(tiles.flatMap(([, south, , north]) => [south, north]))].sort((a, b) => a - b);
  const starting = groupBy(tiles, ([, south]) => south);

  const done: Rectangle[] = [];
  let open: { west: number; east: number; south: number }[] = [];
  let active: Rectangle[] = [];
  for (const lat of lats) {
    active = active.filter(([, , , north]) => north > lat).concat(starting.get(lat) ?? []);
    const runs = mergeRuns(active);
    const keyOf = ({ west, east }: { west: number; east: number }): string => `${west},${east}`;
    const current = new Set(runs.map(keyOf));
    const going = new Map(open.map((rectangle) => [keyOf(rectangle), rectangle]));
    for (const { west, south, east } of open) {
      if (!current.has(keyOf({ west, east }))) done.push([west, south, east, lat]);
    }
    open = runs.map((run) => going.get(keyOf(run)) ?? { ...run, south: lat });
  }
  return done;
}

function cutAtAntimeridian(tile: Rectangle): Rectangle[] {
  const [west, south, east, north] = tile;
  if (west <= east) return [tile];
  const halves: Rectangle[] = [
    [west, south, 180, north],
    [-180, south, east, north],
  ];
  return halves.filter(([from, , to]) => from < to);
}

/** The longitudes that a row of tiles covers, as runs without overlap, westmost first. */
function mergeRuns(tiles: readonly Rectangle[]): { west: number; east: number }[] {
  const runs: { west: number; east: number }[] = [];
  for (const [west, , east] of [...tiles].sort((a, b) => a[0] - b[0])) {
    const last = runs.at(-1);
    if (last !== undefined && west <= last.east) last.east = Math.max(last.east, east);
    else runs.push({ west, east });
  }
  return runs;
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => number): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function snap(angleDeg: number): number {
  return Number((Math.round(angleDeg / SNAP_DEG) * SNAP_DEG).toFixed(7));
}
