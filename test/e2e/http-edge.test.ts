import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { problemOf } from '../app-under-test.ts';
import { answerOn, connectTo, problemOn, rawRequest } from '../raw-http.ts';
import {
  answerOf,
  colourImage,
  GREEN,
  metricOf,
  postImage,
  prepareFiles,
  type Service,
  startService,
} from './service.ts';

/** What no library sends: every connection here is written byte by byte. */
const UPLOAD_MS = 5_000;
const TEN_GB = 10_737_418_240;

let service: Service;
let root: string;
beforeAll(async () => {
  const files = await prepareFiles();
  root = files.root;
  service = await startService({ requestTimeoutMs: UPLOAD_MS }, { files });
});
afterAll(() => service.stop());

const raw = (text: string) => rawRequest(service.url, text);

function post(path: string, headers: readonly string[], body = ''): string {
  return [`POST ${path} HTTP/1.1`, 'Host: geo2', 'Connection: close', ...headers, '', body].join('\r\n');
}

describe('what is no HTTP request is a problem, told before anything is done', () => {
  const get = (...headers: string[]) => ['GET /v1/regions HTTP/1.1', ...headers, '', ''].join('\r\n');

  test.each<[string, string, number, string]>([
    ['words', 'hello there\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['no Host', get(), 400, 'MALFORMED_REQUEST'],
    ['two Hosts', get('Host: a', 'Host: b'), 400, 'MALFORMED_REQUEST'],
    ['a Host that is none', get('Host: a b/c?'), 400, 'MALFORMED_REQUEST'],
    ['a header of 20 KB', get('Host: a', `X-A: ${'a'.repeat(20_000)}`), 431, 'HEADERS_TOO_LARGE'],
    ['5,000 headers', get('Host: a', ...Array.from({ length: 5_000 }, (_, i) => `x${i}: 1`)), 431, 'HEADERS_TOO_LARGE'],
    ['an address of 20 KB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['bytes beyond ASCII in the address', 'GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['a line break in a header', get('Host: a', 'X-Request-Id: a\rSet-Cookie: b=c'), 400, 'MALFORMED_REQUEST'],
    ['a folded header', get('Host: a', 'X-A: a', ' Set-Cookie: b=c'), 400, 'MALFORMED_REQUEST'],
    ['a header without a name', get('Host: a', ': b'), 400, 'MALFORMED_REQUEST'],
    ['a negative length', post('/v1/geolocate', ['Content-Length: -1']), 400, 'MALFORMED_REQUEST'],
    ['a length beyond numbers', post('/v1/geolocate', [`Content-Length: ${'9'.repeat(30)}`]), 400, 'MALFORMED_REQUEST'],
    ['two lengths', post('/v1/geolocate', ['Content-Length: 1', 'Content-Length: 2']), 400, 'MALFORMED_REQUEST'],
    [
      'a length beside chunks',
      post('/v1/geolocate', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n'),
      400,
      'MALFORMED_REQUEST',
    ],
    [
      'a transfer encoding that is not read',
      post('/v1/geolocate', ['Transfer-Encoding: gzip, chunked'], '0\r\n\r\n'),
      400,
      'MALFORMED_REQUEST',
    ],
    [
      'chunks that are none',
      post('/v1/geolocate', ['Content-Type: image/png', 'Transfer-Encoding: chunked'], 'zz\r\n'),
      400,
      'MALFORMED_REQUEST',
    ],
    ['OPTIONS of everything', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['an address of another kind', 'GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'MALFORMED_REQUEST'],
    ['CONNECT', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n', 405, 'METHOD_NOT_ALLOWED'],
    ['an expectation', post('/v1/geolocate', ['Expect: magic', 'Content-Length: 0']), 417, 'EXPECTATION_FAILED'],
  ])('%s', async (_name, text, status, code) => {
    const before = service.log.length;
    const answer = await raw(text);
    expect(problemOn(answer)).toMatchObject({ status, code, retryable: false });
    expect(answer.headers).toMatchObject({ connection: 'close', 'x-request-id': problemOn(answer).requestId });
    expect(answer.headers['set-cookie']).toBeUndefined();
    const told = service.log.slice(before).filter((line) => line.code === code);
    expect(told).toMatchObject([{ level: 'info', requestId: problemOn(answer).requestId }]);
  });

  test('and it is counted', async () => {
    const line = (status: number) =>
      `http_server_request_duration_seconds_count{http_request_method="_OTHER",http_route="unmatched",http_response_status_code="${status}"}`;
    const before = await metricOf(service, line(400));
    await raw('hello there\r\n\r\n');
    expect(await metricOf(service, line(400))).toBe(before + 1);
  });
});

describe('what is unusual and allowed is answered', () => {
  test('HTTP/1.0 without a Host, as some load balancers probe', async () => {
    expect(await raw('GET /v2/health/live HTTP/1.0\r\n\r\n')).toMatchObject({ status: 200, body: '{"live":true}' });
  });

  test('a request to upgrade is answered as if it had not asked', async () => {
    const text = 'HEAD /v1/regions HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n';
    expect((await raw(text)).status).toBe(200);
  });

  test('a HEAD, an OPTIONS and a TRACE of a verb', async () => {
    const ask = (method: string) => raw(`${method} /v1/geolocate HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(await ask('HEAD')).toMatchObject({ status: 405, body: '' });
    expect((await ask('OPTIONS')).status).toBe(204);
    expect(problemOn(await ask('TRACE'))).toMatchObject({ status: 405, code: 'METHOD_NOT_ALLOWED' });
  });

  test.each(['bytes=99999999-', 'bytes=5-2', 'potatoes=a-b,c', 'bytes=-', `bytes=${'0-1,'.repeat(1000)}`])(
    'the range %j of a file, with a part, all, or none of it',
    async (range) => {
      const answer = await raw(`GET /page.js HTTP/1.1\r\nHost: a\r\nConnection: close\r\nRange: ${range}\r\n\r\n`);
      expect([200, 206, 416]).toContain(answer.status);
    },
  );

  test.each(['/v1/regions/%ff%fe', '/v1/regions/%zz?a=%ff&b=%zz', '/v1/regions/%00', '/demo/samples/%00.jpg'])(
    'the address %s leads nowhere',
    async (path) => {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      expect(problemOn(answer)).toMatchObject({ status: 404, code: 'NOT_FOUND' });
    },
  );

  test('headers that are no text are not repeated', async () => {
    const odd = ['X-Request-Id: \xff\xfe', 'Traceparent: \xff', 'Accept: \xc3('];
    const text = ['GET /v1/nowhere HTTP/1.1', 'Host: a', 'Connection: close', ...odd, '', ''].join('\r\n');
    const answer = await raw(text);
    expect(problemOn(answer).status).toBe(404);
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers.traceparent).toBeUndefined();
  });
});

describe('a body of 10 GB that was only promised', () => {
  test.each<[string, string, string, number, string]>([
    ['to a verb, as an image', 'POST /v1/geolocate', 'image/png', 413, 'BODY_TOO_LARGE'],
    ['to a verb, as JSON', 'POST /v1/embed', 'application/json', 413, 'BODY_TOO_LARGE'],
    ['to a verb, as a form', 'POST /v1/geolocate', 'multipart/form-data; boundary=x', 413, 'BODY_TOO_LARGE'],
    ['to a verb, as something else', 'POST /v1/geolocate', 'text/plain', 415, 'UNSUPPORTED_MEDIA_TYPE'],
    ['to nowhere', 'POST /v1/nowhere', 'image/png', 404, 'NOT_FOUND'],
    ['with a method that is not for it', 'DELETE /v1/geolocate', 'image/png', 405, 'METHOD_NOT_ALLOWED'],
  ])('%s is refused without waiting for it', async (_name, line, type, status, code) => {
    const text = `${line} HTTP/1.1\r\nHost: a\r\nContent-Type: ${type}\r\nContent-Length: ${TEN_GB}\r\n\r\n`;
    const answer = await raw(text); // which returns when the service has ended the connection
    expect(problemOn(answer)).toMatchObject({ status, code });
  });

  test('with a GET is answered, and not read', async () => {
    const answer = await raw(`GET /v1/regions HTTP/1.1\r\nHost: a\r\nContent-Length: ${TEN_GB}\r\n\r\n`);
    expect(answer.status).toBe(200);
    expect(answer.headers.connection).toBe('close');
  });
});

describe('a slow client', () => {
  test('that sends its image byte by byte is told so in time, while others are served at once', async () => {
    const socket = connectTo(service.url);
    const head = 'POST /v1/geolocate HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 100000\r\n\r\n';
    socket.write(head);
    const trickle = setInterval(() => socket.write('x'), 50);
    onTestFinished(() => clearInterval(trickle));
    const slow = answerOn(socket);
    await answerOf(await postImage(service, await colourImage(GREEN)));
    const answer = await slow;
    clearInterval(trickle);
    expect(problemOn(answer)).toMatchObject({ status: 408, code: 'UPLOAD_TOO_SLOW', retryable: true });
    expect(answer.headers.connection).toBe('close');
  });

  test('that hangs up in the middle leaves nothing behind', async () => {
    const sockets = Array.from({ length: 20 }, () => {
      const socket = connectTo(service.url);
      socket.write('POST /v1/embed HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 90000\r\n\r\nabc');
      return socket;
    });
    await Promise.all(sockets.map((socket: Socket) => once(socket, 'connect')));
    for (const socket of sockets) socket.destroy();
    await answerOf(await postImage(service, await colourImage(GREEN)));
  });
});

describe('JSON that means harm', () => {
  const nested = (depth: number, [open, close]: readonly [string, string]) => open.repeat(depth) + close.repeat(depth);
  const json = (body: string | Uint8Array<ArrayBuffer>) =>
    fetch(`${service.url}/v1/geolocate`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });

  test.each<[string, string]>([
    ['lists', nested(10_000, ['[', ']'])],
    ['objects', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`],
    ['lists where an option is', `{"image":{"base64":"AAAA"},"prior":${nested(10_000, ['[', ']'])}}`],
    ['objects where the options are', `{"options":${'{"options":'.repeat(10_000)}1${'}'.repeat(10_000)}}`],
    ['a million lists that do not end', '['.repeat(1_000_000)],
  ])('nested 10,000 deep: %s', async (_name, body) => {
    const { status, code } = await problemOf(await json(body));
    expect([400, 422]).toContain(status);
    expect(['MALFORMED_BODY', 'INVALID_REQUEST']).toContain(code);
  });

  test('nested in the options of a form', async () => {
    const form = new FormData();
    form.append('image', new Blob([await colourImage(GREEN)]), 'a.png');
    form.append('options', nested(10_000, ['[', ']']));
    const response = await fetch(`${service.url}/v1/geolocate`, { method: 'POST', body: form });
    expect(await problemOf(response)).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
  });

  test.each([
    ['a byte that UTF-8 does not have', [0x22, 0xff, 0x22]],
    ['a character cut off', [0x22, 0xe2, 0x82, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
  ])('in invalid UTF-8: %s', async (_name, bytes) => {
    expect(await problemOf(await json(new Uint8Array(bytes)))).toMatchObject({ status: 400, code: 'MALFORMED_BODY' });
  });

  test('with members that JavaScript would inherit', async () => {
    const bodies = [
      '{"__proto__":{"topK":1},"image":{"base64":"AAAA"}}',
      '{"constructor":1,"image":{"base64":"AAAA"}}',
    ];
    for (const body of bodies) expect((await problemOf(await json(body))).status).toBe(422);
    expect(await problemOf(await json('{"image":{"base64":"AAAA"}}'))).toMatchObject({ code: 'IMAGE_UNSUPPORTED' });
  });
});

describe('a form with a part too many', () => {
  test.each<[string, readonly string[], string]>([
    ['two images', ['image', 'image'], '#/image'],
    ['options twice', ['image', 'options', 'options'], '#/options'],
    ['an image twice and something else', ['image', 'image', 'other'], '#/other'],
  ])('%s', async (_name, names, pointer) => {
    const form = new FormData();
    for (const name of names) {
      if (name === 'image') form.append(name, new Blob([await colourImage(GREEN)]), 'a.png');
      else form.append(name, '{}');
    }
    const response = await fetch(`${service.url}/v1/geolocate`, { method: 'POST', body: form });
    const problem = await problemOf(response);
    expect(problem).toMatchObject({ status: 422, code: 'INVALID_REQUEST' });
    expect(problem.pointers).toEqual([pointer]);
  });
});

test.each(['gzip', 'br', 'deflate', 'zstd', 'gzip, identity', 'x'.repeat(1000)])(
  'a body with the content encoding %s is not read',
  async (encoding) => {
    const response = await postImage(service, await colourImage(GREEN), '', { 'content-encoding': encoding });
    expect(await problemOf(response)).toMatchObject({ status: 415, code: 'UNSUPPORTED_MEDIA_TYPE' });
  },
);

test('after all of it the service is well, and has stored nothing and failed at nothing', async () => {
  await answerOf(await postImage(service, await colourImage(GREEN)));
  expect((await readdir(root)).sort()).toEqual(['data', 'models', 'store']); // data holds the lock of what was never opened
  expect(service.log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});
