import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import * as z from 'zod';

/** An answer as it is kept to be given again. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

export interface SealOptions {
  readonly callerSecret: Uint8Array;
  readonly name: string;
  readonly randomBytes: (count: number) => Uint8Array;
}

const HeadSchema = z.object({
  status: z.int().min(100).max(599),
  headers: z.record(z.string(), z.string()),
  bodyBytes: z.int().min(0),
});

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Answers hold places, and secrets that are told once. They are kept so that only their caller can have them read: encrypted
 * (AES-256-GCM) with a key made of two things that are stored nowhere, the caller's API key and the name that it gave its request.
 */
export function createSeal({ callerSecret, name, randomBytes }: SealOptions) {
  const key = new Uint8Array(hkdfSync('sha256', callerSecret, name, 'geo2 kept answer', 32));
  return {
    seal({ status, headers, body }: KeptAnswer): Uint8Array {
      const head = Buffer.from(`${JSON.stringify({ status, headers, bodyBytes: body.length })}\n`);
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, key, nonce);
      const text = Buffer.concat([cipher.update(head), cipher.update(body), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]);
    },

    /** Throws when it is not what `seal` made for this caller and name. */
    open(sealed: Uint8Array): KeptAnswer {
      const bytes = Buffer.from(sealed);
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES));
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const text = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
      const headEnd = text.indexOf('\n');
      const { status, headers, bodyBytes } = HeadSchema.parse(JSON.parse(text.toString('utf8', 0, headEnd)));
      return { status, headers, body: text.subarray(headEnd + 1, headEnd + 1 + bodyBytes) };
    },
  };
}
