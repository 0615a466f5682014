import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTraceparent, parseTraceparent } from '#core/tracing/trace-context.ts';

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map((digits) => digits.join(''))
    .filter((text) => !/^0+$/.test(text));

test('a place in a trace survives being written and read', () => {
  fc.assert(
    fc.property(fc.record({ traceId: hex(32), spanId: hex(16), sampled: fc.boolean() }), (context) => {
      expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
    }),
  );
});

test('flags beyond the first bit, and members of later versions, are not misread', () => {
  const ids = `${'a'.repeat(32)}-${'b'.repeat(16)}`;
  expect(parseTraceparent(`00-${ids}-03`)?.sampled).toBe(true);
  expect(parseTraceparent(`00-${ids}-02`)?.sampled).toBe(false);
  expect(parseTraceparent(`cc-${ids}-01-what-comes-later`)?.sampled).toBe(true);
  expect(parseTraceparent(`00-${ids.toUpperCase()}-01`)).toBeUndefined();
});
