import { once } from 'node:events';
import { createServer } from 'node:net';

/** A port of loopback that nothing listened on a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('there is no free port');
  return address.port;
}

/** A port from which each at these distances is free just now; below those that the system hands out by itself. */
export async function freePortsFrom(offsets: readonly number[]): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const first = 11_000 + Math.floor(Math.random() * 10_000);
    const areFree = await Promise.all(offsets.map((offset) => isFree(first + offset)));
    if (areFree.every(Boolean)) return first;
  }
  throw new Error('there are no free ports side by side');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
