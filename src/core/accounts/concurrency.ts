/** How many requests each key has in flight, in this process. */
export interface Concurrency {
  /** Takes a place and gives back how to leave it; undefined when the key has no place left. */
  enter(keyId: string, max: number): (() => void) | undefined;
}

export function createConcurrency(): Concurrency {
  const inFlight = new Map<string, number>();

  function leave(keyId: string): void {
    const left = (inFlight.get(keyId) ?? 1) - 1;
    if (left > 0) inFlight.set(keyId, left);
    else inFlight.delete(keyId); // keys that are idle take no memory
  }

  return {
    enter(keyId, max) {
      const count = inFlight.get(keyId) ?? 0;
      if (count >= max) return undefined;
      inFlight.set(keyId, count + 1);
      let entered = true;
      return () => {
        if (entered) leave(keyId);
        entered = false;
      };
    },
  };
}
