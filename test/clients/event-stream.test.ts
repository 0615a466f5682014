import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEvents, type StreamedEvent } from '../../clients/typescript/src/event-stream.ts';

async function eventsOf(pieces: readonly Uint8Array[]): Promise<StreamedEvent[]> {
  const stream = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  const events: StreamedEvent[] = [];
  for await (const event of readEvents(stream)) events.push(event);
  return events;
}

const bytes = (text: string) => new TextEncoder().encode(text);

const STREAM = [
  'retry: 1000\n\n',
  ': a comment\n\n',
  'id: 1\nevent: start\ndata: {"id":"job_ä"}\n\n',
  'id: 2\r\nevent: output\r\ndata: a\r\ndata: b\r\n\r\n',
  'data:no space\n\n',
  'id: 3\ndata\n\n',
  'id: 4\nevent: cut\ndata: off',
].join('');

const EVENTS = [
  { id: '1', event: 'start', data: '{"id":"job_ä"}' },
  { id: '2', event: 'output', data: 'a\nb' },
  { id: '2', event: 'message', data: 'no space' },
  { id: '3', event: 'message', data: '' },
];

test('events are read with their ids, names and lines, but for one that is cut off', async () => {
  expect(await eventsOf([bytes(STREAM)])).toEqual(EVENTS);
});

test('it does not matter where the network cuts the stream', async () => {
  const whole = bytes(STREAM);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat({ max: whole.length }), { maxLength: 12 }), async (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end));
      expect(await eventsOf(pieces)).toEqual(EVENTS);
    }),
  );
});

test('leaving the loop closes the stream', async () => {
  let closed = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(bytes('id: 1\ndata: x\n\n')),
    cancel() {
      closed = true;
    },
  });
  for await (const { id } of readEvents(stream)) {
    expect(id).toBe('1');
    break;
  }
  expect(closed).toBe(true);
});
