/** A delivery that is due, or that is being made. */
export interface Due {
  readonly id: string;
  readonly tenant: string;
  readonly endpointId: string;
  /** Whether its endpoint failed or was slow the last time. */
  readonly sick: boolean;
}

export interface Shares {
  /** Attempts at one time: to one endpoint, and to all of a tenant's. */
  readonly perEndpoint: number;
  readonly perTenant: number;
}

/** Sick endpoints have shares of their own, so that they take nothing from those that are well. */
export const SHARES: { readonly well: Shares; readonly sick: Shares } = {
  well: { perEndpoint: 2, perTenant: 8 },
  sick: { perEndpoint: 1, perTenant: 4 },
};

/** Attempts that one process may make at one time. */
export const CAPACITY: { readonly well: number; readonly sick: number } = { well: 192, sick: 64 };

export interface Load {
  /** Being made now, by any process. */
  readonly inFlight: readonly Omit<Due, 'id'>[];
  /** What this process may take on. */
  readonly room: { readonly well: number; readonly sick: number };
}

/**
 * Which of the due deliveries (the most urgent of each endpoint first) are attempted now: in turns, the tenant with the least
 * under way first, within the shares of endpoint and tenant and within the room.
 */
export function chooseFairly<T extends Due>(due: readonly T[], { inFlight, room }: Load): T[] {
  const chosen: T[] = [];
  for (const sick of [false, true]) {
    const lane = sick ? 'sick' : 'well';
    const ofLane = due.filter((delivery) => delivery.sick === sick);
    chosen.push(...takeTurns(ofLane, { inFlight, shares: SHARES[lane], room: room[lane], sick }));
  }
  return chosen;
}

interface Turns {
  readonly inFlight: Load['inFlight'];
  readonly shares: Shares;
  readonly room: number;
  readonly sick: boolean;
}

function takeTurns<T extends Due>(due: readonly T[], { inFlight, shares, room, sick }: Turns): T[] {
  const busyEndpoints = new Map<string, number>();
  const busyTenants = new Map<string, number>();
  const begin = ({ endpointId, tenant, sick: isSick }: Omit<Due, 'id'>): void => {
    busyEndpoints.set(endpointId, (busyEndpoints.get(endpointId) ?? 0) + 1);
    if (isSick === sick) busyTenants.set(tenant, (busyTenants.get(tenant) ?? 0) + 1);
  };
  inFlight.forEach(begin);

  const waiting = [...Map.groupBy(due, ({ tenant }) => tenant)].map(([tenant, queue]) => ({
    tenant,
    queue: [...queue],
  }));
  const chosen: T[] = [];
  const busyness = (tenant: string): number => busyTenants.get(tenant) ?? 0;
  for (let progress = true; progress; ) {
    progress = false;
    waiting.sort((a, b) => busyness(a.tenant) - busyness(b.tenant));
    for (const { tenant, queue } of waiting) {
      if (chosen.length >= room) return chosen;
      if (busyness(tenant) >= shares.perTenant) continue;
      const next = queue.findIndex(({ endpointId }) => (busyEndpoints.get(endpointId) ?? 0) < shares.perEndpoint);
      const [delivery] = next === -1 ? [] : queue.splice(next, 1);
      if (delivery === undefined) continue;
      begin(delivery);
      chosen.push(delivery);
      progress = true;
    }
  }
  return chosen;
}
