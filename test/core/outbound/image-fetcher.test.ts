import { describe, expect, test } from 'vitest';
import { createImageFetcher } from '#core/outbound/image-fetcher.ts';
import { createPinnedFetcher, type ResolveHost } from '#core/outbound/pinned-fetcher.ts';
import { createAddressPolicy } from '#core/outbound/public-address.ts';
import { serverOf } from './receiver.ts';

const noSignal = new AbortController().signal;

function fetcherOf(options: { allow?: string[]; resolveHost?: ResolveHost; timeoutMs?: number } = {}) {
  const { allow = ['127.0.0.0/8'], resolveHost = async () => [{ address: '127.0.0.1', family: 4 }] } = options;
  const fetcher = createPinnedFetcher({ isAllowed: createAddressPolicy(allow), resolveHost });
  return createImageFetcher({ fetcher, timeoutMs: options.timeoutMs ?? 2_000 });
}

describe('an allowed address', () => {
  test('gives the bytes, and is told nothing about us but that we want an image', async () => {
    const seen: unknown[] = [];
    const port = await serverOf((request, response) => {
      seen.push(request.url, request.headers.accept, request.headers.cookie, request.headers.traceparent);
      response.end(Buffer.from([1, 2, 3]));
    });
    const bytes = await fetcherOf().fetch(`http://photos.example:${port}/a%20b.jpg?size=1`, {
      maxBytes: 10,
      signal: noSignal,
    });
    expect([...bytes]).toEqual([1, 2, 3]);
    expect(seen).toEqual(['/a%20b.jpg?size=1', 'image/jpeg, image/png, image/webp', undefined, undefined]);
  });

  test('that redirects is not followed', async () => {
    let asked = 0;
    const port = await serverOf((_request, response) => {
      asked++;
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    await expect(
      fetcherOf().fetch(`http://127.0.0.1:${port}/`, { maxBytes: 10, signal: noSignal }),
    ).rejects.toMatchObject({ code: 'IMAGE_URL_FAILED', data: { statusCode: 302, retryable: false } });
    expect(asked).toBe(1);
  });

  test.each([
    [404, false],
    [503, true],
  ])('that answers %i is a failure, retryable: %s', async (status, retryable) => {
    const port = await serverOf((_request, response) => response.writeHead(status).end('secret'));
    const failure = fetcherOf().fetch(`http://127.0.0.1:${port}/`, { maxBytes: 10, signal: noSignal });
    await expect(failure).rejects.toMatchObject({ code: 'IMAGE_URL_FAILED', data: { statusCode: status, retryable } });
    await expect(failure).rejects.not.toThrow(/secret/);
  });

  test('that sends too much is left at the first byte too many, whether it said so or not', async () => {
    const port = await serverOf((request, response) => {
      if (request.url === '/said') response.writeHead(200, { 'content-length': '1000000' });
      const timer = setInterval(() => response.write(Buffer.alloc(1000)), 1);
      response.on('close', () => clearInterval(timer));
    });
    for (const path of ['/said', '/unsaid']) {
      await expect(
        fetcherOf().fetch(`http://127.0.0.1:${port}${path}`, { maxBytes: 5_000, signal: noSignal }),
      ).rejects.toMatchObject({ code: 'IMAGE_TOO_LARGE', data: { maxBytes: 5_000 } });
    }
  });

  test('that never finishes is given up', async () => {
    const port = await serverOf((_request, response) => {
      response.write('x');
    });
    await expect(
      fetcherOf({ timeoutMs: 150 }).fetch(`http://127.0.0.1:${port}/`, { maxBytes: 10, signal: noSignal }),
    ).rejects.toMatchObject({ code: 'IMAGE_URL_FAILED', message: expect.stringMatching(/within 150 ms/) });
  });

  test('is left when the caller goes away', async () => {
    const left = Promise.withResolvers<void>();
    const controller = new AbortController();
    const port = await serverOf((request) => {
      request.on('close', () => left.resolve());
      controller.abort();
    });
    await expect(
      fetcherOf().fetch(`http://127.0.0.1:${port}/`, { maxBytes: 10, signal: controller.signal }),
    ).rejects.toMatchObject({ code: 'CANCELED' });
    await left.promise;
  });

  test('where nobody listens is a retryable failure', async () => {
    await expect(fetcherOf().fetch('http://127.0.0.1:1/', { maxBytes: 10, signal: noSignal })).rejects.toMatchObject({
      code: 'IMAGE_URL_FAILED',
      data: { retryable: true },
    });
  });
});

describe('an address that is not public', () => {
  test.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://2130706433/',
    'http://0x7f.0.0.1/',
    'http://017700000001/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:7f00:1]/',
    'http://169.254.169.254/latest/meta-data/',
    'http://0.0.0.0/',
  ])('%s is refused', async (url) => {
    const fetcher = fetcherOf({ allow: [], resolveHost: () => Promise.reject(new Error('must not be asked')) });
    await expect(fetcher.fetch(url, { maxBytes: 10, signal: noSignal })).rejects.toMatchObject({
      code: 'IMAGE_URL_REFUSED',
    });
  });

  test('is refused behind a name, also when only one of the name’s addresses is not public', async () => {
    for (const addresses of [['127.0.0.1'], ['8.8.8.8', '10.0.0.1'], ['2606:4700::1', '::1']]) {
      const resolveHost: ResolveHost = async () =>
        addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      await expect(
        fetcherOf({ allow: [], resolveHost }).fetch('http://rebind.example/', { maxBytes: 10, signal: noSignal }),
      ).rejects.toMatchObject({ code: 'IMAGE_URL_REFUSED' });
    }
  });

  test('is not reached by a name that changes its mind: what was checked is what is connected to', async () => {
    let asked = 0;
    const port = await serverOf((_request, response) => response.end('ok'));
    const fetcher = fetcherOf({
      allow: ['127.0.0.1/32'],
      resolveHost: async () => {
        asked++;
        return [{ address: asked === 1 ? '127.0.0.1' : '10.0.0.1', family: 4 }];
      },
    });
    await fetcher.fetch(`http://rebind.example:${port}/`, { maxBytes: 10, signal: noSignal });
    expect(asked).toBe(1);
  });
});

describe('a URL', () => {
  test.each([
    ['file:///etc/passwd', /only http and https/],
    ['ftp://example.org/a.jpg', /only http and https/],
    ['data:image/png;base64,AAAA', /only http and https/],
    ['/a.jpg', /no absolute URL/],
    ['https://user:secret@example.org/a.jpg', /credentials/],
  ])('%s is refused', async (url, why) => {
    const failure = fetcherOf().fetch(url, { maxBytes: 10, signal: noSignal });
    await expect(failure).rejects.toMatchObject({ code: 'IMAGE_URL_REFUSED', message: expect.stringMatching(why) });
  });

  test('whose name does not exist is a failure', async () => {
    const resolveHost = () => Promise.reject(new Error('ENOTFOUND'));
    await expect(
      fetcherOf({ resolveHost }).fetch('http://nowhere.example/', { maxBytes: 10, signal: noSignal }),
    ).rejects.toMatchObject({ code: 'IMAGE_URL_FAILED' });
  });
});
