import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import { Geo2Error } from './core/errors.ts';
import { HttpProblem } from './handlers/problems.ts';
import { headProblem, parserProblem, refusalOf, refusalText } from './handlers/refusal.ts';

/** A load balancer keeps idle connections for 60 s: ours must live longer, or it sends into a closed one. */
const KEEP_ALIVE_MS = 65_000;
/** Only a second fence: a body has its own, shorter time or its pace. */
const MAX_UPLOAD_MS = 15 * 60_000;
const HEAD_TIMEOUT_MS = 15_000;
/** How often Node looks for connections whose time is over. */
const CHECK_MS = 2_000;
/** What is refused may still be sending: it has this time to read why. */
const LINGER_MS = 500;

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly fetch: Parameters<typeof getRequestListener>[0];
  readonly newRequestId: () => string;
  /** Told of what was answered before `fetch` saw it. */
  readonly onRefused: (event: { status: number; code: string; requestId: string }) => void;
  /** For a request's head to come, milliseconds. */
  readonly headTimeoutMs?: number | undefined;
}

/** A socket that speaks HTTP/1.1, in front of the app. */
export interface HttpServer {
  /** Resolves with `http://127.0.0.1:8080`. Errors: INVALID_REQUEST when the address cannot be had. */
  listen(): Promise<string>;
  /** Refuses new connections, ends event streams, lets other answers finish; what is left after `drainMs` is cut. */
  close(drainMs: number): Promise<void>;
}

/** Whatever comes in that is no request for the app is answered with a problem, too. */
export function createHttpServer(options: HttpServerOptions): HttpServer {
  const { host, port, fetch, newRequestId, onRefused, headTimeoutMs = HEAD_TIMEOUT_MS } = options;
  const unanswered = new Set<ServerResponse>();
  const eventStreams = new WeakSet<object>();
  let draining = false;

  const listener = getRequestListener(withEventStreamsKnown, {
    hostname: host, // for HTTP/1.0, where a request needs no Host: some load balancers probe so
    errorHandler: (error) => {
      // Hono answers its own errors: what arrives here could not be made a request of, such as `OPTIONS *`
      const cause = new HttpProblem('MALFORMED_REQUEST', 'The address or the Host cannot be read.', { cause: error });
      const { status, headers, body } = refused(cause, '/');
      return new Response(body, { status, headers });
    },
  });
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: headTimeoutMs,
    requestTimeout: MAX_UPLOAD_MS,
    connectionsCheckingInterval: Math.min(CHECK_MS, headTimeoutMs),
    requireHostHeader: false, // checked with the others, to be answered with a problem
  });
  server.on('request', onRequest);
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    refuse(request, response, new HttpProblem('EXPECTATION_FAILED', 'Of expectations only 100-continue is met.'));
  });
  server.on('connect', (_request, socket) => {
    endWith(
      socket,
      new HttpProblem('METHOD_NOT_ALLOWED', 'This is no proxy.', { headers: { allow: 'GET, HEAD, POST' } }),
    );
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const begun = [...unanswered].some((response) => response.socket === socket && response.headersSent);
    if (error.code === 'ECONNRESET' || !socket.writable || begun) socket.destroy();
    else endWith(socket, parserProblem(error));
  });

  async function withEventStreamsKnown(...[request, env]: Parameters<typeof fetch>): Promise<unknown> {
    const answer = await fetch(request, env);
    if (answer instanceof Response && isEventStream(answer)) eventStreams.add(env.outgoing);
    return answer;
  }

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    unanswered.add(response);
    response.once('close', () => unanswered.delete(response));
    if (draining || bringsUnwantedBody(request)) response.setHeader('connection', 'close');
    const problem = headProblem(request);
    if (problem === undefined) void listener(request, response);
    else refuse(request, response, problem);
  }

  function refused(problem: HttpProblem, path: string) {
    const requestId = newRequestId();
    const refusal = refusalOf(problem, { path, requestId });
    onRefused({ status: refusal.status, code: refusal.code, requestId });
    return refusal;
  }

  function refuse({ url = '/' }: IncomingMessage, response: ServerResponse, problem: HttpProblem): void {
    const { status, headers, body } = refused(problem, url.split('?', 1)[0] ?? '/');
    response.writeHead(status, { ...headers }).end(body);
  }

  function endWith(socket: Duplex, problem: HttpProblem): void {
    socket.on('error', () => {});
    socket.end(refusalText(refused(problem, '/')));
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  }

  return {
    listen: () => listen(server, { host, port }),
    async close(drainMs) {
      draining = true;
      if (!server.listening) return;
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      server.close(() => resolve());
      for (const response of unanswered) {
        if (!response.headersSent)
          response.setHeader('connection', 'close'); // kept alive it would outlive the drain
        else if (eventStreams.has(response)) response.end(); // it has no end of its own: the reader asks another instance
      }
      const sweep = setInterval(() => server.closeIdleConnections(), 50);
      const cut = setTimeout(() => server.closeAllConnections(), drainMs);
      await closed;
      clearInterval(sweep);
      clearTimeout(cut);
    },
  };
}

/** Node would read the body of a GET to its end, however long it is, to use the connection again. */
function bringsUnwantedBody({ method, headers }: IncomingMessage): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function isEventStream({ headers }: Response): boolean {
  return headers.get('content-type')?.startsWith('text/event-stream') === true;
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: Error & { code?: string }) => {
      const why =
        cause.code === 'EADDRINUSE'
          ? 'another program uses it; set PORT to a free one'
          : `${cause.code ?? cause.message}`;
      reject(new Geo2Error('INVALID_REQUEST', `Cannot listen on ${host}:${port}: ${why}.`, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      const bound = address === null || typeof address === 'string' ? port : address.port;
      resolve(`http://${host.includes(':') ? `[${host}]` : host}:${bound}`);
    });
  });
}
