import { describe, expect, test } from 'vitest';
import { streamBody } from '../../src/handlers/body-stream.ts';
import { streamed } from '../app-under-test.ts';

const PACE = { windowMs: 60_000, minBytes: 1 };

function bodyOf(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  headers: Record<string, string> = {},
): Request {
  return new Request('http://geo2.test/', streamed(ReadableStream.from(chunks), headers));
}

async function lengthsOf(request: Request, options: Partial<Parameters<typeof streamBody>[1]> = {}): Promise<number[]> {
  const lengths: number[] = [];
  const signal = new AbortController().signal;
  for await (const chunk of streamBody(request, { maxBytes: 100, pace: PACE, signal, ...options })) {
    lengths.push(chunk.length);
  }
  return lengths;
}

/** Gives `first`, then nothing for ever. */
function stalled(first: Uint8Array): AsyncIterable<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.enqueue(first) });
}

describe('a body that is streamed', () => {
  test('comes chunk by chunk, and none is none', async () => {
    expect(await lengthsOf(bodyOf([new Uint8Array(60), new Uint8Array(40)]))).toEqual([60, 40]);
    expect(await lengthsOf(new Request('http://geo2.test/', { method: 'POST' }))).toEqual([]);
  });

  test('is refused by the length that it declares, before a byte is read', async () => {
    let asked = 0;
    function* chunks(): Generator<Uint8Array> {
      asked += 1;
      yield new Uint8Array(1);
    }
    const request = new Request('http://geo2.test/', {
      ...streamed(ReadableStream.from(chunks()), { 'content-length': String(10 * 1024 ** 3) }),
    });
    await expect(lengthsOf(request)).rejects.toMatchObject({ code: 'BODY_TOO_LARGE' });
    expect(asked).toBeLessThanOrEqual(1); // the stream itself may read ahead by one
  });

  test('is refused at the first byte too many when it declares nothing', async () => {
    await expect(lengthsOf(bodyOf([new Uint8Array(100), new Uint8Array(1)]))).rejects.toMatchObject({
      code: 'BODY_TOO_LARGE',
      headers: { connection: 'close' },
    });
  });

  test('is given up when it comes too slowly, whether it stops or trickles', async () => {
    const pace = { windowMs: 20, minBytes: 10 };
    await expect(lengthsOf(bodyOf(stalled(new Uint8Array(50))), { pace })).rejects.toMatchObject({
      code: 'UPLOAD_TOO_SLOW',
      headers: { connection: 'close' },
    });
    async function* trickle(): AsyncGenerator<Uint8Array> {
      for (;;) {
        yield new Uint8Array(1);
        await new Promise((wake) => setTimeout(wake, 5));
      }
    }
    await expect(lengthsOf(bodyOf(trickle()), { pace })).rejects.toMatchObject({ code: 'UPLOAD_TOO_SLOW' });
  });

  test('may take its time while we do not wait for it', async () => {
    const pace = { windowMs: 10, minBytes: 10 };
    const signal = new AbortController().signal;
    const body = streamBody(bodyOf([new Uint8Array(5), new Uint8Array(5)]), { maxBytes: 100, pace, signal });
    for await (const _chunk of body) await new Promise((wake) => setTimeout(wake, 50)); // the store is slow
  });

  test('ends when its request does', async () => {
    const controller = new AbortController();
    const read = lengthsOf(bodyOf(stalled(new Uint8Array(5))), { signal: controller.signal });
    controller.abort();
    await expect(read).rejects.toMatchObject({ code: 'CANCELED' });
  });

  test('that breaks off is malformed', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(5);
      throw new Error('the connection is gone');
    }
    await expect(lengthsOf(bodyOf(broken()))).rejects.toMatchObject({ code: 'MALFORMED_BODY' });
  });
});
