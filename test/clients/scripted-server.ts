import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';

/** What a request of the client looked like when it arrived. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly atMs: number;
}

export type Reply = (response: ServerResponse, request: Received) => void;

/** A real server that answers the n-th request by the n-th reply, and further ones by the last. Stops when the test ends. */
export async function scriptedServer(...replies: [Reply, ...Reply[]]): Promise<{ url: string; received: Received[] }> {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const { method = '', url: path = '', headers } = request;
    const arrived = { method, path, headers, atMs: performance.now() };
    const reply = replies[Math.min(received.length, replies.length - 1)];
    const seen = { ...arrived, body: await text(request) };
    received.push(seen);
    reply?.(response, seen);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return { url: `http://127.0.0.1:${address.port}`, received };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Reply {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };
}

/** A problem as the service writes it. */
export function problem(
  status: number,
  code: string,
  options: { retryable: boolean; headers?: Record<string, string> },
): Reply {
  const { retryable, headers = {} } = options;
  const body = { type: `/docs/problems#${code}`, title: code, status, detail: `${code} it is`, instance: '/' };
  return json(status, { ...body, code, requestId: 'from-server', retryable }, headers);
}

/** The connection breaks before there is an answer. */
export const breaks: Reply = (response) => {
  response.socket?.destroy();
};
