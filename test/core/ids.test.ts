import { expect, test } from 'vitest';
import { isId, newId } from '#core/ids.ts';

test('an id names its kind and holds 128 random bits in lower-case base32', () => {
  const ids = Array.from({ length: 2_000 }, () => newId('job'));
  for (const id of ids) expect(id).toMatch(/^job_[a-z2-7]{26}$/);
  expect(new Set(ids).size).toBe(ids.length);
  // every position takes every value that it can: the last holds 3 of the 128 bits
  for (let position = 0; position < 26; position++) {
    expect(new Set(ids.map((id) => id[4 + position])).size, `position ${position}`).toBe(position === 25 ? 8 : 32);
  }
});

test('the form of an id is told from other texts', () => {
  expect(isId('ep', newId('ep'))).toBe(true);
  for (const text of ['', 'ep_', newId('job'), newId('ep').toUpperCase(), `${newId('ep')}a`, `${newId('ep')}\n`]) {
    expect(isId('ep', text), JSON.stringify(text)).toBe(false);
  }
});
