import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PROGRAM_DIR } from '../../src/config.ts';

const run = promisify(execFile);

/** The client as users install it: packed by npm, unpacked into a folder of packages beside those that it asks for. */
export interface InstalledClient {
  readonly nodeModules: string;
  remove(): Promise<void>;
}

const ASKED_FOR = ['openapi-fetch', 'openapi-typescript-helpers', 'standardwebhooks', '@stablelib', 'fast-sha256'];
/** Of whoever type-checks a program that uses it. */
const OF_THE_USER = ['@types', 'undici-types', 'typescript'];

export async function installClient(): Promise<InstalledClient> {
  const dir = await mkdtemp(join(tmpdir(), 'geo2-client-'));
  const nodeModules = join(dir, 'node_modules');
  const client = join(nodeModules, 'geo2-client');
  await mkdir(client, { recursive: true });
  await run('npm', ['pack', join(PROGRAM_DIR, 'clients/typescript'), '--pack-destination', dir], {
    cwd: PROGRAM_DIR,
    env: { ...process.env, npm_config_loglevel: 'error', npm_config_update_notifier: 'false' },
  });
  await run('tar', ['-xzf', join(dir, 'geo2-client-0.1.0.tgz'), '-C', client, '--strip-components=1']);
  for (const name of [...ASKED_FOR, ...OF_THE_USER]) {
    await symlink(join(PROGRAM_DIR, 'node_modules', name), join(nodeModules, name));
  }
  return { nodeModules, remove: () => rm(dir, { recursive: true, force: true }) };
}
