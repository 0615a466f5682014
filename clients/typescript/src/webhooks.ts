import { Webhook } from 'standardwebhooks';
import type { NewWebhook } from './schema.ts';

export { WebhookVerificationError } from 'standardwebhooks';

/** What the service tells by webhook; `webhook.test` only when it is asked to. */
export type WebhookEventType = NewWebhook['events'][number] | 'webhook.test';

/** A verified event. It comes at least once: remember `id` to do things once. */
export interface WebhookEvent {
  /** The same in every attempt at delivering it. */
  readonly id: string;
  readonly type: WebhookEventType | (string & {});
  /** When it happened, ISO 8601. */
  readonly timestamp: string;
  /** Of a job's event, `id` is the job's. */
  readonly data: Readonly<Record<string, unknown>>;
}

type HeaderValues = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * The event of a request to a webhook's URL. `body` is the request's body exactly as it came: one that was parsed and
 * written again has another signature. Throws `WebhookVerificationError` when it was not signed with the endpoint's secret, was
 * changed on the way, or is older than five minutes. Belongs on a server: a page must not know the secret.
 */
export function verifyWebhook(body: string | Uint8Array, headers: HeaderValues, secret: string): WebhookEvent {
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body);
  const id = headerOf(headers, 'webhook-id');
  const event: unknown = new Webhook(secret).verify(text, {
    'webhook-id': id,
    'webhook-timestamp': headerOf(headers, 'webhook-timestamp'),
    'webhook-signature': headerOf(headers, 'webhook-signature'),
  });
  if (!isEvent(event)) throw new TypeError('The signature is good, but this is no event of the Geo2 API.');
  return { id, type: event.type, timestamp: event.timestamp, data: event.data };
}

function headerOf(headers: HeaderValues, name: string): string {
  if (headers instanceof Headers) return headers.get(name) ?? '';
  const value = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1];
  return typeof value === 'string' ? value : (value?.[0] ?? '');
}

function isEvent(value: unknown): value is Pick<WebhookEvent, 'type' | 'timestamp' | 'data'> {
  return (
    isRecord(value) && typeof value.type === 'string' && typeof value.timestamp === 'string' && isRecord(value.data)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
