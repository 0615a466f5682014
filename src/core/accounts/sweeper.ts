export interface Sweeper {
  start(): void;
  /** Waits for the sweep that runs. */
  stop(): Promise<void>;
}

/** Sweeps at once and then every `everyMs`; one that fails is told to `onError`, and the next comes all the same. */
export function createSweeper(options: {
  readonly sweep: () => Promise<void>;
  readonly everyMs: number;
  readonly onError: (error: unknown) => void;
}): Sweeper {
  const { sweep, everyMs, onError } = options;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;

  function run(): void {
    running ??= sweep()
      .catch(onError)
      .finally(() => {
        running = undefined;
      });
  }

  return {
    start() {
      if (timer !== undefined) return;
      timer = setInterval(run, everyMs);
      run();
    },
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await running;
    },
  };
}
