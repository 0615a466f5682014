import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * The text of an API key: `geo2_`, 30 random characters of base62 (178 bits), and the CRC32 of all before it as 6 characters of
 * base62. The checksum tells a mistyped key without a look-up, and lets scanners tell a leaked key from other text.
 */

/** Random bytes from a generator that cannot be guessed. */
export type RandomBytes = (count: number) => Uint8Array;

export const KEY_PREFIX = 'geo2_';

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const RANDOM_CHARACTERS = 30;
const CHECKSUM_CHARACTERS = 6;
const LENGTH = KEY_PREFIX.length + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;
const FORM = /^geo2_[0-9A-Za-z]{36}$/;
/** Bytes from here on are thrown away: every character must be as likely as the next. */
const EVEN_BYTES = 256 - (256 % ALPHABET.length);

export function createKeyText(randomBytes: RandomBytes): string {
  let text = KEY_PREFIX;
  while (text.length < KEY_PREFIX.length + RANDOM_CHARACTERS) {
    for (const byte of randomBytes(RANDOM_CHARACTERS)) {
      if (byte >= EVEN_BYTES || text.length === KEY_PREFIX.length + RANDOM_CHARACTERS) continue;
      text += ALPHABET[byte % ALPHABET.length];
    }
  }
  return text + checksumOf(text);
}

/** Whether the text has the form of a key and its checksum fits; says nothing of whether such a key was ever made. */
export function isKeyText(text: string): boolean {
  if (text.length !== LENGTH || !FORM.test(text)) return false; // the length first: a header may be long
  return text.endsWith(checksumOf(text.slice(0, -CHECKSUM_CHARACTERS)));
}

/** What is stored of a key: SHA-256 as 64 hexadecimal digits. 178 random bits need no slow hash. */
export function keyHash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The beginning of a key, by which its owner tells it from others: `geo2_ab12…`. */
export function keyHint(text: string): string {
  return `${text.slice(0, KEY_PREFIX.length + 4)}…`;
}

function checksumOf(text: string): string {
  let rest = crc32(text);
  let digits = '';
  for (let i = 0; i < CHECKSUM_CHARACTERS; i += 1) {
    digits = (ALPHABET[rest % ALPHABET.length] ?? '') + digits;
    rest = Math.floor(rest / ALPHABET.length);
  }
  return digits;
}
