import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createHttpServer, type HttpServer } from '../src/http-server.ts';
import { answerOn, connectTo, problemOn } from './raw-http.ts';

const LONG_MS = 60_000;

async function serving(
  fetch: (request: Request) => Response | Promise<Response>,
  options: { headTimeoutMs?: number } = {},
): Promise<{ server: HttpServer; url: string }> {
  const server = createHttpServer({
    host: '127.0.0.1',
    port: 0,
    fetch,
    newRequestId: () => 'id',
    onRefused: () => {},
    ...options,
  });
  onTestFinished(() => server.close(0));
  return { server, url: await server.listen() };
}

/** Sends an event at once, and then none. */
function eventStream(): { response: Response; left: Promise<void> } {
  const left = Promise.withResolvers<void>();
  const body = new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode('event: start\ndata: {}\n\n')),
    cancel: () => left.resolve(),
  });
  return { response: new Response(body, { headers: { 'content-type': 'text/event-stream' } }), left: left.promise };
}

describe('a close', () => {
  test('ends event streams cleanly, and at once', async () => {
    const stream = eventStream();
    const { server, url } = await serving(() => stream.response);
    const response = await fetch(url);
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toMatch(/event: start/);
    const startedAtMs = performance.now();
    await server.close(LONG_MS);
    expect((await reader?.read())?.done).toBe(true); // an end, not a broken connection
    await stream.left; // whoever made the events is told
    expect(performance.now() - startedAtMs).toBeLessThan(LONG_MS / 2);
  });

  test('lets a long answer finish to its last byte', async () => {
    const rest = Promise.withResolvers<void>();
    const { server, url } = await serving(
      () =>
        new Response(
          new ReadableStream({
            async start(controller) {
              controller.enqueue(new TextEncoder().encode('first,'));
              await rest.promise;
              controller.enqueue(new TextEncoder().encode('last'));
              controller.close();
            },
          }),
          { headers: { 'content-type': 'application/octet-stream' } },
        ),
    );
    const response = await fetch(url);
    const closed = server.close(LONG_MS);
    await expect(fetch(url)).rejects.toThrow();
    rest.resolve();
    expect(await response.text()).toBe('first,last');
    await closed;
  });

  test('does not wait for connections that are kept alive without a request', async () => {
    const { server, url } = await serving(() => new Response('done'));
    const agent = new Agent({ keepAlive: true });
    onTestFinished(() => agent.destroy());
    const request = get(url, { agent });
    const [response] = await once(request, 'response');
    response.resume();
    await once(response, 'end');
    const startedAtMs = performance.now();
    await server.close(LONG_MS);
    expect(performance.now() - startedAtMs).toBeLessThan(LONG_MS / 2);
  });

  test('cuts what is still there when its time is over', async () => {
    const { server, url } = await serving(() => new Promise<Response>(() => {}));
    const request = fetch(url).then(
      () => 'answered',
      () => 'cut',
    );
    await pause(50);
    await server.close(100);
    expect(await request).toBe('cut');
  });
});

describe('a head that comes too slowly', () => {
  test('is a 408 problem, while a connection that rests between requests is kept', async () => {
    const { url } = await serving(() => new Response('done'), { headTimeoutMs: 300 });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onTestFinished(() => agent.destroy());
    const ask = async () => {
      const request = get(url, { agent });
      const [response] = await once(request, 'response');
      response.resume();
      await once(response, 'end');
      return request.reusedSocket;
    };
    expect(await ask()).toBe(false);

    const slow = connectTo(url);
    slow.write('GET / HTTP/1.1\r\nHost: a\r\nX-A');
    expect(problemOn(await answerOn(slow))).toMatchObject({ status: 408, code: 'REQUEST_TIMEOUT', retryable: true });
    expect(await ask()).toBe(true);
  });
});
