import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { Geo2Error } from '../errors.ts';

/** How secrets that must be read again (to sign) are stored. */
export interface SecretBox {
  /** What is stored. `owner` is bound to it: what was sealed for one row opens for no other. */
  seal(secret: string, owner: string): string;
  /** Errors: SECRET_UNREADABLE without the key that it was sealed with, or when it was tampered with. */
  open(stored: string, owner: string): string;
}

const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const SEALED = 'aes-256-gcm:';
const PLAIN = 'plain:';

/** AES-256-GCM under a key derived from `passphrase`; without one, secrets are stored as they are. */
export function createSecretBox(passphrase: string | undefined): SecretBox {
  const key =
    passphrase === undefined
      ? undefined
      : Buffer.from(hkdfSync('sha256', passphrase, '', 'geo2 webhook secrets', KEY_BYTES));
  return {
    seal(secret, owner) {
      if (key === undefined) return `${PLAIN}${secret}`;
      const iv = randomBytes(IV_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(owner));
      const sealed = Buffer.concat([iv, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return `${SEALED}${sealed.toString('base64')}`;
    },

    open(stored, owner) {
      if (stored.startsWith(PLAIN)) return stored.slice(PLAIN.length);
      if (key === undefined || !stored.startsWith(SEALED)) throw unreadable('it is encrypted, and no key is set');
      const bytes = Buffer.from(stored.slice(SEALED.length), 'base64');
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(Buffer.from(owner)).setAuthTag(bytes.subarray(-TAG_BYTES));
        return decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES), undefined, 'utf8') + decipher.final('utf8');
      } catch (cause) {
        throw unreadable('it was encrypted with another key', cause);
      }
    },
  };
}

function unreadable(why: string, cause?: unknown): Geo2Error {
  return new Geo2Error(
    'SECRET_UNREADABLE',
    `A webhook secret cannot be read: ${why}. Set the GEO2_SECRET_KEY that it was stored under, or rotate the secret.`,
    { cause },
  );
}
