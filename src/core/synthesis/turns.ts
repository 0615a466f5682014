import { canceled, throwIfCanceled } from '../errors.ts';

/** One at a time, first come, first served: two that share the model by turns would both end as late as the second. */
export interface Turns {
  /** Errors: CANCELED while waiting; those of `work`. */
  take<T>(work: () => Promise<T>, options: { readonly signal?: AbortSignal | undefined }): Promise<T>;
}

export function createTurns(): Turns {
  const waiting: (() => void)[] = [];
  let isTaken = false;

  function pass(): void {
    const next = waiting.shift();
    if (next === undefined) isTaken = false;
    else next();
  }

  async function enter(signal: AbortSignal | undefined): Promise<void> {
    throwIfCanceled(signal);
    if (!isTaken) {
      isTaken = true;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        waiting.splice(waiting.indexOf(begin), 1);
        reject(canceled(signal));
      };
      const begin = (): void => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      waiting.push(begin);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  return {
    async take(work, { signal }) {
      await enter(signal);
      try {
        return await work();
      } finally {
        pass();
      }
    },
  };
}
