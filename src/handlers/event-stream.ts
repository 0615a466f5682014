export interface ServerSentEvent {
  /** Of one line. */
  readonly id: string;
  readonly event: string;
  /** Told as JSON. */
  readonly data: unknown;
}

export interface EventStreamOptions {
  readonly events: AsyncIterable<ServerSentEvent>;
  /** Silence that is broken by a comment, so that nothing between takes the connection for dead. */
  readonly keepAliveMs: number;
  /** When the caller should connect again after the stream has ended without an end. */
  readonly retryMs: number;
  /** Ends the stream, cleanly, between two events. */
  readonly signal: AbortSignal;
  /** Called once, when nobody wants events any more. */
  readonly onEnd: () => void;
}

const utf8 = new TextEncoder();

/**
 * Server-sent events as they happen. An event is asked for when the caller has taken the one before, so a slow caller holds
 * no memory. A failure of `events` breaks the connection off, after which the caller connects again.
 */
export function eventStream(options: EventStreamOptions): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { retryMs, keepAliveMs, signal, onEnd } = options;
  const events = options.events[Symbol.asyncIterator]();
  const ended = Promise.withResolvers<typeof END>();
  const onAbort = (): void => ended.resolve(END);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  let next: Promise<IteratorResult<ServerSentEvent>> | undefined;

  async function end(): Promise<void> {
    signal.removeEventListener('abort', onAbort);
    onEnd();
    next?.catch(() => {}); // nobody waits for it any more
    await events.return?.();
  }

  return new ReadableStream(
    {
      start(controller) {
        controller.enqueue(utf8.encode(`retry: ${retryMs}\n\n`));
      },

      async pull(controller) {
        next ??= events.next();
        const silence = after(keepAliveMs);
        const found = await Promise.race([next, ended.promise, silence.over])
          .catch(async (error: unknown) => {
            await end();
            throw error;
          })
          .finally(silence.forget);
        if (found === SILENCE) {
          controller.enqueue(utf8.encode(': still here\n\n'));
          return;
        }
        if (found === END || found.done === true) {
          await end();
          controller.close();
          return;
        }
        next = undefined;
        controller.enqueue(utf8.encode(format(found.value)));
      },

      cancel: end,
    },
    { highWaterMark: 1 },
  );
}

const END = Symbol('end');
const SILENCE = Symbol('silence');

function after(timeMs: number): { over: Promise<typeof SILENCE>; forget: () => void } {
  const { promise, resolve } = Promise.withResolvers<typeof SILENCE>();
  const timer = setTimeout(() => resolve(SILENCE), timeMs);
  return { over: promise, forget: () => clearTimeout(timer) };
}

/** JSON holds no line break, so the data is one line. */
function format({ id, event, data }: ServerSentEvent): string {
  return `id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
