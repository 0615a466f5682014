import type { Job, JobKind } from './jobs.ts';

/** Is told what happens to jobs, for metrics. */
export interface JobsObserver {
  onSubmitted?(job: Job): void;
  /** A worker took it up for the first time. */
  onStarted?(job: Job): void;
  /** `retried`: it failed in a way that may pass, and is tried again. */
  onItem?(event: { readonly kind: JobKind; readonly outcome: 'succeeded' | 'failed' | 'retried' }): void;
  onFinished?(job: Job): void;
  /** Jobs that this process runs. */
  onRunning?(count: number): void;
  /** Jobs that nobody has taken up yet, over all processes. */
  onQueued?(count: number): void;
  /** A worker was silent: its job was given to the next. */
  onAbandoned?(): void;
}
