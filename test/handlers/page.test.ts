import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { demoSamples } from '../../src/demo-samples.ts';
import { appUnderTest, problemOf } from '../app-under-test.ts';
import { temporaryFolder } from '../temporary.ts';

const HEAD = 'query_id,image,kind,lon,lat,heading_deg,fov_deg,split';

async function viewSet(...rows: string[]): Promise<string> {
  const dir = await temporaryFolder();
  await mkdir(join(dir, 'queries'));
  await writeFile(join(dir, 'queries/q1.jpg'), new Uint8Array([1, 2, 3]));
  await writeFile(join(dir, 'queries.csv'), [HEAD, ...rows, ''].join('\n'));
  return dir;
}

describe('the samples of a view set', () => {
  test('are listed with what is known of them, and their images are served', async () => {
    const dir = await viewSet(
      'q1,queries/q1.jpg,photo,0.001000000,-0.002000000,93.500,66.000,demo',
      'q2,queries/q2.jpg,panorama,,,,360.000,demo',
    );
    const { request } = await appUnderTest({ samples: demoSamples(dir) });
    expect(await (await request('/demo/samples.json')).json()).toEqual({
      samples: [
        {
          id: 'q1',
          image: '/demo/samples/queries/q1.jpg',
          kind: 'photo',
          lon: 0.001,
          lat: -0.002,
          headingDeg: 93.5,
          fovDeg: 66,
        },
        {
          id: 'q2',
          image: '/demo/samples/queries/q2.jpg',
          kind: 'panorama',
          lon: null,
          lat: null,
          headingDeg: null,
          fovDeg: 360,
        },
      ],
    });
    const image = await request('/demo/samples/queries/q1.jpg');
    expect(image.headers.get('content-type')).toBe('image/jpeg');
    expect([...new Uint8Array(await image.arrayBuffer())]).toEqual([1, 2, 3]);
  });

  test('give nothing but images', async () => {
    const { request } = await appUnderTest({ samples: demoSamples(await viewSet()) });
    for (const path of ['queries.csv', 'queries/../queries.csv', 'queries/q9.jpg', '..%2fqueries.csv']) {
      expect((await request(`/demo/samples/${path}`)).status, path).toBe(404);
    }
  });

  test('that cannot be read are a problem of the service, and its log names the line', async () => {
    const dir = await viewSet('q1,queries/q1.jpg,drawing,0,0,0,60,demo');
    const { request, log } = await appUnderTest({ samples: demoSamples(dir) });
    expect(await problemOf(await request('/demo/samples.json'))).toMatchObject({ status: 500, code: 'SOURCE_INVALID' });
    expect(JSON.stringify(log)).toMatch(/queries\.csv, line 2/);
  });

  test('are none where there is no view set', async () => {
    expect(demoSamples(await temporaryFolder())).toBeUndefined();
  });
});
