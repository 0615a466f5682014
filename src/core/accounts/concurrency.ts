/** How many requests each key, or streams each tenant, has in flight, in this process. */
export interface Concurrency {
  /** Takes a place and gives back how to leave it; undefined when there is none left for this key or tenant. */
  enter(who: string, max: number): (() => void) | undefined;
}

export function createConcurrency(): Concurrency {
  const inFlight = new Map<string, number>();

  function leave(who: string): void {
    const left = (inFlight.get(who) ?? 1) - 1;
    if (left > 0) inFlight.set(who, left);
    else inFlight.delete(who); // who is idle takes no memory
  }

  return {
    enter(who, max) {
      const count = inFlight.get(who) ?? 0;
      if (count >= max) return undefined;
      inFlight.set(who, count + 1);
      let entered = true;
      return () => {
        if (entered) leave(who);
        entered = false;
      };
    },
  };
}
