import { once } from 'node:events';
import { createServer } from 'node:http';
import { Webhook } from 'standardwebhooks';
import * as z from 'zod';

/** A receiver of webhooks that verifies what comes, and answers 204. */
export interface Receiver {
  readonly url: string;
  /** The secret of the endpoint, once it is known. */
  useSecret(secret: string): void;
  /** The ids of the events that came for a job, each as often as it came. */
  eventIdsOf(jobId: string): readonly string[];
  /** Deliveries whose signature did not verify. */
  readonly forged: () => number;
  stop(): Promise<void>;
}

const EventSchema = z.object({ type: z.string(), data: z.object({ id: z.string() }) });

export async function startReceiver(): Promise<Receiver> {
  const received = new Map<string, string[]>();
  let webhook: Webhook | undefined;
  let forged = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
    try {
      const { data } = EventSchema.parse(webhook?.verify(Buffer.concat(chunks).toString('utf8'), headers));
      received.set(data.id, [...(received.get(data.id) ?? []), String(headers['webhook-id'])]);
    } catch {
      forged += 1;
    }
    response.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the receiver has no port');
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    useSecret(secret) {
      webhook = new Webhook(secret);
    },
    eventIdsOf: (jobId) => received.get(jobId) ?? [],
    forged: () => forged,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
