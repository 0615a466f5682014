import { parquetWriteBuffer } from 'hyparquet-writer';
import { type Bounds, toBbox, toPolygon, unionOf } from '../geo/bounds.ts';

/** `tiles.parquet` (GeoParquet 1.1): id, bounds, rows of the index and the outline of each tile, in the order of the index. */
export function tilesParquet(tiles: readonly { id: string; bounds: Bounds }[], headings: number): Uint8Array {
  const column = (edge: keyof Bounds) => Float64Array.from(tiles, ({ bounds }) => bounds[edge]);
  const all = unionOf(tiles.map(({ bounds }) => bounds));
  const geo = {
    version: '1.1.0',
    primary_column: 'geometry',
    columns: {
      geometry: {
        encoding: 'WKB',
        geometry_types: ['Polygon'],
        edges: 'planar',
        orientation: 'counterclockwise',
        ...(all === undefined ? {} : { bbox: toBbox(all) }),
      },
    },
  };
  const buffer = parquetWriteBuffer({
    columnData: [
      { name: 'id', data: tiles.map(({ id }) => id), type: 'STRING', nullable: false },
      { name: 'west', data: column('west'), type: 'DOUBLE', nullable: false },
      { name: 'south', data: column('south'), type: 'DOUBLE', nullable: false },
      { name: 'east', data: column('east'), type: 'DOUBLE', nullable: false },
      { name: 'north', data: column('north'), type: 'DOUBLE', nullable: false },
      { name: 'row_start', data: Int32Array.from(tiles, (_, i) => i * headings), type: 'INT32', nullable: false },
      { name: 'row_end', data: Int32Array.from(tiles, (_, i) => (i + 1) * headings), type: 'INT32', nullable: false },
      { name: 'geometry', data: tiles.map(({ bounds }) => wkbPolygon(bounds)), type: 'BYTE_ARRAY', nullable: false },
    ],
    kvMetadata: [{ key: 'geo', value: JSON.stringify(geo) }],
  });
  return new Uint8Array(buffer);
}

/** The rectangle as well-known binary: little-endian, one ring. */
function wkbPolygon(bounds: Bounds): Uint8Array {
  const ring = toPolygon(bounds).coordinates[0] ?? [];
  const bytes = new Uint8Array(1 + 4 + 4 + 4 + ring.length * 16);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 1);
  view.setUint32(1, 3, true);
  view.setUint32(5, 1, true);
  view.setUint32(9, ring.length, true);
  for (const [i, [lon, lat]] of ring.entries()) {
    view.setFloat64(13 + i * 16, lon, true);
    view.setFloat64(21 + i * 16, lat, true);
  }
  return bytes;
}
