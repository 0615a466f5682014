import { readConfig } from '../../src/config.ts';
import { startServer } from '../../src/main.ts';

export interface Demo {
  readonly url: string;
  stop(): Promise<void>;
}

/** The server that `make demo` starts, with the released model and the demo's region, on a free port. */
export async function startDemo(): Promise<Demo> {
  return startServer(readConfig({ PORT: '0', GEO2_LOG_LEVEL: 'error' }));
}
