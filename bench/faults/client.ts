import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import * as z from 'zod';

const RETRY_MS = 250;
/** Longer than a request's name is held for a process that died. */
const PATIENCE_MS = 90_000;

const JobSchema = z.object({
  id: z.string(),
  status: z.string(),
  progress: z.object({ completed: z.number(), failed: z.number(), total: z.number() }),
  result: z.object({ items: z.array(z.object({ status: z.string(), result: z.unknown().optional() })) }).optional(),
});
export type SeenJob = z.infer<typeof JobSchema>;

/** Asks as an integrator does who means it: the same request until there is an answer, whatever ends in between. */
async function insist(url: string, init: () => RequestInit): Promise<Response> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const response = await fetch(url, { ...init(), signal: AbortSignal.timeout(30_000) }).catch(() => undefined);
    // 409: the same request is still under way, or its process died
    if (response !== undefined && response.status < 500 && response.status !== 409 && response.status !== 429) {
      return response;
    }
    await response?.body?.cancel();
    if (performance.now() > until) throw new Error(`${url}: no answer (${response?.status ?? 'no connection'})`);
    await pause(RETRY_MS);
  }
}

async function json(response: Response): Promise<unknown> {
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.json();
}

/** The service as the fault test uses it. */
export function createClient(baseUrl: string) {
  return {
    async createWebhook(url: string): Promise<string> {
      const body = JSON.stringify({ url, events: ['job.succeeded', 'job.failed', 'job.canceled'] });
      const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
      const answer = await json(await insist(`${baseUrl}/v1/webhooks`, () => ({ method: 'POST', headers, body })));
      return z.object({ secret: z.string() }).parse(answer).secret;
    },

    /** Submits one batch, once, however often it must be sent; the id of the job that was accepted. */
    async submit(images: readonly Uint8Array<ArrayBuffer>[]): Promise<string> {
      const headers = { 'idempotency-key': randomUUID() };
      const form = (): FormData => {
        const data = new FormData();
        data.set('task', 'geolocate');
        for (const [index, bytes] of images.entries())
          data.append('image', new Blob([bytes], { type: 'image/png' }), `${index}.png`);
        return data;
      };
      // a form that is encoded anew has another boundary, and is another body for the service: it is encoded once
      const encoded = new Response(form());
      const contentType = encoded.headers.get('content-type') ?? '';
      const body = new Uint8Array(await encoded.arrayBuffer());
      const sent = () => ({ method: 'POST', headers: { ...headers, 'content-type': contentType }, body });
      return JobSchema.parse(await json(await insist(`${baseUrl}/v1/batches`, sent))).id;
    },

    async cancel(id: string): Promise<void> {
      // 409 says that it has ended, which is an answer here
      await fetch(`${baseUrl}/v1/jobs/${id}`, { method: 'DELETE', signal: AbortSignal.timeout(10_000) }).then(
        (response) => response.body?.cancel(),
        () => {},
      );
    },

    async job(id: string): Promise<SeenJob> {
      return JobSchema.parse(await json(await insist(`${baseUrl}/v1/jobs/${id}`, () => ({}))));
    },
  };
}
