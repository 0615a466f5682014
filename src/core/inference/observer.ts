import type { ErrorCode } from '../errors.ts';
import type { ModelState } from './model.ts';

/** What happens inside, for metrics and logs. Every method is optional and must not throw. */
export interface InferenceObserver {
  onState?(state: ModelState): void;
  /** A call ended; `reason` is the error's code. */
  onRequest?(event: { graph: string; items: number; outcome: 'success' | 'failure'; reason?: ErrorCode }): void;
  /** A batch ran: `queueMs` holds the wait of each of its items. */
  onBatch?(event: { graph: string; size: number; queueMs: readonly number[]; computeMs: number }): void;
  /** Items queued or running changed. */
  onPending?(event: { graph: string; pending: number }): void;
  /** A process ended although nobody asked; the next one starts after `delayMs`. */
  onRestart?(event: { reason: string; delayMs: number }): void;
}
