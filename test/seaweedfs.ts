import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const execute = promisify(execFile);
const READY = 'geo2-ready';
const ROOT = join(import.meta.dirname, '..');

/** An S3 server of one's own, on a free port of the loopback. */
export interface TestS3 {
  /** `http://127.0.0.1:…` */
  readonly endpoint: string;
  /** Of one who may do everything. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** Of one who may read, and nothing else. */
  readonly reader: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** What a process takes its credentials and the server's place from. */
  readonly env: Readonly<Record<string, string>>;
  createBucket(name: string): Promise<void>;
  /** SIGKILLs the server; `start` brings it up again on the same port with the same objects. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** Where SeaweedFS is, from `test/requirements.txt` or the path; undefined where it is not installed. */
export async function findSeaweedfs(): Promise<string | undefined> {
  const folders = [join(ROOT, '.venv/bin'), ...(process.env.PATH ?? '').split(delimiter)];
  for (const folder of folders) {
    const found = await access(join(folder, 'weed')).then(
      () => true,
      () => false,
    );
    if (found) return join(folder, 'weed');
  }
  return undefined;
}

/** Starts SeaweedFS as an S3 server. Throws where it is not installed: ask `findSeaweedfs` first. */
export async function startSeaweedfs(): Promise<TestS3> {
  const weed = await findSeaweedfs();
  if (weed === undefined) throw new Error('there is no SeaweedFS: run `make setup-all`');
  const root = await mkdtemp(join(tmpdir(), 'geo2-seaweedfs-'));
  const credentials = { accessKeyId: 'geo2test', secretAccessKey: 'a-secret-of-the-tests' };
  const reader = { accessKeyId: 'geo2reader', secretAccessKey: 'another-secret-of-the-tests' };
  await writeFile(
    join(root, 's3.json'),
    JSON.stringify({
      identities: [
        identity('all', credentials, ['Admin', 'Read', 'Write', 'List', 'Tagging']),
        identity('reader', reader, ['Read', 'List']),
      ],
    }),
  );
  // each server's gRPC port is its own, too: left out, it is the port plus 10000, which may be taken or not exist
  const names = ['s3', 'master', 'volume', 'filer'];
  const ports = await freePorts(2 * names.length);
  const portOf = (i: number): string => String(ports[i]);
  const flags = names.flatMap((name, i) => [
    `-${name}.port=${portOf(i)}`,
    `-${name}.port.grpc=${portOf(names.length + i)}`,
  ]);
  const endpoint = `http://127.0.0.1:${portOf(0)}`;
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials, maxAttempts: 1 });
  let server: ReturnType<typeof spawn> | undefined;
  let wasReady = false;

  async function start(): Promise<void> {
    let log = '';
    const started = spawn(
      weed ?? '',
      [
        'server',
        '-s3',
        `-dir=${root}`,
        '-ip=127.0.0.1',
        '-ip.bind=127.0.0.1',
        '-s3.port.iceberg=0',
        '-s3.autoCreateBucket=false',
        `-s3.config=${join(root, 's3.json')}`,
        '-master.volumeSizeLimitMB=64',
        '-volume.max=100',
        ...flags,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    server = started;
    started.stderr?.on('data', (chunk) => {
      log = `${log}${chunk}`.slice(-4_000);
    });
    const until = performance.now() + 60_000;
    while (!(await answers())) {
      if (started.exitCode !== null || performance.now() > until) throw new Error(`SeaweedFS does not start:\n${log}`);
      await new Promise((wake) => setTimeout(wake, 100));
    }
  }

  /** Whether objects can be read, also those of before a crash: the S3 door opens before there is a disk behind it. */
  async function answers(): Promise<boolean> {
    const url = `${endpoint}/`;
    const found = await fetch(url).then(
      ({ status }) => status < 500,
      () => false,
    );
    if (!found) return false;
    const place = { Bucket: READY, Key: 'a' };
    try {
      if (!wasReady) {
        await createBucket(READY);
        await client.send(new PutObjectCommand({ ...place, Body: 'ready' }));
      }
      const { Body } = await client.send(new GetObjectCommand(place));
      wasReady = (await Body?.transformToString()) === 'ready';
      return wasReady;
    } catch {
      return false;
    }
  }

  async function createBucket(name: string): Promise<void> {
    await client.send(new CreateBucketCommand({ Bucket: name })).catch((error: unknown) => {
      // a start that was not ready yet may have made it
      if (!(error instanceof Error) || !error.name.startsWith('BucketAlready')) throw error;
    });
  }

  async function end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const ending = server;
    server = undefined;
    if (ending === undefined || ending.exitCode !== null) return;
    const ended = once(ending, 'exit');
    ending.kill(signal);
    await ended;
  }

  async function stop(): Promise<void> {
    await end('SIGKILL');
    client.destroy();
    await rm(root, { recursive: true, force: true, maxRetries: 3 });
  }

  try {
    await execute(weed, ['version']);
    await start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint,
    credentials,
    reader,
    env: {
      GEO2_S3_ENDPOINT: endpoint,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    },
    createBucket,
    start,
    kill: () => end('SIGKILL'),
    stop,
  };
}

function identity(name: string, keys: { accessKeyId: string; secretAccessKey: string }, actions: string[]) {
  return { name, credentials: [{ accessKey: keys.accessKeyId, secretKey: keys.secretAccessKey }], actions };
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  const ports: number[] = [];
  for (const server of servers) {
    if (!server.listening) await once(server, 'listening');
    const address = server.address();
    if (address !== null && typeof address !== 'string') ports.push(address.port);
  }
  for (const server of servers) {
    server.close();
    await once(server, 'close');
  }
  if (ports.length < count) throw new Error('there are not enough free ports');
  return ports;
}
