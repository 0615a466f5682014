import { describe, expect, test } from 'vitest';
import { type EventStreamOptions, eventStream, type ServerSentEvent } from '../../src/handlers/event-stream.ts';

const EVENTS: readonly ServerSentEvent[] = [
  { id: 'a.1', event: 'start', data: { text: 'two\nlines' } },
  { id: 'a.2', event: 'completed', data: null },
];

function streamOf(options: Partial<EventStreamOptions>): ReadableStream<Uint8Array> {
  return eventStream({
    events: ReadableStream.from(EVENTS),
    keepAliveMs: 60_000,
    retryMs: 2_000,
    signal: new AbortController().signal,
    onEnd: () => {},
    ...options,
  });
}

/** Tells of `first`, then waits for the signal. */
async function* waiting(first: readonly ServerSentEvent[], signal: AbortSignal): AsyncGenerator<ServerSentEvent> {
  yield* first;
  await new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve());
  });
}

const TEXT =
  'retry: 2000\n\nid: a.1\nevent: start\ndata: {"text":"two\\nlines"}\n\nid: a.2\nevent: completed\ndata: null\n\n';

describe('a stream of events', () => {
  test('tells each once, on lines of their own, and ends after the last', async () => {
    expect(await new Response(streamOf({})).text()).toBe(TEXT);
  });

  test('breaks a silence with a comment, and goes on', async () => {
    const go = Promise.withResolvers<void>();
    async function* late(): AsyncGenerator<ServerSentEvent> {
      await go.promise;
      yield* EVENTS;
    }
    const reader = streamOf({ events: late(), keepAliveMs: 5 }).pipeThrough(new TextDecoderStream()).getReader();
    const told: string[] = [];
    while (told.filter((text) => text.startsWith(':')).length < 2) told.push((await reader.read()).value ?? '');
    go.resolve();
    for (let part = await reader.read(); !part.done; part = await reader.read()) told.push(part.value);
    const text = told.join('');
    expect(text).toMatch(/^retry: 2000\n\n(: still here\n\n){2,}id: a\.1/);
    expect(text.replaceAll(': still here\n\n', '')).toBe(TEXT);
  });

  test('ends cleanly when its signal does, and says that it has', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const ended = Promise.withResolvers<void>();
    const text = new Response(streamOf({ events: waiting(EVENTS, signal), signal, onEnd: ended.resolve })).text();
    controller.abort();
    expect(TEXT.startsWith(await text)).toBe(true);
    await ended.promise;
    expect(await new Response(streamOf({ signal: AbortSignal.abort() })).text()).toMatch(/^retry/);
  });

  test('that is canceled ends what feeds it', async () => {
    const left = new AbortController();
    const reader = streamOf({ events: waiting([], left.signal), onEnd: () => left.abort() }).getReader();
    await reader.read();
    await reader.cancel();
    expect(left.signal.aborted).toBe(true);
  });

  test('asks for an event only when the one before is taken', async () => {
    let made = 0;
    async function* endless(): AsyncGenerator<ServerSentEvent> {
      for (;;) {
        made += 1;
        yield { id: `a.${made}`, event: 'progress', data: made };
      }
    }
    const reader = streamOf({ events: endless() }).getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    await new Promise((resolve) => setImmediate(resolve));
    expect(made).toBeLessThan(6);
    await reader.cancel();
  });

  test('breaks off when its events fail, so that the caller connects again', async () => {
    async function* broken(): AsyncGenerator<ServerSentEvent> {
      yield* EVENTS;
      throw new Error('the database is away');
    }
    let ended = 0;
    const stream = streamOf({
      events: broken(),
      onEnd: () => {
        ended += 1;
      },
    });
    await expect(new Response(stream).text()).rejects.toThrow('the database is away');
    expect(ended).toBe(1);
  });
});
