import { describe, expect, test } from 'vitest';
import { type RegionOption, settle } from '#core/regions/settle.ts';

/** `v2/m1`: version v2, which model m1 embedded. */
function regionsOf(regions: Readonly<Record<string, readonly string[]>>): Map<string, RegionOption[]> {
  const optionOf = (text: string): RegionOption => {
    const [version = '', model = ''] = text.split('/');
    return { version, model: { name: 'm', version: model } };
  };
  return new Map(Object.entries(regions).map(([id, options]) => [id, options.map(optionOf)]));
}

describe('which model and which versions of the regions go together', () => {
  test.each<[string, string[], Record<string, string[]>, string, Record<string, string>]>([
    ['all are by the published model', ['m1'], { a: ['2/m1', '1/m1'], b: ['1/m1'] }, 'm1', { a: '2', b: '1' }],
    [
      'the model waits for the last region',
      ['m2', 'm1'],
      { a: ['2/m2', '1/m1'], b: ['1/m1'] },
      'm1',
      { a: '1', b: '1' },
    ],
    [
      'all have moved to the next model',
      ['m2', 'm1'],
      { a: ['2/m2', '1/m1'], b: ['2/m2', '1/m1'] },
      'm2',
      { a: '2', b: '2' },
    ],
    [
      'the regions have moved and the model has not',
      ['m1'],
      { a: ['2/m2', '1/m1'], b: ['2/m2', '1/m1'] },
      'm1',
      { a: '1', b: '1' },
    ],
    ['the model was rolled back first', ['m1', 'm2'], { a: ['2/m2', '1/m1'] }, 'm1', { a: '1' }],
    ['a region was rolled back first', ['m2', 'm1'], { a: ['1/m1', '2/m2'] }, 'm2', { a: '2' }],
    ['one region can be served by neither', ['m2', 'm1'], { a: ['2/m2'], b: ['1/m0'] }, 'm2', { a: '2' }],
    ['there is no region', ['m2', 'm1'], {}, 'm2', {}],
    ['a region has nothing published', ['m1'], { a: [], b: ['1/m1'] }, 'm1', { b: '1' }],
  ])('%s', (_name, models, regions, model, chosen) => {
    const settled = settle({ models, regions: regionsOf(regions) });
    expect(settled?.model).toBe(model);
    expect(Object.fromEntries(settled?.regions ?? [])).toEqual(chosen);
  });

  test('there is none without a model', () => {
    expect(settle({ models: [], regions: regionsOf({ a: ['1/m1'] }) })).toBeUndefined();
  });
});
