import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort } from './free-port.ts';

const execute = promisify(execFile);
const BINARIES_DIR = '/usr/lib/postgresql';

/** A PostgreSQL server of one's own, on a free port of the loopback. */
export interface TestPostgres {
  /** Of the database `geo2`, empty at first. */
  readonly url: string;
  /** Makes an empty database beside it. */
  createDatabase(name: string): Promise<string>;
  /** SIGKILLs the server as a crash would; `start` brings it up again on the same port with the same data. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Ends it and removes its files. */
  stop(): Promise<void>;
}

/** A throw-away cluster: initdb, start on a free port, no durability beyond a crash of its processes. */
export async function startPostgres(): Promise<TestPostgres> {
  const bin = await binaries();
  const root = await mkdtemp(join(tmpdir(), 'geo2-postgres-'));
  const data = join(root, 'data');
  const as = await owner(root);
  const port = await freePort();
  await execute(...as(join(bin, 'initdb'), ['-D', data, '-U', 'geo2', '-A', 'trust', '-E', 'UTF8', '--no-sync']));
  const urlOf = (name: string): string => `postgres://geo2@127.0.0.1:${port}/${name}`;
  let server: ReturnType<typeof spawn> | undefined;

  async function start(): Promise<void> {
    const settings = { listen_addresses: '127.0.0.1', port, unix_socket_directories: root, max_connections: 200 };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const [program, args] = as(join(bin, 'postgres'), ['-D', data, ...flags]);
    let log = '';
    const until = performance.now() + 60_000;
    while (!(await answers(urlOf('postgres')))) {
      if (performance.now() > until) throw new Error(`PostgreSQL does not start:\n${log}`);
      // after a crash it refuses to start as long as one of its old processes lives
      if (server === undefined || server.exitCode !== null) {
        server = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
        server.stderr?.on('data', (chunk) => {
          log = `${log}${chunk}`.slice(-4_000);
        });
      }
      await new Promise((wake) => setTimeout(wake, 50));
    }
  }

  async function createDatabase(name: string): Promise<string> {
    await administer(urlOf('postgres'), `create database ${pg.escapeIdentifier(name)}`);
    return urlOf(name);
  }

  /** The server's own process: behind `runuser` it is a child of ours. */
  async function postmasterPid(): Promise<number> {
    const { stdout } = await execute('head', ['-n', '1', join(data, 'postmaster.pid')]);
    return Number(stdout.trim());
  }

  async function end(signal: 'SIGINT' | 'SIGKILL'): Promise<void> {
    const ending = server;
    server = undefined;
    if (ending === undefined || ending.exitCode !== null) return;
    const ended = once(ending, 'exit');
    process.kill(await postmasterPid(), signal);
    await ended;
  }

  try {
    await start();
    const url = await createDatabase('geo2');
    return {
      url,
      createDatabase,
      start,
      kill: () => end('SIGKILL'),
      async stop() {
        await end('SIGINT');
        await rm(root, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await end('SIGKILL').catch(() => {});
    await rm(root, { recursive: true, force: true });
    throw error;
  }
}

async function binaries(): Promise<string> {
  const versions = (await readdir(BINARIES_DIR).catch(() => [])).map(Number).filter((version) => version >= 13);
  if (versions.length > 0) return join(BINARIES_DIR, String(Math.max(...versions)), 'bin');
  throw new Error(`there is no PostgreSQL in ${BINARIES_DIR}: run \`make setup-all\``);
}

/** PostgreSQL refuses to run as root: there it runs as Debian's user of that name, which then owns the folder. */
async function owner(root: string): Promise<(program: string, args: string[]) => [string, string[]]> {
  if (userInfo().uid !== 0) return (program, args) => [program, args];
  await execute('chown', ['postgres', root]);
  await chmod(root, 0o755);
  return (program, args) => ['runuser', ['-u', 'postgres', '--', program, ...args]];
}

async function answers(url: string): Promise<boolean> {
  return administer(url, 'select 1').then(
    () => true,
    () => false,
  );
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(statement);
  } finally {
    await client.end().catch(() => {});
  }
}
