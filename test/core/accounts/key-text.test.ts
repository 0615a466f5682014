import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createKeyText, isKeyText, keyHash, keyHint } from '#core/accounts/key-text.ts';

describe('the text of a key', () => {
  test('has the prefix, 30 random characters and a checksum that was worked out elsewhere', () => {
    // zlib.crc32(b"geo2_" + b"0" * 30) is 2580719432 in Python: 2oeR0y in base62
    expect(createKeyText((count) => new Uint8Array(count))).toBe(`geo2_${'0'.repeat(30)}2oeR0y`);
  });

  test('is accepted when it was made here, and differs each time', () => {
    const keys = Array.from({ length: 200 }, () => createKeyText(randomBytes));
    for (const key of keys) {
      expect(key).toMatch(/^geo2_[0-9A-Za-z]{36}$/);
      expect(isKeyText(key), key).toBe(true);
    }
    expect(new Set(keys).size).toBe(200);
  });

  test('uses every character about as often as the next', () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < 2000; i += 1) {
      for (const character of createKeyText(randomBytes).slice(5, 35)) {
        counts.set(character, (counts.get(character) ?? 0) + 1);
      }
    }
    expect(counts.size).toBe(62);
    const expected = (2000 * 30) / 62;
    // six standard deviations: a bias of a byte modulo 62 (25 %) is far outside
    for (const [character, count] of counts) {
      expect(Math.abs(count - expected), character).toBeLessThan(6 * Math.sqrt(expected));
    }
  });

  test('skips random bytes that would make some characters likelier', () => {
    let calls = 0;
    const key = createKeyText((count) => {
      calls += 1;
      return new Uint8Array(count).fill(calls === 1 ? 255 : 61);
    });
    expect(key.slice(5, 35)).toBe('z'.repeat(30));
  });

  test('with one wrong character, or two exchanged, is refused', () => {
    const key = createKeyText(randomBytes);
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 40 }), fc.constantFrom(...'0123456789ABCxyz'), (at, character) => {
        const typed = key.slice(0, at) + character + key.slice(at + 1);
        return isKeyText(typed) === (typed === key);
      }),
    );
    fc.assert(
      fc.property(fc.integer({ min: 5, max: 39 }), (at) => {
        const typed = key.slice(0, at) + (key[at + 1] ?? '') + (key[at] ?? '') + key.slice(at + 2);
        return isKeyText(typed) === (typed === key);
      }),
    );
  });

  test.each([
    '',
    'geo2_',
    'geo3_000000000000000000000000000000000000',
    ' geo2_00000000000000000000000000000000000',
    'geo2_0000000000000000000000000000\n0000000',
    'x'.repeat(1_000_000),
  ])('other text is no key', (text) => {
    expect(isKeyText(text)).toBe(false);
  });
});

test('what is stored of a key is its SHA-256, and a hint that gives nothing away', () => {
  expect(keyHash('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  expect(keyHint(createKeyText((count) => new Uint8Array(count)))).toBe('geo2_0000…');
});
