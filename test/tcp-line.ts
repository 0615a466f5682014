import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A line to a server that can be cut, taken down, and held up; it ends with the test. */
export interface TcpLine {
  /** `http://127.0.0.1:…` */
  readonly endpoint: string;
  /** Cuts the connection that carries the last of so many bytes from the server; the next ones go through. */
  cutAfter(bytes: number): void;
  /** After so many bytes from the server nothing more arrives, and nobody is told; resolves when it has come to that. */
  stallAfter(bytes: number): Promise<void>;
  /** Breaks every connection and takes no other. */
  down(): void;
  /** Takes connections again. */
  up(): void;
}

/** Passes connections on to the server at an endpoint. */
export async function startTcpLine(target: string): Promise<TcpLine> {
  const { port } = new URL(target);
  const sockets = new Set<Socket>();
  let left = Number.POSITIVE_INFINITY;
  let stalled: PromiseWithResolvers<void> | undefined;
  let isDown = false;

  function pass(upstream: Socket, socket: Socket, chunk: Buffer): void {
    const passed = chunk.subarray(0, left);
    left -= passed.length;
    socket.write(passed);
    if (left > 0) return;
    if (stalled !== undefined) {
      stalled.resolve();
      return;
    }
    left = Number.POSITIVE_INFINITY; // one cut
    setTimeout(() => socket.destroy(), 20);
    upstream.destroy();
  }

  const server = createServer((socket) => {
    if (isDown) return void socket.destroy();
    const upstream = connect(Number(port), '127.0.0.1');
    for (const end of [socket, upstream]) {
      sockets.add(end);
      end.on('error', () => {});
      end.on('close', () => {
        sockets.delete(end);
        socket.destroy();
        upstream.destroy();
      });
    }
    socket.pipe(upstream);
    upstream.on('data', (chunk: Buffer) => pass(upstream, socket, chunk));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const breakAll = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(() => {
    breakAll();
    server.close();
  });
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('there is no port');
  return {
    endpoint: `http://127.0.0.1:${address.port}`,
    cutAfter(bytes) {
      left = bytes;
    },
    stallAfter(bytes) {
      left = bytes;
      stalled = Promise.withResolvers();
      return stalled.promise;
    },
    down() {
      isDown = true;
      breakAll();
    },
    up() {
      isDown = false;
      stalled = undefined;
      left = Number.POSITIVE_INFINITY;
    },
  };
}
