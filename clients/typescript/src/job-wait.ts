import { Geo2ConnectionError, Geo2Error, Geo2ProblemError, Geo2TimeoutError } from './errors.ts';
import { readEvents } from './event-stream.ts';
import type { RetryDeps } from './retry.ts';

/** What happened to a job, in order; the ids are the same at every replay. */
export interface JobEvent {
  readonly id: string;
  /** `start`; while a view is made `step`, with the id of the event before it; after each image `output` and `progress`; at last `completed`. */
  readonly type: 'start' | 'step' | 'output' | 'progress' | 'completed' | (string & {});
  /** `data.id` is the job's id. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventsOptions {
  readonly signal?: AbortSignal | undefined;
  /** Goes on after this event; from the first unless said. */
  readonly lastEventId?: string | undefined;
}

export interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
  /** Rejects with `Geo2TimeoutError` after this time; the job goes on. As long as the job takes unless said. */
  readonly timeoutMs?: number | undefined;
  /** Told of each event as it comes, where the service's events can be read. */
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
}

export interface JobWaitDeps<Job> extends RetryDeps {
  readonly get: (id: string, options: { signal: AbortSignal }) => Promise<Job>;
  readonly isFinal: (job: Job) => boolean;
  /** The stream of a job's events after one of them; undefined where that was the last. */
  readonly open: (
    id: string,
    options: { signal: AbortSignal; lastEventId: string | undefined },
  ) => Promise<ReadableStream<Uint8Array> | undefined>;
}

/** The service breaks its silence every 15 s: what is silent for longer than this is no connection any more. */
const MAX_SILENCE_MS = 45_000;
/** Connections in a row that brought no event before streaming is given up. */
const MAX_FRUITLESS = 3;
const FIRST_POLL_MS = 500;
const LONGEST_POLL_MS = 5_000;

export function createJobWait<Job>({ get, isFinal, open, pause, random }: JobWaitDeps<Job>) {
  /**
   * The job's events until it has ended. A connection that breaks is made again and goes on where it was; rejects when that
   * does not help, and when the service refuses.
   */
  async function* events(id: string, options: EventsOptions = {}): AsyncGenerator<JobEvent, void, void> {
    const { signal = never() } = options;
    let { lastEventId } = options;
    let failure: unknown;
    for (let fruitless = 0; fruitless < MAX_FRUITLESS; fruitless += 1) {
      if (fruitless > 0) await pause(random() * FIRST_POLL_MS * 2 ** fruitless, signal);
      try {
        const told = await connect(id, { signal, lastEventId });
        if (told === undefined) return;
        for await (const event of told) {
          fruitless = -1; // and 0 for the next
          lastEventId = event.id;
          yield event;
          if (event.type === 'completed') return;
        }
        failure = undefined;
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (error instanceof Geo2ProblemError && !error.retryable) throw error;
        failure = error;
      }
    }
    throw new Geo2ConnectionError(`The events of ${id} could not be read to their end.`, { cause: failure });
  }

  async function connect(
    id: string,
    { signal, lastEventId }: { signal: AbortSignal; lastEventId: string | undefined },
  ): Promise<AsyncGenerator<JobEvent, void, void> | undefined> {
    const silent = new AbortController();
    const stream = await open(id, { signal: AbortSignal.any([signal, silent.signal]), lastEventId });
    return stream === undefined ? undefined : eventsOf(stream, silent);
  }

  /** Breaks the connection off when it falls silent. */
  async function* eventsOf(
    stream: ReadableStream<Uint8Array>,
    silent: AbortController,
  ): AsyncGenerator<JobEvent, void, void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(new Geo2ConnectionError('The events fell silent.')), MAX_SILENCE_MS);
    };
    heard();
    try {
      for await (const { id, event: type, data } of readEvents(stream, heard))
        yield { id, type, data: parseData(data) };
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * The job when it has ended, however it ended: look at its `status`. Follows its events; where these cannot be read, as
   * behind a proxy that holds them back, it asks again and again instead.
   */
  async function wait(id: string, { signal: given, timeoutMs, onEvent }: WaitOptions = {}): Promise<Job> {
    const timeout = timeoutMs === undefined ? never() : AbortSignal.timeout(timeoutMs);
    const signal = given === undefined ? timeout : AbortSignal.any([given, timeout]);
    try {
      await follow(id, signal, onEvent);
      return await poll(id, signal);
    } catch (error) {
      if (given?.aborted === true) throw given.reason;
      if (timeout.aborted)
        throw new Geo2TimeoutError(`The job ${id} did not end within ${timeoutMs} ms.`, { cause: error });
      throw error;
    }
  }

  /** Resolves when the job seems to have ended, or when its events do not tell. */
  async function follow(id: string, signal: AbortSignal, onEvent: WaitOptions['onEvent']): Promise<void> {
    const told = events(id, { signal });
    try {
      for (;;) {
        const next = await told.next().catch((error: unknown) => {
          if (signal.aborted || !(error instanceof Geo2Error)) throw error;
          return undefined;
        });
        if (next === undefined || next.done === true) return;
        onEvent?.(next.value); // what it throws ends the wait
      }
    } finally {
      await told.return();
    }
  }

  async function poll(id: string, signal: AbortSignal): Promise<Job> {
    for (let waitMs = FIRST_POLL_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_POLL_MS)) {
      const job = await get(id, { signal });
      if (isFinal(job)) return job;
      await pause(waitMs * (0.5 + random() / 2), signal);
    }
  }

  return { events, wait };
}

/** A signal that nobody aborts. */
function never(): AbortSignal {
  return new AbortController().signal;
}

function parseData(text: string): JobEvent['data'] {
  const data: unknown = JSON.parse(text);
  return isRecord(data) ? data : {};
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
