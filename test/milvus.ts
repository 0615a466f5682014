import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { MilvusClient } from '@zilliz/milvus2-sdk-node';
import { PROGRAM_DIR } from '../src/config.ts';
import { freePort } from './free-port.ts';

/** The real server, embedded: PyPI's `milvus`. */
export interface MilvusServer {
  /** `host:port` */
  readonly address: string;
  /** PEM of what a server that speaks TLS is known by. */
  readonly certificate: string | undefined;
  stop(): Promise<void>;
}

const PROGRAM = join(PROGRAM_DIR, '.venv/bin/milvus-server');
const START_MS = 60_000;
/** The server of this package now and then loses the leader of its embedded etcd as it starts, and then never answers. */
const ATTEMPTS = 3;
const STOP_MS = 20_000;

/** Whether there is one to start; `scripts/setup.sh` installs it. */
export function hasMilvus(): boolean {
  if (existsSync(PROGRAM)) return true;
  process.stderr.write('Milvus is not tested: there is no .venv/bin/milvus-server (scripts/setup.sh installs it)\n');
  return false;
}

/** Whom a server that asks for credentials knows from the beginning. */
export const MILVUS_ROOT = 'root:Milvus';

/**
 * Starts a server with data of its own on a free port, and waits until it answers; no two at a time, for some of its ports are
 * fixed. A guarded one speaks TLS and asks for credentials.
 */
export async function startMilvus({ guarded = false } = {}): Promise<MilvusServer> {
  const leave = await takeTurn();
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const server = await tryMilvus({ guarded, leave });
    if (server !== undefined) return server;
  }
  leave();
  throw new Error(`Milvus did not answer, ${ATTEMPTS} times in ${START_MS / 1000} s each`);
}

async function tryMilvus({
  guarded,
  leave,
}: {
  guarded: boolean;
  leave: () => void;
}): Promise<MilvusServer | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'geo2-milvus-'));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const certificate = guarded ? await makeCertificate(dir) : undefined;
  const child = spawn(PROGRAM, ['--data', dir, '--proxy-port', String(port), ...(guarded ? guardedBy(dir) : [])], {
    env: { ...process.env, METRICS_PORT: String(metricsPort) },
    stdio: 'ignore',
    detached: true,
  });
  const address = `127.0.0.1:${port}`;
  const end = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      endGroup(child, 'SIGTERM');
      const timer = setTimeout(() => endGroup(child, 'SIGKILL'), STOP_MS);
      await once(child, 'exit');
      clearTimeout(timer);
    }
    endGroup(child, 'SIGKILL');
    await rm(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  const stop = async (): Promise<void> => {
    await end();
    leave();
  };
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    if (await answers(address, certificate)) return { address, certificate, stop };
  }
  await end();
  return undefined;
}

/** Among all processes of this machine: whoever holds the name has the turn, and loses it when it ends. */
async function takeTurn(): Promise<() => void> {
  for (;;) {
    const server = createServer();
    const isMine = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen('\0geo2-test-milvus', () => resolve(true));
    });
    if (isMine) return () => void server.close();
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function answers(address: string, certificate: string | undefined): Promise<boolean> {
  const guard =
    certificate === undefined ? {} : { ssl: true, tls: { rootCert: Buffer.from(certificate) }, token: MILVUS_ROOT };
  const client = new MilvusClient({ address, timeout: 2_000, maxRetries: 0, logLevel: 'none', ...guard });
  try {
    await client.connectPromise;
    return (await client.checkHealth()).isHealthy;
  } catch {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return false;
  } finally {
    await client.closeConnection();
  }
}

const guardedBy = (dir: string): string[] => [
  ...['--authorization-enabled', 'true', '--tls-mode', '1'],
  ...['--server-pem-path', join(dir, 'server.pem'), '--server-key-path', join(dir, 'server.key')],
];

async function makeCertificate(dir: string): Promise<string> {
  const [key, pem] = [join(dir, 'server.key'), join(dir, 'server.pem')];
  const subject = ['-subj', '/CN=milvus', '-addext', 'subjectAltName=IP:127.0.0.1'];
  const files = ['-keyout', key, '-out', pem, '-days', '2'];
  await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject]);
  return readFile(pem, 'utf8');
}

function endGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // it has ended
  }
}
