import { canceled, throwIfCanceled } from '../errors.ts';

/**
 * Lets images in while the sum of their pixels stays within a budget, first come first served, so that many large images at
 * once cost time and not memory. An image larger than the whole budget waits until it is alone.
 */
export interface PixelGate {
  /** Resolves with the function that gives the pixels back. Rejects with CANCELED when aborted while waiting. */
  enter(pixels: number, signal?: AbortSignal): Promise<() => void>;
}

interface Waiter {
  readonly pixels: number;
  readonly admit: () => void;
}

export function createPixelGate(budgetPixels: number): PixelGate {
  let inUse = 0;
  const waiting: Waiter[] = [];

  function fits(pixels: number): boolean {
    return inUse === 0 || inUse + pixels <= budgetPixels;
  }

  function take(pixels: number): () => void {
    inUse += pixels;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      inUse -= pixels;
      admitWaiting();
    };
  }

  function admitWaiting(): void {
    for (let next = waiting[0]; next !== undefined && fits(next.pixels); next = waiting[0]) {
      waiting.shift();
      next.admit();
    }
  }

  return {
    async enter(pixels, signal) {
      throwIfCanceled(signal);
      if (waiting.length === 0 && fits(pixels)) return take(pixels);
      return new Promise((resolve, reject) => {
        const onAbort = (): void => {
          waiting.splice(waiting.indexOf(waiter), 1);
          reject(canceled(signal));
          admitWaiting();
        };
        const waiter: Waiter = {
          pixels,
          admit: () => {
            signal?.removeEventListener('abort', onAbort);
            resolve(take(pixels));
          },
        };
        waiting.push(waiter);
        signal?.addEventListener('abort', onAbort, { once: true });
      });
    },
  };
}
