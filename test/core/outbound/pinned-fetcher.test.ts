import { createServer as createTcpServer } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  createPinnedFetcher,
  type OutboundRequest,
  type OutboundResult,
  type ResolveHost,
} from '#core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '#core/outbound/public-address.ts';
import { serverOf } from './receiver.ts';

const LOOPBACK: ResolveHost = async () => [{ address: '127.0.0.1', family: 4 }];
const never: ResolveHost = () => Promise.reject(new Error('must not be asked'));

function fetcherOf({
  allow = ['127.0.0.1/32'],
  resolveHost = LOOPBACK,
}: {
  allow?: string[];
  resolveHost?: ResolveHost;
} = {}) {
  return createPinnedFetcher({ isAllowed: createAddressPolicy(allow), resolveHost });
}

function requestTo(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return { url, method: 'GET', headers: {}, timeoutMs: 10_000, maxBytes: 1_000, ...more };
}

function textOf(result: OutboundResult): string {
  if (result.type !== 'answer') throw new Error(`${result.type}: ${result.why}`);
  return new TextDecoder().decode(result.body);
}

describe('loopback is refused without a lookup, however it is written:', () => {
  test.each([
    'http://127.0.0.1/',
    'http://127.0.0.1./',
    'http://127.1/',
    'http://127.0.1/',
    'http://0177.0.0.1/',
    'http://0177.0.0.01/',
    'http://017700000001/',
    'http://0x7f.0.0.1/',
    'http://0X7F.0x0.0x0.0x1/',
    'http://0x7f000001/',
    'http://0x7F.1/',
    'http://2130706433/',
    'http://127.0.0.1:80/',
    'http://127.0.0.1%2e/',
    'http://%31%32%37.0.0.1/',
    'http://127%2e0%2e0%2e1/',
    'http://１２７.0.0.1/',
    'http://127。0。0。1/',
    'HTTP://127.0.0.1/',
    'hTTps://127.0.0.1/',
    'http:127.0.0.1/',
    'http:\\\\127.0.0.1\\',
    'http://0/',
    'http://0.0.0.0/',
    'http://[::1]/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://[0000:0000:0000:0000:0000:0000:0000:0001]/',
    'http://[::]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::FFFF:7F00:0001]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::127.0.0.1]/',
    'http://[64:ff9b:1::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[2001:0:7f00:1::]/',
    'http://[fe80::1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://0251.0376.0251.0376/',
    'http://2852039166/',
  ])('%s', async (url) => {
    const fetcher = fetcherOf({ allow: [], resolveHost: never });
    expect(await fetcher.fetch(requestTo(url))).toMatchObject({ type: 'refused' });
    expect(await fetcher.refusalOf(url, { timeoutMs: 10_000 })).toMatch(/is not a public address$/);
  });
});

describe('a URL that is none of ours is refused:', () => {
  test.each([
    ['ftp://example.org/', /only http and https/],
    ['file:///etc/passwd', /only http and https/],
    ['gopher://example.org/_x', /only http and https/],
    ['javascript:alert(1)', /only http and https/],
    ['data:text/plain,x', /only http and https/],
    ['http://user@example.org/', /credentials/],
    ['http://user:secret@example.org/', /credentials/],
    ['http://:secret@example.org/', /credentials/],
    ['http://example.org:80@127.0.0.1/', /credentials/],
    ['http://%75ser@127.0.0.1/', /credentials/],
    ['http://example.org/\r\nX-Injected: 1', /control characters/],
    ['http://example.org/a\tb', /control characters/],
    ['http://exa\nmple.org/', /control characters/],
    [' http://example.org/', /spaces/],
    ['http://example.org/\u0000', /control characters/],
    ['http://example.org/\u2028', /control characters/],
    ['http://[fe80::1%25eth0]/', /no absolute URL/],
    ['http://256.256.256.256/', /no absolute URL/],
    ['http://0x100000000/', /no absolute URL/],
    ['http://1.2.3.4.5/', /no absolute URL/],
    ['http:///', /no absolute URL/],
    ['//example.org/', /no absolute URL/],
    ['example.org', /no absolute URL/],
    ['', /no absolute URL/],
    [`http://example.org/${'a'.repeat(2048)}`, /more than 2048 characters/],
  ])('%j', async (url, why) => {
    const fetcher = fetcherOf({ resolveHost: never });
    expect(await fetcher.fetch(requestTo(url))).toEqual({ type: 'refused', why: expect.stringMatching(why) });
    expect(await fetcher.refusalOf(url, { timeoutMs: 10_000 })).toMatch(why);
  });
});

describe('a name', () => {
  test('is refused when any of its addresses is not allowed', async () => {
    for (const addresses of [
      ['127.0.0.1'],
      ['8.8.8.8', '10.0.0.1'],
      ['2606:4700::1', '::1'],
      ['8.8.8.8', 'fe80::1%eth0'],
    ]) {
      const resolveHost: ResolveHost = async () =>
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      const fetcher = fetcherOf({ allow: [], resolveHost });
      const why = 'mixed.example is not at a public address';
      expect(await fetcher.fetch(requestTo('http://mixed.example/'))).toEqual({ type: 'refused', why });
      expect(await fetcher.refusalOf('http://mixed.example/', { timeoutMs: 10_000 })).toBe(why);
    }
  });

  test('is resolved once a call: one that answers differently the second time reaches what was checked', async () => {
    const port = await serverOf((_request, response) => response.end('the checked one'));
    const asked: string[] = [];
    const resolveHost: ResolveHost = async (host) => {
      asked.push(host);
      return [{ address: asked.length === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }];
    };
    const fetcher = fetcherOf({ resolveHost });
    expect(textOf(await fetcher.fetch(requestTo(`http://rebind.example:${port}/`)))).toBe('the checked one');
    expect(asked).toEqual(['rebind.example']);
  });

  test('is resolved again by the next call, also while a connection could be kept: it is refused as soon as it turns', async () => {
    let asked = 0;
    let reached = 0;
    const port = await serverOf((_request, response) => {
      reached++;
      response.end('ok');
    });
    const resolveHost: ResolveHost = async () => [{ address: asked++ === 0 ? '127.0.0.1' : '127.0.0.2', family: 4 }];
    const fetcher = fetcherOf({ resolveHost });
    const url = `http://rebind.example:${port}/`;
    expect(await fetcher.fetch(requestTo(url))).toMatchObject({ type: 'answer', status: 200 });
    expect(await fetcher.fetch(requestTo(url))).toMatchObject({ type: 'refused' });
    expect(reached).toBe(1);
  });

  test('that does not exist, or has no address, is told as such', async () => {
    const missing: ResolveHost = () => Promise.reject(new Error('ENOTFOUND'));
    for (const resolveHost of [missing, async () => []]) {
      const fetcher = fetcherOf({ resolveHost });
      expect(await fetcher.fetch(requestTo('http://nowhere.example/'))).toMatchObject({ type: 'unresolved' });
      expect(await fetcher.refusalOf('http://nowhere.example/', { timeoutMs: 10_000 })).toBeUndefined();
    }
  });

  test('whose lookup hangs costs no more than the time that was given', async () => {
    const fetcher = fetcherOf({ resolveHost: () => new Promise(() => {}) });
    expect(await fetcher.fetch(requestTo('http://slow.example/', { timeoutMs: 50 }))).toMatchObject({
      type: 'timeout',
    });
    expect(await fetcher.refusalOf('http://slow.example/', { timeoutMs: 50 })).toBeUndefined();
  });
});

describe('an answer', () => {
  test('comes with what was sent, to the host that was named', async () => {
    const seen = Promise.withResolvers<unknown>();
    const port = await serverOf((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        const { host, 'x-test': test, connection } = request.headers;
        seen.resolve([request.method, request.url, host, test, connection, body]);
        response.writeHead(201, { 'x-answer': 'yes' }).end('done');
      });
    });
    const url = `http://hooks.example:${port}/in?a=1`;
    const result = await fetcherOf().fetch(
      requestTo(url, { method: 'POST', headers: { 'x-test': '1' }, body: 'hello' }),
    );
    expect(result).toMatchObject({ type: 'answer', status: 201, headers: { 'x-answer': 'yes' }, truncated: false });
    expect(textOf(result)).toBe('done');
    expect(await seen.promise).toEqual(['POST', '/in?a=1', `hooks.example:${port}`, '1', 'close', 'hello']);
  });

  test('that redirects is an answer like any other', async () => {
    const asked: string[] = [];
    const port = await serverOf((request, response) => {
      asked.push(request.url ?? '');
      response.writeHead(307, { location: '/elsewhere' }).end();
    });
    expect(await fetcherOf().fetch(requestTo(`http://127.0.0.1:${port}/`))).toMatchObject({ status: 307 });
    expect(asked).toEqual(['/']);
  });

  test('is cut at the limit, and its sender is left', async () => {
    const left = Promise.withResolvers<void>();
    const port = await serverOf((_request, response) => {
      const write = (): void => {
        while (response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', write).on('close', () => left.resolve());
      write();
    });
    const result = await fetcherOf().fetch(requestTo(`http://127.0.0.1:${port}/`, { maxBytes: 1_500 }));
    expect(result).toMatchObject({ type: 'answer', status: 200, truncated: true });
    expect(textOf(result).length).toBe(1_500);
    await left.promise;
  });

  test('whose body never ends is a time-out, unless the head is what counts', async () => {
    const port = await serverOf((_request, response) => {
      response.write('x');
    });
    const url = `http://127.0.0.1:${port}/`;
    expect(await fetcherOf().fetch(requestTo(url, { timeoutMs: 200 }))).toMatchObject({ type: 'timeout' });
    expect(await fetcherOf().fetch(requestTo(url, { bodyGraceMs: 20 }))).toMatchObject({
      status: 200,
      truncated: true,
    });
  });

  test('whose body breaks off is a failure, unless the head is what counts', async () => {
    const port = await serverOf((_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('x', () => response.destroy());
    });
    const url = `http://127.0.0.1:${port}/`;
    expect(await fetcherOf().fetch(requestTo(url))).toMatchObject({ type: 'failed' });
    expect(await fetcherOf().fetch(requestTo(url, { bodyGraceMs: 5_000 }))).toMatchObject({
      status: 200,
      truncated: true,
    });
  });

  test('that never comes is a time-out', async () => {
    const port = await serverOf(() => {});
    const result = await fetcherOf().fetch(requestTo(`http://127.0.0.1:${port}/`, { timeoutMs: 100 }));
    expect(result).toMatchObject({ type: 'timeout', why: '127.0.0.1 did not answer within 100 ms' });
  });

  test('that is no HTTP, or with endless headers, is a failure', async () => {
    for (const said of ['hello\r\n\r\n', `HTTP/1.1 200 OK\r\n${'x-filler: 1\r\n'.repeat(5_000)}`]) {
      const server = createTcpServer((socket) => {
        socket.on('error', () => {});
        socket.once('data', () => socket.write(said));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      const address = server.address();
      const port = address === null || typeof address === 'string' ? 0 : address.port;
      expect(await fetcherOf().fetch(requestTo(`http://127.0.0.1:${port}/`))).toMatchObject({ type: 'failed' });
    }
  });

  test('where nobody listens says what the system says', async () => {
    expect(await fetcherOf().fetch(requestTo('http://127.0.0.1:1/'))).toMatchObject({
      type: 'failed',
      why: '127.0.0.1 could not be reached (ECONNREFUSED)',
    });
  });

  test('is not waited for when the caller goes away', async () => {
    const controller = new AbortController();
    const left = Promise.withResolvers<void>();
    const port = await serverOf((request) => {
      request.on('close', () => left.resolve());
      controller.abort();
    });
    const fetched = fetcherOf().fetch(requestTo(`http://127.0.0.1:${port}/`, { signal: controller.signal }));
    await expect(fetched).rejects.toMatchObject({ code: 'CANCELED' });
    await left.promise;
  });

  test('of an allowed IPv6 address is reached by its literal', async () => {
    const result = await fetcherOf({ allow: ['::1/128'] }).fetch(requestTo('http://[::1]:1/'));
    expect(result).toMatchObject({ type: 'failed', why: expect.stringMatching(/ECONNREFUSED|EADDRNOTAVAIL/) });
  });
});
