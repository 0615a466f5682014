import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createS3ObjectStore, type S3ObjectStoreOptions } from '#core/storage/object-store.s3.ts';
import type { ObjectStore } from '#core/storage/object-store.ts';
import { objectStoreContract } from '../../contract/object-store.ts';
import { findSeaweedfs, startSeaweedfs, type TestS3 } from '../../seaweedfs.ts';
import { startTcpLine } from '../../tcp-line.ts';

const PART_BYTES = 5 * 1024 * 1024; // the least that S3 allows
const seaweedfs = await findSeaweedfs();
if (seaweedfs === undefined) console.warn('SeaweedFS is not installed: the S3 store is not tested (make setup-all)');

let s3: TestS3;
beforeAll(async () => {
  if (seaweedfs === undefined) return;
  s3 = await startSeaweedfs();
  await s3.createBucket('contract');
}, 90_000);
afterAll(async () => s3?.stop());

function storeOf(options: Partial<S3ObjectStoreOptions> = {}): ObjectStore {
  return createS3ObjectStore({
    url: `s3://contract/${randomUUID()}`,
    endpoint: s3.endpoint,
    credentials: s3.credentials,
    patienceMs: 1_000,
    partBytes: PART_BYTES,
    ...options,
  });
}

async function bytesOf(store: ObjectStore, key: string): Promise<Buffer> {
  const found = await store.get(key);
  if (found === undefined || found === 'unchanged') throw new Error(`${key} is not there`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of found.body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* inPieces(bytes: Uint8Array, size = 700_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe.skipIf(seaweedfs === undefined)('a store in S3', () => {
  objectStoreContract(async () => storeOf());

  test.each([PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, 4 * PART_BYTES + 12_345])(
    'gives back %i bytes that were streamed',
    async (size) => {
      const store = storeOf();
      const content = randomBytes(size);
      const { etag } = await store.put('large', inPieces(content));
      expect((await bytesOf(store, 'large')).equals(content)).toBe(true);
      expect(await store.get('large', { ifNoneMatch: etag })).toBe('unchanged');
    },
  );

  test('lets the first of many large writes win that go on at the same time', async () => {
    const store = storeOf();
    const [first, ...others] = [0, 1, 2].map(() => randomBytes(PART_BYTES + 1));
    if (first === undefined) throw new Error('three were made');
    const won = Promise.withResolvers<void>();
    const begun = others.map(() => Promise.withResolvers<void>());
    // those that lose have begun before the winner ends, and end after it: how a server tells ends in one instant apart is its own affair
    const losing = others.map((content, i) => {
      async function* slowly() {
        yield content.subarray(0, PART_BYTES + 1);
        begun[i]?.resolve();
        await won.promise;
      }
      return store.put('large', slowly(), { ifNoneMatch: '*' });
    });
    const outcomes = Promise.allSettled(losing);
    await Promise.all(begun.map(({ promise }) => promise));
    await store.put('large', inPieces(first), { ifNoneMatch: '*' });
    won.resolve();
    for (const outcome of await outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STORE_CONFLICT' } });
    }
    expect((await bytesOf(store, 'large')).equals(first)).toBe(true);
  });

  test('leaves nothing of a large write whose source fails, and none in progress', async () => {
    const store = storeOf();
    async function* source() {
      yield randomBytes(2 * PART_BYTES);
      throw new Error('the line went dead');
    }
    await expect(store.put('versions/large', source())).rejects.toMatchObject({ code: 'STORE_FAILED' });
    expect(await store.get('versions/large')).toBeUndefined();
    await store.deleteFolder('versions');
  });

  test('notices bytes that are not those that were written', async () => {
    const { endpoint, credentials } = s3;
    const client = new S3Client({ endpoint, credentials, region: 'us-east-1', forcePathStyle: true });
    const Metadata = { 'geo2-sha256': createHash('sha256').update('right').digest('hex') };
    const prefix = randomUUID();
    await client.send(new PutObjectCommand({ Bucket: 'contract', Key: `${prefix}/a`, Body: 'wrong', Metadata }));
    client.destroy();
    await expect(bytesOf(storeOf({ url: `s3://contract/${prefix}` }), 'a')).rejects.toMatchObject({
      code: 'FILE_CORRUPT',
      data: { file: 'a' },
    });
  });

  test('stores with other prefixes of a bucket do not see each other', async () => {
    const [one, two] = [storeOf({ url: 's3://contract/one' }), storeOf({ url: 's3://contract/one-more/deep/' })];
    await one.put('a', Buffer.from('1'));
    await two.put('a', Buffer.from('2'));
    expect((await bytesOf(one, 'a')).toString()).toBe('1');
    expect(two.url).toBe('s3://contract/one-more/deep');
    const keys: string[] = [];
    for await (const { key } of one.list('')) keys.push(key);
    expect(keys).toEqual(['a']);
  });
});

describe.skipIf(seaweedfs === undefined)('what a person is told', () => {
  const failureOf = async (store: ObjectStore): Promise<string> => {
    const error: unknown = await store.put('a', Buffer.from('1')).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: 'STORE_FAILED' });
    return error instanceof Error ? error.message : '';
  };

  test('of a bucket that is not there', async () => {
    const store = storeOf({ url: 's3://no-such-bucket/geo2' });
    expect(await failureOf(store)).toMatch(/There is no bucket no-such-bucket at http.*GEO2_STORE/);
    await expect(store.get('a')).rejects.toThrow('There is no bucket');
  });

  test('of a key that nobody has', async () => {
    const credentials = { accessKeyId: 'nobody', secretAccessKey: 'nothing' };
    expect(await failureOf(storeOf({ credentials }))).toMatch(/does not know the access key.*AWS_ACCESS_KEY_ID/);
  });

  test('of another key’s secret', async () => {
    const credentials = { ...s3.credentials, secretAccessKey: 'wrong' };
    expect(await failureOf(storeOf({ credentials }))).toMatch(/secret is not.*AWS_SECRET_ACCESS_KEY/);
  });

  test('of credentials that may only read', async () => {
    expect(await failureOf(storeOf({ credentials: s3.reader }))).toMatch(/s3:PutObject/);
  });

  test('of an address where nothing answers', async () => {
    expect(await failureOf(storeOf({ endpoint: 'http://127.0.0.1:1', patienceMs: 100 }))).toMatch(
      /http:\/\/127\.0\.0\.1:1 cannot be reached \(ECONNREFUSED\).*GEO2_S3_ENDPOINT/,
    );
  });

  test('of something that is no S3 server', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<html>nothing here</html>');
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    expect(await failureOf(storeOf({ endpoint: `http://127.0.0.1:${port}` }))).toMatch(/HTTP 404.*GEO2_S3_ENDPOINT/);
  });
});

/** What SeaweedFS cannot be brought to say: a server that answers every request with an error, in the form that S3 documents. */
describe('what a person is told by a server that refuses', () => {
  async function refusing(status: number, code: string): Promise<{ store: ObjectStore; asked: () => number }> {
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      request.resume();
      const body =
        '<?xml version="1.0" encoding="UTF-8"?>\n' +
        `<Error><Code>${code}</Code><Message>a sentence of the server</Message><RequestId>1</RequestId></Error>`;
      response.writeHead(status, { 'content-type': 'application/xml', date: new Date().toUTCString() }).end(body);
    }).listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : undefined;
    const store = createS3ObjectStore({
      url: 's3://imagery/geo2',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      region: 'eu-north-1',
      patienceMs: 500,
    });
    return { store, asked: () => asked };
  }

  test.each([
    [403, 'RequestTimeTooSkewed', /The clocks of this machine and of http:.* differ .*set this clock \(NTP\)/, 2],
    [403, 'InvalidAccessKeyId', /does not know the access key: check AWS_ACCESS_KEY_ID/, 1],
    [403, 'SignatureDoesNotMatch', /The secret is not the one of the access key .*AWS_SECRET_ACCESS_KEY/, 1],
    [400, 'ExpiredToken', /The session token has run out .*: get new credentials/, 1],
    [403, 'AccessDenied', /does not let these credentials do that with a in imagery: .*s3:PutObject/, 1],
    [301, 'PermanentRedirect', /The bucket imagery is not in eu-north-1: set GEO2_S3_REGION/, 1],
    [400, 'AuthorizationHeaderMalformed', /The bucket imagery is not in eu-north-1: set GEO2_S3_REGION/, 1],
    [404, 'NoSuchBucket', /There is no bucket imagery at http:.*: create it, or correct GEO2_STORE/, 1],
    [
      400,
      'InvalidRequest',
      /refuses a in imagery \(HTTP 400, InvalidRequest: a sentence of the server\); check GEO2_STORE/,
      1,
    ],
  ])('%i %s', async (status, code, message, requests) => {
    const { store, asked } = await refusing(status, code);
    const refusal = { code: 'STORE_FAILED', message: expect.stringMatching(message), data: { bucket: 'imagery' } };
    await expect(store.put('a', Buffer.from('1'))).rejects.toMatchObject(refusal);
    expect(asked()).toBe(requests);
  });

  test.each([
    [503, 'SlowDown'],
    [500, 'InternalError'],
  ])('%i %s, which is tried again first', async (status, code) => {
    const { store, asked } = await refusing(status, code);
    await expect(store.put('a', Buffer.from('1'))).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/cannot serve a in imagery now \(HTTP 50\d, .*try again, or look at the server/),
    });
    expect(asked()).toBeGreaterThan(1);
  });

  test('without credentials', async () => {
    const none = { AWS_EC2_METADATA_DISABLED: 'true', AWS_CONFIG_FILE: '/none', AWS_SHARED_CREDENTIALS_FILE: '/none' };
    for (const [name, value] of Object.entries(none)) vi.stubEnv(name, value);
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
    onTestFinished(() => void vi.unstubAllEnvs());
    const store = createS3ObjectStore({ url: 's3://imagery/geo2', endpoint: 'http://127.0.0.1:1', patienceMs: 500 });
    await expect(store.get('a')).rejects.toMatchObject({
      code: 'STORE_FAILED',
      message: expect.stringMatching(/There are no credentials for http:.*: set AWS_ACCESS_KEY_ID/),
    });
  });
});

describe.skipIf(seaweedfs === undefined)('a line that breaks', () => {
  const startLine = () => startTcpLine(s3.endpoint);

  test('is read on where it broke', async () => {
    const url = `s3://contract/${randomUUID()}`;
    const content = randomBytes(4_000_000);
    await storeOf({ url }).put('a', content);
    const line = await startLine();
    const store = storeOf({ url, endpoint: line.endpoint, patienceMs: 10_000 });
    line.cutAfter(1_500_000);
    expect((await bytesOf(store, 'a')).equals(content)).toBe(true);
  });

  test('is read on never in another version', async () => {
    const url = `s3://contract/${randomUUID()}`;
    const direct = storeOf({ url });
    await direct.put('a', randomBytes(4_000_000));
    const line = await startLine();
    const store = storeOf({ url, endpoint: line.endpoint, patienceMs: 10_000 });
    line.cutAfter(1_000_000);
    const found = await store.get('a');
    if (found === undefined || found === 'unchanged') throw new Error('it is there');
    await direct.put('a', randomBytes(4_000_000));
    const reading = (async () => {
      for await (const _ of found.body);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'STORE_FAILED', message: expect.stringMatching('replaced') });
  });

  test('is waited for in the middle of a large write', async () => {
    const line = await startLine();
    const url = `s3://contract/${randomUUID()}`;
    const store = storeOf({ url, endpoint: line.endpoint, patienceMs: 30_000 });
    const content = randomBytes(3 * PART_BYTES);
    async function* source() {
      yield content.subarray(0, 2 * PART_BYTES);
      line.down();
      setTimeout(line.up, 1_500);
      yield content.subarray(2 * PART_BYTES);
    }
    await store.put('a', source());
    expect((await bytesOf(storeOf({ url }), 'a')).equals(content)).toBe(true);
  });

  test('that lost the answer of a conditional write does not turn the winner into a loser', async () => {
    const line = await startLine();
    const store = storeOf({ endpoint: line.endpoint, patienceMs: 10_000 });
    const { etag } = await store.put('pointer', Buffer.from('1'));
    line.cutAfter(1);
    await store.put('pointer', Buffer.from('2'), { ifMatch: etag });
    expect((await bytesOf(store, 'pointer')).toString()).toBe('2');
  });

  test('gives up with a reason when it stays away', async () => {
    const line = await startLine();
    const store = storeOf({ endpoint: line.endpoint, patienceMs: 500 });
    await store.put('a', Buffer.from('1'));
    line.down();
    await expect(store.get('a')).rejects.toThrow('cannot be reached');
  });
});

describe.skipIf(seaweedfs === undefined)('the clock', () => {
  test('may be an hour off: the server’s own is taken', async () => {
    const store = storeOf({ clockOffsetMs: -3_600_000 });
    await store.put('a', Buffer.from('1'));
    expect((await bytesOf(store, 'a')).toString()).toBe('1');
  });
});

test.each(['s3://', 's3://a/b', 's3://Bucket/x', 's3://bucket/../x', 'file:///srv', 'bucket'])(
  'the URL %j is refused',
  (url) => {
    expect(() => createS3ObjectStore({ url })).toThrow();
  },
);
