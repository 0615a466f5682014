import { createServer, type RequestListener } from 'node:http';
import { onTestFinished } from 'vitest';

/** A real server on the loopback address, and its port; it ends with the test. */
export async function serverOf(listener: RequestListener): Promise<number> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return address.port;
}
