import { basename } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as z from 'zod';
import { Geo2Error } from '../errors.ts';
import type { Bounds } from '../geo/bounds.ts';
import { mapTileBounds } from '../geo/web-mercator.ts';
import { mapTileGrid } from './map-tile-grid.ts';
import type { PixelGrid } from './pixel-grid.ts';

const MetadataSchema = z.array(z.object({ name: z.string(), value: z.string() }));
const ZoomsSchema = z.object({ lowest: z.int(), deepest: z.int() });
const SpanSchema = z.object({ left: z.int(), right: z.int(), bottom: z.int(), top: z.int() });
const TileSchema = z.object({ tile_data: z.instanceof(Uint8Array) });
const BoundsSchema = z.tuple([z.number(), z.number(), z.number(), z.number()]);

/** An MBTiles archive (SQLite, MBTiles 1.3: rows count northward) of images. Errors: SOURCE_INVALID, naming the file. */
export function openMbtilesSource(path: string): PixelGrid {
  const file = basename(path);
  const invalid = (why: string, cause?: unknown): Geo2Error =>
    new Geo2Error('SOURCE_INVALID', `${path} ${why}.`, { data: { file }, cause });
  let database: DatabaseSync | undefined;
  try {
    const opened = new DatabaseSync(path, { readOnly: true });
    database = opened;
    const metadata = new Map(
      MetadataSchema.parse(opened.prepare('SELECT name, value FROM metadata').all()).map(({ name, value }) => [
        name,
        value,
      ]),
    );
    const format = metadata.get('format') ?? 'png';
    if (!['png', 'jpg', 'jpeg', 'webp'].includes(format)) throw invalid(`holds ${format} tiles, not PNG, JPEG or WebP`);
    const zooms = ZoomsSchema.safeParse(
      opened.prepare('SELECT min(zoom_level) AS lowest, max(zoom_level) AS deepest FROM tiles').get(),
    );
    if (!zooms.success) throw invalid('holds no tiles');
    const { lowest, deepest } = zooms.data;
    const select = opened.prepare(
      'SELECT tile_data FROM tiles WHERE zoom_level = ? AND tile_column = ? AND tile_row = ?',
    );
    return mapTileGrid({
      name: file,
      bounds: boundsOf(metadata.get('bounds')) ?? extentOf(opened, deepest),
      minZoom: lowest,
      maxZoom: deepest,
      async read({ z: zoom, x, y }) {
        try {
          const found = TileSchema.safeParse(select.get(zoom, x, 2 ** zoom - 1 - y));
          return found.success ? found.data.tile_data : undefined;
        } catch (cause) {
          throw invalid(`is damaged: its tile ${zoom}/${x}/${y} cannot be read; copy the archive again`, cause);
        }
      },
      close: async () => opened.close(),
    });
  } catch (cause) {
    database?.close();
    if (cause instanceof Geo2Error) throw cause;
    throw invalid('is no MBTiles archive: it needs the tables metadata and tiles', cause);
  }
}

function boundsOf(text: string | undefined): Bounds | undefined {
  const parsed = BoundsSchema.safeParse(text?.split(',').map(Number));
  if (!parsed.success) return undefined;
  const [west, south, east, north] = parsed.data;
  return { west, south, east, north };
}

/** Of all tiles of a zoom, where the metadata say nothing. */
function extentOf(database: DatabaseSync, zoom: number): Bounds {
  const span = SpanSchema.parse(
    database
      .prepare(
        'SELECT min(tile_column) AS left, max(tile_column) AS right, min(tile_row) AS bottom, max(tile_row) AS top ' +
          'FROM tiles WHERE zoom_level = ?',
      )
      .get(zoom),
  );
  const flip = (row: number): number => 2 ** zoom - 1 - row;
  const { west, north } = mapTileBounds({ z: zoom, x: span.left, y: flip(span.top) });
  const { east, south } = mapTileBounds({ z: zoom, x: span.right, y: flip(span.bottom) });
  return { west, south, east, north };
}
