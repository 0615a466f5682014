import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';

/** What a receiver checks an attempt with: its headers. */
export interface SignedHeaders {
  readonly 'webhook-id': string;
  /** Seconds since 1970, of the attempt. */
  readonly 'webhook-timestamp': string;
  /** `v1,<base64>`, one for each secret that is valid, separated by a space. */
  readonly 'webhook-signature': string;
}

/** Standard Webhooks asks for 24 to 64 bytes. */
const SECRET_BYTES = 32;

/** A new secret in the form that receivers are given: `whsec_` and base64. */
export function newSecret(random: (bytes: number) => Buffer = randomBytes): string {
  return `whsec_${random(SECRET_BYTES).toString('base64')}`;
}

/** Signs `id.timestamp.body` with HMAC-SHA256. Source: the Standard Webhooks specification. */
export function signedHeaders(
  message: { id: string; body: string; at: Date },
  secrets: readonly string[],
): SignedHeaders {
  const { id, body, at } = message;
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': secrets.map((secret) => new Webhook(secret).sign(id, at, body)).join(' '),
  };
}
