import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parsePrefer } from '../../src/handlers/prefer.ts';

describe('Prefer', () => {
  test.each<[string, string | undefined, boolean, number | undefined]>([
    ['nothing', undefined, false, undefined],
    ['an empty header', '', false, undefined],
    ['respond-async', 'respond-async', true, undefined],
    ['its name in capitals', 'Respond-ASYNC', true, undefined],
    ['respond-async and wait', 'respond-async, wait=10', true, 10],
    ['wait first', 'wait=10,respond-async', true, 10],
    ['no space', 'respond-async,wait=0', true, 0],
    ['space about the equals sign', 'respond-async, wait = 7', true, 7],
    ['a quoted value', 'respond-async, wait="12"', true, 12],
    ['an escaped quoted value', 'respond-async, wait="1\\2"', true, 12],
    ['an empty value, which is none', 'respond-async=""', true, undefined],
    ['empty elements', ', ,respond-async,, wait=3,', true, 3],
    ['parameters, which mean nothing', 'respond-async; foo="a,b;c"; bar, wait=5;x', true, 5],
    ['an empty parameter', 'respond-async;; foo', true, undefined],
    ['a preference that is not known', 'return=minimal, handling="lenient", respond-async', true, undefined],
    ['wait twice: the first counts', 'respond-async, wait=1, wait=2', true, 1],
    ['wait alone asks for no job', 'wait=10', false, 10],
    ['a value where none belongs', 'respond-async=yes', false, undefined],
    ['a name that only begins alike', 'respond-asynchronously', false, undefined],
    ['the word within quotes', 'foo="respond-async, wait=1"', false, undefined],
    ['a wait that is no number of seconds', 'respond-async, wait=soon', true, undefined],
    ['a negative wait', 'respond-async, wait=-1', true, undefined],
    ['half a second', 'respond-async, wait=0.5', true, undefined],
    ['an endless wait', `respond-async, wait=${'9'.repeat(400)}`, true, undefined],
    ['a mistake, which is left out', 'wait=1, "respond-async", a b, =, respond-async', true, 1],
    ['a quote that is not closed', 'respond-async, foo="bar, wait=1', true, undefined],
  ])('%s', (_name, header, isAsync, waitS) => {
    expect(parsePrefer(header)).toEqual({ isAsync, waitS });
  });

  test('is read in a moment, whatever it holds', () => {
    for (const unit of ['a=', '"\\', '"', '\\', 'a;', ';', '; ', ', ', 'a = ', 'a;a=a;', '\t ']) {
      const startedAtMs = performance.now();
      parsePrefer(unit.repeat(16_384 / unit.length));
      parsePrefer(`a;${unit.repeat(16_384 / unit.length)}"=`);
      expect(performance.now() - startedAtMs).toBeLessThan(500);
    }
  });

  test('takes any text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary-ascii' }), (header) => void parsePrefer(header)));
  });
});
