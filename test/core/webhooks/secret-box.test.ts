import { describe, expect, test } from 'vitest';
import { createSecretBox } from '#core/webhooks/secret-box.ts';

const PASSPHRASE = 'correct horse battery staple correct';
const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const unreadable = expect.objectContaining({ code: 'SECRET_UNREADABLE' });

describe('a stored secret', () => {
  test('is readable only with its key, for its owner, as it was written', () => {
    const box = createSecretBox(PASSPHRASE);
    const stored = box.seal(SECRET, 'ep_1');
    expect(stored).not.toContain(SECRET.slice(6));
    expect(box.open(stored, 'ep_1')).toBe(SECRET);
    expect(createSecretBox(PASSPHRASE).open(stored, 'ep_1')).toBe(SECRET);
    expect(() => box.open(stored, 'ep_2')).toThrow(unreadable);
    expect(() => createSecretBox(`${PASSPHRASE}.`).open(stored, 'ep_1')).toThrow(unreadable);
    expect(() => createSecretBox(undefined).open(stored, 'ep_1')).toThrow(unreadable);
    for (let at = 'aes-256-gcm:'.length; at < stored.length - 2; at += 7) {
      const other = stored[at] === 'A' ? 'B' : 'A';
      expect(() => box.open(stored.slice(0, at) + other + stored.slice(at + 1), 'ep_1')).toThrow(unreadable);
    }
    for (const cut of ['', 'aes-256-gcm:', 'aes-256-gcm:AAAA', SECRET])
      expect(() => box.open(cut, 'ep_1')).toThrow(unreadable);
  });

  test('is another each time', () => {
    const box = createSecretBox(PASSPHRASE);
    expect(box.seal(SECRET, 'ep_1')).not.toBe(box.seal(SECRET, 'ep_1'));
  });

  test('without a key is as it is, and stays readable when a key is set later', () => {
    const stored = createSecretBox(undefined).seal(SECRET, 'ep_1');
    expect(createSecretBox(undefined).open(stored, 'ep_1')).toBe(SECRET);
    expect(createSecretBox(PASSPHRASE).open(stored, 'ep_1')).toBe(SECRET);
  });
});
