import * as z from 'zod';
import { type Config, readConfig } from '../config.ts';
import { type Engine, startEngine } from '../engine.ts';
import { createLogger } from '../logging.ts';
import type { CommandContext, Output } from './command.ts';
import { Failure } from './failure.ts';

export interface EngineOptions {
  /** Load and search only this region. */
  readonly region?: string | undefined;
  /** The command needs at least one region; `embed` does not. */
  readonly needsRegion: boolean;
}

/**
 * Starts the engine of the service on the store, gives it to `work`, and ends its processes whatever happens. Errors: those
 * of the engine, UNKNOWN_REGION when there is nothing to search, REGION_INVALID when the region that was asked for cannot be.
 */
export async function withEngine<T>(
  { env, stderr, signal }: Pick<CommandContext, 'env' | 'stderr' | 'signal'>,
  { region, needsRegion }: EngineOptions,
  work: (engine: Engine, config: Config) => Promise<T>,
): Promise<T> {
  const found = readConfig(env);
  const config: Config = {
    ...found,
    regions: region === undefined ? (needsRegion ? found.regions : []) : [region],
    logLevel: env.GEO2_LOG_LEVEL === undefined ? 'warn' : found.logLevel,
  };
  const engine = await startEngine(config, {
    logger: createLogger({ level: config.logLevel, version: 'cli' }, toTerminal(stderr, region)),
    childEnv: env.LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH: env.LD_LIBRARY_PATH },
  });
  try {
    signal.throwIfAborted();
    if (needsRegion) checkRegions(engine, config, region);
    return await work(engine, config);
  } finally {
    const stopped = engine.stop();
    if (signal.aborted) killNow(engine.model.pid);
    await stopped;
  }
}

/** Nobody waits for the run any more that a stop would let finish. */
function killNow(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

function checkRegions(engine: Engine, { storeUrl }: Config, region: string | undefined): void {
  if (engine.regions.list().length > 0) return;
  const [health] = engine.regionHealth();
  if (region !== undefined) {
    throw new Failure('UNKNOWN_REGION', `Region ${region} cannot be searched: ${health?.reason ?? 'it is not there.'}`);
  }
  throw new Failure(
    'UNKNOWN_REGION',
    health === undefined
      ? `There is no region in ${storeUrl}. Build one with geo2 region build, or set GEO2_STORE.`
      : `No region of ${storeUrl} can be searched.`,
  );
}

const LineSchema = z.object({ level: z.string(), msg: z.string(), region: z.string().optional() });

/** Log lines as a person reads them; what is wrong with the region that was asked for is told by the failure. */
function toTerminal(stderr: Output, asked: string | undefined): { write(line: string): void } {
  return {
    write(line) {
      const { level, msg, region } = LineSchema.parse(JSON.parse(line));
      if (region !== undefined && region === asked) return;
      stderr.write(`geo2: ${level === 'error' || level === 'warn' ? '' : `${level}: `}${msg}\n`);
    },
  };
}
