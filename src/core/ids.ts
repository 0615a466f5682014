import { randomBytes } from 'node:crypto';

export type IdPrefix = 'job' | 'key' | 'ep' | 'msg' | 'dlv';

/** Makes an id that nobody can guess: the prefix tells what it names, the rest is 128 random bits. */
export type NewId = (prefix: IdPrefix) => string;

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';
const ID_BYTES = 16;

/** `job_` and 26 characters of base32 (RFC 4648, lower case, no padding). */
export const newId: NewId = (prefix) => `${prefix}_${base32(randomBytes(ID_BYTES))}`;

/** Whether a text has the form of an id; it need not name anything. */
export function isId(prefix: IdPrefix, text: string): boolean {
  return text.startsWith(`${prefix}_`) && /^[a-z2-7]{26}$/.test(text.slice(prefix.length + 1));
}

function base32(bytes: Uint8Array): string {
  let text = '';
  let held = 0;
  let bits = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(held >> (bits - 5)) & 31];
  }
  return bits === 0 ? text : text + ALPHABET[(held << (5 - bits)) & 31];
}
