import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfig } from '../../src/config.ts';
import { startServer } from '../../src/main.ts';

export interface Demo {
  readonly url: string;
  stop(): Promise<void>;
}

/** The server that `make demo` starts, with the released model and the demo's region, on a free port, with a database of its own; `env` overrides that. */
export async function startDemo(env: Readonly<Record<string, string>> = {}): Promise<Demo> {
  const dataDir = await mkdtemp(join(tmpdir(), 'geo2-demo-'));
  const remove = (): Promise<void> => rm(dataDir, { recursive: true, force: true });
  try {
    const server = await startServer(
      readConfig({ PORT: '0', GEO2_LOG_LEVEL: 'error', GEO2_DATA_DIR: dataDir, ...env }),
    );
    return {
      url: server.url,
      async stop() {
        await server.stop();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
