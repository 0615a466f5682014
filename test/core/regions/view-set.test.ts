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
      { line: 2, fields: { a: '1,5', b: 'say "hi"' } },
      { line: 3, fields: { a: 'two\nlines', b: '' } },
    ]);
  });

  test('without a needed column says which', () => {
    expect(() => parseCsv('a\n1\n', { file: 'x.csv', columns: ['a', 'lon'] })).toThrow(/x\.csv.*lacks lon/);
  });

  test.each([
    ['an open quote', 'a,b\n1,2\n"3,4\n', /line 3 has a quote that is not closed/],
    ['text behind a quoted field', 'a,b\n"1"x,2\n', /line 2 has .* text beside a quoted field/],
    ['the same column twice', 'a,a\n1,2\n', /the column "a" twice/],
  ])('with %s is refused instead of cut short', (_name, text, message) => {
    expect(() => parseCsv(text, { file: 'x.csv', columns: ['a'] })).toThrow(message);
  });

  test('counts lines as an editor does: empty ones and those inside quotes too', () => {
    const text = 'a,b\n\n"one\ntwo",2\n3\n';
    expect(() => parseCsv(text, { file: 'x.csv', columns: [] })).toThrow(/line 5 has 1 fields/);
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
    ['bounds upside down', 't,t.jpg,0,2,1,1', /line 2, column north: south must be below north \(found "1"\)/],
    ['a tile without width', 't,t.jpg,1,0,1,1', /column east: west and east are the same/],
    ['the same id twice', 't,a.jpg,0,0,1,1\nt,b.jpg,0,0,1,1', /line 3, column tile_id: t is already on line 2/],
    ['a path that leaves the folder', 't,../t.jpg,0,0,1,1', /column image/],
  ])('with %s says where', async (_name, line, message) => {
    const dir = await temporaryFolder();
    await writeFile(join(dir, 'tiles.csv'), `tile_id,image,west,south,east,north\n${line}\n`);
    await expect(readViewSetTiles(dir)).rejects.toMatchObject({
      code: 'SOURCE_INVALID',
      message: expect.stringMatching(message),
    });
  });

  test('with half a location says which column is missing', async () => {
    const dir = await temporaryFolder();
    const header = 'query_id,image,kind,lon,lat,heading_deg,fov_deg,split';
    await writeFile(join(dir, 'queries.csv'), `${header}\nq,q.jpg,photo,1,,,70,demo\n`);
    await expect(readViewSetQueries(dir)).rejects.toThrow(/line 2, column lat: lon and lat must both be given/);
  });

  test('without its table says what it needs', async () => {
    await expect(readViewSetTiles(await temporaryFolder())).rejects.toThrow(/no tiles\.csv/);
  });
});
