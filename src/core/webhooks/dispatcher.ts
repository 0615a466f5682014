import type { Database, Listening } from '../database/database.ts';
import { Geo2Error } from '../errors.ts';
import type { PinnedFetcher } from '../outbound/pinned-fetcher.ts';
import { type AttemptOutcome, type AttemptResult, sendMessage } from './attempt.ts';
import { type Claimed, claimDue } from './claim.ts';
import type { DisabledReason } from './endpoints.ts';
import { DELIVERIES_CHANNEL } from './events.ts';
import { CAPACITY } from './fair-share.ts';
import { createGate } from './gate.ts';
import { purgeOldEvents } from './retention.ts';
import type { SecretBox } from './secret-box.ts';
import { release, settle } from './settle.ts';

/** Standard Webhooks: a receiver has so long to answer. */
export const ATTEMPT_TIMEOUT_MS = 15_000;
/** What an attempt may take beyond its time-out, settling it included, before another process takes it up again. */
const LEASE_MARGIN_MS = 10_000;
/** New events make themselves heard; retries, and leases that ended, are looked for. */
const POLL_MS = 1_000;
/** Between two claims at least: what comes in a burst is claimed together. */
const GAP_MS = 20;
/** The database is away, most likely. */
const TROUBLE_MS = 1_000;
const PURGE_MS = 10 * 60_000;
/** An attempt that was made should be written down even if the database is away for a moment: else it is made twice. */
const SETTLE_TRIES_MS: readonly number[] = [100, 500, 2_000];
/** Connections to the database are few, and requests need them, too. */
const MAX_SETTLING = 3;

/** Told of what happens, for metrics and log. */
export interface DispatchObserver {
  readonly onAttempt?: ((event: { outcome: AttemptOutcome; durationMs: number }) => void) | undefined;
  readonly onDisabled?: ((event: { tenant: string; endpointId: string; reason: DisabledReason }) => void) | undefined;
  /** Something of ours failed, and is tried again. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

export interface DispatcherDeps {
  readonly database: Database;
  readonly fetcher: PinnedFetcher;
  readonly secrets: SecretBox;
  readonly now: () => Date;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Names a claim; unique among all processes. */
  readonly newLease: () => string;
  readonly observer?: DispatchObserver | undefined;
  readonly timeoutMs?: number | undefined;
}

/** Delivers what is due, for as long as it runs; several, in several processes, share one database. */
export interface Dispatcher {
  start(): void;
  /** Makes every attempt that is due now, waits for them, and says how many: a step by hand, while it is not started. */
  step(): Promise<number>;
  /** Begins nothing more; attempts under way have `drainMs`, then they are cut and given back. */
  stop(options: { drainMs: number }): Promise<void>;
}

export function createDispatcher(deps: DispatcherDeps): Dispatcher {
  const { database, secrets, now, newLease, observer = {}, timeoutMs = ATTEMPT_TIMEOUT_MS } = deps;
  const settling = createGate(MAX_SETTLING);
  const cut = new AbortController();
  const running = new Map<Promise<void>, Claimed>();
  let looping: Promise<void> | undefined;
  let stopping = false;
  let wake = (): void => {};

  async function claim(): Promise<Claimed[] | 'busy'> {
    const busy = [...running.values()];
    const sick = busy.filter((claimed) => claimed.sick).length;
    const room = { well: CAPACITY.well - (busy.length - sick), sick: CAPACITY.sick - sick };
    const at = now();
    const leasedUntil = new Date(at.getTime() + timeoutMs + LEASE_MARGIN_MS);
    const claimed = await claimDue(database, { now: at, leasedUntil, lease: newLease(), room });
    if (claimed === 'busy') return claimed;
    for (const delivery of claimed) {
      const attempt = deliver(delivery).finally(() => {
        running.delete(attempt);
        wake(); // its place is free
      });
      running.set(attempt, delivery);
    }
    return claimed;
  }

  async function deliver(claimed: Claimed): Promise<void> {
    const startedAt = now();
    const startedMs = performance.now();
    try {
      const result = await attempt(claimed);
      const durationMs = performance.now() - startedMs;
      observer.onAttempt?.({ outcome: result.outcome, durationMs });
      await settleSurely(claimed, { ...result, startedAt, durationMs });
    } catch (error) {
      // what was not settled is made again: at once when we only had to stop, else when its lease ends
      if (!cut.signal.aborted) observer.onError?.(error);
      else await release(database, claimed).catch((cause: unknown) => observer.onError?.(cause));
    }
  }

  async function attempt({ url, eventId, payload, sealedSecrets, endpointId }: Claimed): Promise<AttemptResult> {
    let opened: string[];
    try {
      opened = sealedSecrets.map((sealed) => secrets.open(sealed, endpointId));
    } catch (error) {
      observer.onError?.(error);
      const text = 'The secret of this webhook cannot be read by the service: rotate it, or ask the operator.';
      return { outcome: 'unsigned', status: undefined, error: text, retryAfter: undefined };
    }
    const message = { url, id: eventId, body: payload, secrets: opened };
    return sendMessage(message, { fetcher: deps.fetcher, now, timeoutMs, signal: cut.signal });
  }

  async function settleSurely(claimed: Claimed, settlement: Parameters<typeof settle>[1]): Promise<void> {
    for (const waitMs of [...SETTLE_TRIES_MS, undefined]) {
      try {
        const { disabled } = await settling(() => settle(claimed, settlement, deps));
        if (disabled === undefined) return;
        observer.onDisabled?.({ tenant: claimed.tenant, endpointId: claimed.endpointId, reason: disabled });
        return;
      } catch (error) {
        if (waitMs === undefined) throw error;
        await pause(waitMs);
      }
    }
  }

  async function run(): Promise<void> {
    let purgedMs = performance.now();
    let listening: Listening | undefined;
    while (!stopping) {
      const woken = Promise.withResolvers<void>();
      wake = () => woken.resolve();
      let waitMs = POLL_MS;
      try {
        listening ??= await database.listen(
          DELIVERIES_CHANNEL,
          () => wake(),
          () => wake(),
        );
        if ((await claim()) === 'busy') wake();
        if (performance.now() - purgedMs > PURGE_MS) {
          purgedMs = performance.now();
          await purgeOldEvents(database, now());
        }
      } catch (error) {
        observer.onError?.(error);
        waitMs = TROUBLE_MS;
      }
      await pause(GAP_MS);
      if (!stopping) await pause(waitMs, woken.promise);
    }
    await listening?.close();
  }

  return {
    start() {
      looping ??= run();
    },

    async step() {
      const claimed = await claim();
      await Promise.all(running.keys());
      return claimed === 'busy' ? 0 : claimed.length;
    },

    async stop({ drainMs }) {
      stopping = true;
      wake();
      await looping;
      await pause(drainMs, Promise.all(running.keys()));
      cut.abort(new Geo2Error('CANCELED', 'The service stops.'));
      await Promise.all(running.keys());
    },
  };
}

/** Until the time is over, or `early` is done. */
async function pause(waitMs: number, early: Promise<unknown> = new Promise(() => {})): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, waitMs);
  });
  await Promise.race([late, early]);
  clearTimeout(timer);
}
