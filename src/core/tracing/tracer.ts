import type { TraceContext } from './trace-context.ts';

/** Nothing of an image, no coordinate, no key and no address of a caller ever is an attribute. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A stretch of work in a trace. */
export interface Span {
  /** Undefined when the work is in no trace. */
  readonly context: TraceContext | undefined;
  rename(name: string): void;
  set(attributes: Attributes): void;
}

export interface SpanOptions {
  /** `server`: answers a caller; `client`: waits for another process; `consumer`: does what was asked for earlier. */
  readonly kind?: 'internal' | 'server' | 'client' | 'consumer';
  /** Of another process. Without one it is the span that the caller runs in. */
  readonly parent?: TraceContext | undefined;
  readonly attributes?: Attributes;
}

/** Something that was timed where no tracer is, such as in a child process. */
export interface Measured {
  /** Milliseconds since 1970, with fractions. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly attributes?: Attributes;
}

/** Tells whoever watches where the time of a request goes. */
export interface Tracer {
  /** Runs `work` in a span that ends with it; what it throws marks the span as failed, and is thrown on. */
  span<T>(name: string, work: (span: Span) => Promise<T>, options?: SpanOptions): Promise<T>;
  /** Adds a span that is over already. */
  record(name: string, measured: Measured): void;
  /** Where the caller is, for a process that goes on with its work. */
  current(): TraceContext | undefined;
}

const NO_SPAN: Span = { context: undefined, rename: () => {}, set: () => {} };

/** Traces nothing, at the cost of a call. */
export const NO_TRACER: Tracer = {
  span: (_name, work) => work(NO_SPAN),
  record: () => {},
  current: () => undefined,
};
