import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseCsv } from '../../../src/cli/evaluation/csv.ts';
import { readQueries } from '../../../src/cli/evaluation/queries.ts';
import { temporaryFolder } from '../../temporary.ts';

const HEAD = 'query_id,image,kind,lon,lat,heading_deg,fov_deg,split';

async function folderWith(text: string): Promise<string> {
  const dir = await temporaryFolder();
  await writeFile(join(dir, 'queries.csv'), text);
  return dir;
}

describe('a CSV file', () => {
  test('may be quoted, hold empty cells, and end its lines in either way', () => {
    const text = '\uFEFFa,b,c\r\n1,"two, ""2""\nlines",\n\n,,3';
    expect(parseCsv(text)).toEqual([
      { cells: ['a', 'b', 'c'], line: 1 },
      { cells: ['1', 'two, "2"\nlines', ''], line: 2 },
      { cells: ['', '', '3'], line: 5 },
    ]);
  });

  test('with a stray quote is refused instead of being cut short', () => {
    expect(() => parseCsv('a,b\n1,2\n3,4"5\n6,7\n')).toThrow('line 3');
  });
});

describe('the queries of a view set', () => {
  test('are read with what is known of them', async () => {
    const dir = await folderWith(`${HEAD}\nq1,images/a.jpg,panorama,0.1,-0.2,0,360,val\nq2,b.jpg,photo,,,,,\n`);
    expect(await readQueries(dir, {})).toEqual([
      {
        id: 'q1',
        image: 'images/a.jpg',
        kind: 'panorama',
        location: [0.1, -0.2],
        headingDeg: 0,
        fovDeg: 360,
        split: 'val',
      },
      {
        id: 'q2',
        image: 'b.jpg',
        kind: 'photo',
        location: undefined,
        headingDeg: undefined,
        fovDeg: undefined,
        split: '',
      },
    ]);
  });

  test('may have other columns, in any order', async () => {
    const dir = await folderWith(`note,${HEAD}\nhello,q1,a.jpg,photo,1,2,3,60,test\n`);
    expect(await readQueries(dir, {})).toMatchObject([{ id: 'q1', location: [1, 2] }]);
  });

  test.each([
    ['q1,../../etc/passwd,photo,0,0,0,60,x', 'image must stay inside the folder'],
    ['q1,a.jpg,video,0,0,0,60,x', 'kind must be panorama or photo'],
    ['q1,a.jpg,photo,0,91,0,60,x', 'lat must be empty or a number from -90 to 90'],
    ['q1,a.jpg,photo,east,0,0,60,x', 'lon must be empty or a number'],
    ['q1,a.jpg,photo,0,,0,60,x', 'has only one of lon and lat'],
  ])('are refused where a line says %s', async (line, problem) => {
    const dir = await folderWith(`${HEAD}\nq0,a.jpg,photo,0,0,0,60,x\n${line}\n`);
    await expect(readQueries(dir, {})).rejects.toThrow(`line 3: ${problem}`);
  });

  test('are missed with a message where the file or a column is not there', async () => {
    await expect(readQueries(await temporaryFolder(), {})).rejects.toThrow('there is no such file');
    await expect(readQueries(await folderWith('query_id,image\nq1,a.jpg\n'), {})).rejects.toThrow(
      'lacks kind, lon, lat',
    );
  });
});
