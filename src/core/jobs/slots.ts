import { canceled } from '../errors.ts';

/** Places in which items of jobs run. */
export interface Slots {
  /** Waits for a place, and gives how to leave it. Errors: CANCELED when the signal was aborted meanwhile. */
  take(tenant: string, signal: AbortSignal): Promise<() => void>;
}

/**
 * So many places; one that is free goes to the tenant that has the fewest, and among equals they take turns: whoever has a thousand
 * images waits for the one image of somebody else, and not the other way round. A tenant's own come in their order.
 */
export function createSlots(count: number): Slots {
  const taken = new Map<string, number>();
  /** Tenants in the order of their turns. */
  const waiting = new Map<string, (() => void)[]>();
  let free = count;

  const takenBy = (tenant: string): number => taken.get(tenant) ?? 0;

  function occupy(tenant: string): void {
    free -= 1;
    taken.set(tenant, takenBy(tenant) + 1);
  }

  function leave(tenant: string): void {
    free += 1;
    if (takenBy(tenant) > 1) taken.set(tenant, takenBy(tenant) - 1);
    else taken.delete(tenant);
    letIn();
  }

  function letIn(): void {
    const [next] = [...waiting].sort(([a], [b]) => takenBy(a) - takenBy(b)); // it is stable: equals keep their turns
    if (next === undefined) return;
    const [tenant, [enter, ...others]] = next;
    waiting.delete(tenant);
    if (others.length > 0) waiting.set(tenant, others); // behind everybody else
    occupy(tenant);
    enter?.();
  }

  return {
    async take(tenant, signal) {
      if (free > 0) occupy(tenant);
      else await new Promise<void>((enter) => waiting.set(tenant, [...(waiting.get(tenant) ?? []), enter]));
      let isHeld = true;
      const release = (): void => {
        if (isHeld) leave(tenant);
        isHeld = false;
      };
      if (signal.aborted) {
        release();
        throw canceled(signal);
      }
      return release;
    },
  };
}
