import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PMTiles, TileType, zxyToTileId } from 'pmtiles';
import { describe, expect, test } from 'vitest';
import { openImagery } from '#core/regions/imagery-archive.ts';
import { type ArchiveFacts, openPmtilesWriter } from '#core/regions/pmtiles-writer.ts';
import { temporaryFolder } from '../../temporary.ts';

interface Tile {
  readonly z: number;
  readonly x: number;
  readonly y: number;
  readonly bytes: Uint8Array;
}

const bounds = { west: -0.1, south: 51.4, east: 0.1, north: 51.6 };
const facts: ArchiveFacts = { bounds, tileType: 'webp', metadata: { name: 'n' } };

async function write(tiles: readonly Tile[], about = facts): Promise<string> {
  const path = join(await temporaryFolder(), 'imagery.pmtiles');
  const writer = await openPmtilesWriter(path);
  for (const { bytes, ...tile } of tiles) await writer.add(tile, bytes);
  await writer.finish(about);
  return path;
}

async function reader(path: string): Promise<PMTiles> {
  const bytes = await readFile(path);
  return new PMTiles({
    getKey: () => path,
    getBytes: async (offset, length) => ({ data: new Uint8Array(bytes.subarray(offset, offset + length)).buffer }),
  });
}

function contentOf(z: number, x: number, y: number): Uint8Array {
  return new TextEncoder().encode(`${z}/${x}/${y}`);
}

function squareOf(z: number, side: number, content: (i: number, x: number, y: number) => Uint8Array): Tile[] {
  return Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    return { z, x, y, bytes: content(i, x, y) };
  });
}

describe('an archive', () => {
  test('gives back every tile that was put in, and none that was not', async () => {
    const tiles = [3, 4].flatMap((z) => squareOf(z, 8, (_, x, y) => contentOf(z, x, y)));
    const archive = await reader(await write(tiles.toReversed()));
    for (const { z, x, y, bytes } of tiles) {
      const found = await archive.getZxy(z, x, y);
      expect(new Uint8Array(found?.data ?? new ArrayBuffer())).toEqual(bytes);
    }
    expect(await archive.getZxy(4, 9, 9)).toBeUndefined();
    expect(await archive.getMetadata()).toEqual({ name: 'n' });
    expect(await archive.getHeader()).toMatchObject({
      specVersion: 3,
      clustered: true,
      minZoom: 3,
      maxZoom: 4,
      minLon: -0.1,
      minLat: 51.4,
      maxLon: 0.1,
      maxLat: 51.6,
      centerLon: 0,
      centerLat: 51.5,
      tileType: TileType.Webp,
      numAddressedTiles: 128,
      numTileContents: 128,
    });
  });

  test('is clustered: contents lie in the order of the curve, whatever the order they came in', async () => {
    const tiles = squareOf(3, 8, (_, x, y) => contentOf(3, x, y));
    const inOrder = tiles.toSorted((a, b) => zxyToTileId(a.z, a.x, a.y) - zxyToTileId(b.z, b.x, b.y));
    const bytes = await readFile(await write(tiles.toReversed()));
    const { tileDataOffset = 0, tileDataLength } = await (await reader(await write(tiles))).getHeader();
    expect(new TextDecoder().decode(bytes.subarray(tileDataOffset))).toBe(
      inOrder.map((tile) => new TextDecoder().decode(tile.bytes)).join(''),
    );
    expect(tileDataLength).toBe(bytes.length - tileDataOffset);
    expect(bytes).toEqual(await readFile(await write(inOrder)));
  });

  test('stores equal contents once', async () => {
    const blank = new Uint8Array(5000).fill(7);
    const path = await write(
      squareOf(4, 16, () => blank),
      { ...facts, tileType: 'jpeg' },
    );
    expect((await readFile(path)).length).toBeLessThan(6000);
    const archive = await reader(path);
    const found = await archive.getZxy(4, 15, 15);
    expect(new Uint8Array(found?.data ?? new ArrayBuffer())).toEqual(blank);
    expect(await archive.getHeader()).toMatchObject({ numAddressedTiles: 256, numTileEntries: 1, numTileContents: 1 });
  });

  test('splits its directory into leaves when the root would be too long', async () => {
    const side = 160;
    // lengths that do not compress well
    const tiles = squareOf(8, side, (i) => new Uint8Array(1 + ((i * 7919) % 997)).fill(i % 251));
    const archive = await reader(await write(tiles));
    const header = await archive.getHeader();
    expect(header.rootDirectoryOffset + header.rootDirectoryLength).toBeLessThanOrEqual(16_384);
    expect(header.leafDirectoryLength).toBeGreaterThan(0);
    for (const i of [0, 1, 159, 160, 12_345, side * side - 1]) {
      const tile = tiles[i];
      const found = await archive.getZxy(8, tile?.x ?? 0, tile?.y ?? 0);
      expect(new Uint8Array(found?.data ?? new ArrayBuffer())).toEqual(tile?.bytes);
    }
  });

  test('leaves nothing beside it, finished or given up', async () => {
    const dir = await temporaryFolder();
    const finished = await openPmtilesWriter(join(dir, 'a'));
    await finished.add({ z: 0, x: 0, y: 0 }, contentOf(0, 0, 0));
    await finished.finish(facts);
    await finished.close();
    const givenUp = await openPmtilesWriter(join(dir, 'b'));
    await givenUp.add({ z: 0, x: 0, y: 0 }, contentOf(0, 0, 0));
    await givenUp.close();
    expect(await readdir(dir)).toEqual(['a']);
  });
});

describe('the reader of an archive', () => {
  test('knows its zooms, its place and its type, and finds tiles', async () => {
    const archive = await openImagery(await write(squareOf(4, 16, (_, x, y) => contentOf(4, x, y))));
    expect(archive).toMatchObject({ minZoom: 4, maxZoom: 4, tileType: 'webp', bounds });
    expect(await archive.tile({ z: 4, x: 3, y: 15 })).toEqual(contentOf(4, 3, 15));
    for (const nowhere of [
      { z: 3, x: 0, y: 0 },
      { z: 5, x: 0, y: 0 },
      { z: 4, x: 16, y: 0 },
      { z: 4, x: -1, y: 0 },
      { z: 4, x: 0.5, y: 0 },
      { z: 60, x: 0, y: 0 },
    ]) {
      expect(await archive.tile(nowhere)).toBeUndefined();
    }
    await archive.close();
  });

  test('finishes what it reads before it closes the file', async () => {
    const archive = await openImagery(await write(squareOf(2, 4, (i) => new Uint8Array(100_000).fill(i))));
    const reading = archive.tile({ z: 2, x: 1, y: 0 });
    await archive.close();
    expect((await reading)?.length).toBe(100_000);
    await expect(archive.tile({ z: 2, x: 2, y: 0 })).rejects.toMatchObject({ code: 'REGION_INVALID' });
  });

  test('names a file that is missing, or something else', async () => {
    const path = join(await temporaryFolder(), 'imagery.pmtiles');
    const missing = { code: 'FILE_MISSING', data: { file: 'imagery.pmtiles' } };
    await expect(openImagery(path)).rejects.toMatchObject(missing);
    const other = { code: 'REGION_INVALID', data: { file: 'imagery.pmtiles' } };
    for (const content of ['', 'no archive', 'PMTiles\u0003']) {
      await writeFile(path, content);
      await expect(openImagery(path)).rejects.toMatchObject(other);
    }
  });

  test('names a file whose directory is damaged', async () => {
    const path = await write(squareOf(4, 16, (_, x, y) => contentOf(4, x, y)));
    const bytes = await readFile(path);
    bytes.fill(0xff, 130, 160);
    await writeFile(path, bytes);
    const damaged = { code: 'REGION_INVALID', data: { file: 'imagery.pmtiles' } };
    await expect(openImagery(path).then((archive) => archive.tile({ z: 4, x: 0, y: 0 }))).rejects.toMatchObject(
      damaged,
    );
  });
});
