import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCsv } from '#core/regions/csv.ts';
import { readViewSetQueries, readViewSetTiles } from '#core/regions/view-set.ts';
import { temporaryFolder } from '../../temporary.ts';

describe('a CSV', () => {
  test('keeps commas, quotes and line breaks inside quotes, and takes either line ending', () => {
    const text = '﻿a,b\r\n"1,5","say ""hi"""\n"two\nlines",\n';
    expect(parseCsv(text, { file: 'x.csv', columns: ['a'] })).toEqual([
      { a: '1,5', b: 'say "hi"' },
      { a: 'two\nlines', b: '' },
    ]);
  });

  test('without a needed column says which', () => {
    expect(() => parseCsv('a\n1\n', { file: 'x.csv', columns: ['a', 'lon'] })).toThrow(/x\.csv.*lacks lon/);
  });

  test('with a short line says where', () => {
    expect(() => parseCsv('a,b\n1,2\n3\n', { file: 'x.csv', columns: [] })).toThrow(/line 3 has 1 fields/);
  });
});

describe('a view set', () => {
  test('gives tiles with bounds, and queries whose unknowns stay unknown', async () => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'tiles.csv'), 'tile_id,image,west,south,east,north\nt,images/t.jpg,-1,-2,3,4.5e0\n');
    await writeFile(
      join(dir, 'queries.csv'),
      'query_id,image,kind,lon,lat,heading_deg,fov_deg,split\nq,q.jpg,photo,,,,70,demo\np,p.jpg,panorama,1,2,0,360,demo\n',
    );
    expect(await readViewSetTiles(dir)).toEqual([
      { id: 't', image: 'images/t.jpg', bounds: { west: -1, south: -2, east: 3, north: 4.5 } },
    ]);
    const [photo, panorama] = await readViewSetQueries(dir);
    expect(photo).toMatchObject({ location: undefined, headingDeg: undefined, fovDeg: 70 });
    expect(panorama).toMatchObject({ location: [1, 2], headingDeg: 0 });
  });

  test.each([
    ['a latitude beyond the pole', 't,t.jpg,0,-91,1,1', /line 2, column south/],
    ['a word for a number', 't,t.jpg,west,0,1,1', /line 2, column west/],
    ['bounds upside down', 't,t.jpg,0,2,1,1', /south must be below north/],
    ['a path that leaves the folder', 't,../t.jpg,0,0,1,1', /column image/],
  ])('with %s says where', async (_name, line, message) => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'tiles.csv'), `tile_id,image,west,south,east,north\n${line}\n`);
    await expect(readViewSetTiles(dir)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringMatching(message),
    });
  });

  test('without its table says what it needs', async () => {
    await expect(readViewSetTiles(await temporaryFolder())).rejects.toThrow(/no tiles\.csv/);
  });
});
