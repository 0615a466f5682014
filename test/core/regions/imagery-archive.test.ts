import { PMTiles, TileType } from 'pmtiles';
import { describe, expect, test } from 'vitest';
import { pmtilesArchive } from '#core/regions/pmtiles-archive.ts';

const bounds = { west: -0.1, south: 51.4, east: 0.1, north: 51.6 };

function reader(bytes: Uint8Array): PMTiles {
  return new PMTiles({
    getKey: () => 'memory',
    getBytes: async (offset, length) => ({ data: new Uint8Array(bytes.subarray(offset, offset + length)).buffer }),
  });
}

function contentOf(z: number, x: number, y: number): Uint8Array {
  return new TextEncoder().encode(`${z}/${x}/${y}`);
}

describe('an archive', () => {
  test('gives back every tile that was put in, and none that was not', async () => {
    const tiles = [3, 4].flatMap((z) =>
      Array.from({ length: 64 }, (_, i) => ({
        z,
        x: i % 8,
        y: Math.floor(i / 8),
        bytes: contentOf(z, i % 8, Math.floor(i / 8)),
      })),
    );
    const archive = reader(pmtilesArchive(tiles.reverse(), { bounds, tileType: 'webp', metadata: { name: 'n' } }));
    for (const { z, x, y, bytes } of tiles) {
      const found = await archive.getZxy(z, x, y);
      expect(new Uint8Array(found?.data ?? new ArrayBuffer())).toEqual(bytes);
    }
    expect(await archive.getZxy(4, 9, 9)).toBeUndefined();
    expect(await archive.getMetadata()).toEqual({ name: 'n' });
    expect(await archive.getHeader()).toMatchObject({
      minZoom: 3,
      maxZoom: 4,
      minLon: -0.1,
      maxLat: 51.6,
      tileType: TileType.Webp,
      numAddressedTiles: 128,
    });
  });

  test('stores equal contents once', async () => {
    const blank = new Uint8Array(5000).fill(7);
    const tiles = Array.from({ length: 256 }, (_, i) => ({ z: 4, x: i % 16, y: Math.floor(i / 16), bytes: blank }));
    const bytes = pmtilesArchive(tiles, { bounds, tileType: 'jpeg', metadata: {} });
    expect(bytes.length).toBeLessThan(6000);
    const found = await reader(bytes).getZxy(4, 15, 15);
    expect(new Uint8Array(found?.data ?? new ArrayBuffer())).toEqual(blank);
  });

  test('splits its directory into leaves when the root would be too long', async () => {
    const side = 160;
    const tiles = Array.from({ length: side * side }, (_, i) => {
      const [x, y] = [i % side, Math.floor(i / side)];
      // lengths that do not compress well
      return { z: 8, x, y, bytes: new Uint8Array(1 + ((i * 7919) % 997)).fill(i % 251) };
    });
    const archive = reader(pmtilesArchive(tiles, { bounds, tileType: 'webp', metadata: {} }));
    const header = await archive.getHeader();
    expect(header.rootDirectoryLength).toBeLessThanOrEqual(16_384 - 127);
    expect(header.leafDirectoryLength).toBeGreaterThan(0);
    for (const i of [0, 1, 159, 160, 12_345, side * side - 1]) {
      const tile = tiles[i];
      const found = await archive.getZxy(8, tile?.x ?? 0, tile?.y ?? 0);
      expect(new Uint8Array(found?.data ?? new ArrayBuffer())).toEqual(tile?.bytes);
    }
  });
});
