import { createServer } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Geo2Error } from '#core/errors.ts';
import { createOtlpTracer } from '#core/tracing/tracer.otlp.ts';
import { startOtlpReceiver } from '../../otlp-receiver.ts';

async function tracerTo(url: string, failures: (Error | undefined)[] = []) {
  return createOtlpTracer({
    endpoint: `${url}/`,
    serviceName: 'geo2',
    version: '1.2.3',
    onFailure: (error) => void failures.push(error),
  });
}

describe('spans', () => {
  test('nest as the work does, also where it goes on at the same time', async () => {
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.stop());
    const tracer = await tracerTo(receiver.url);
    const started = Promise.withResolvers<void>();
    await Promise.all([
      tracer.span('a', async (a) => {
        await started.promise;
        await tracer.span('a.1', async () => {
          expect(tracer.current()?.traceId).toBe(a.context?.traceId);
          tracer.record('a.1.measured', { startedAtMs: 1_700_000_000_000.5, durationMs: 2.25 });
        });
      }),
      tracer.span('b', () =>
        tracer.span('b.1', async () => {
          started.resolve();
        }),
      ),
    ]);
    expect(tracer.current()).toBeUndefined();
    await tracer.stop();

    const byName = Object.fromEntries(receiver.spans.map((span) => [span.name, span]));
    expect(Object.keys(byName).sort()).toEqual(['a', 'a.1', 'a.1.measured', 'b', 'b.1']);
    expect(byName.a?.parentSpanId).toBeUndefined();
    expect(byName['a.1']?.parentSpanId).toBe(byName.a?.spanId);
    expect(byName['a.1.measured']).toMatchObject({
      parentSpanId: byName['a.1']?.spanId,
      startMs: 1_700_000_000_000.5,
      endMs: 1_700_000_000_002.75,
    });
    expect(byName['b.1']?.parentSpanId).toBe(byName.b?.spanId);
    expect(byName.a?.traceId).not.toBe(byName.b?.traceId);
  });

  test('of work that throws are marked by the error’s code, and its words stay here', async () => {
    const receiver = await startOtlpReceiver();
    onTestFinished(() => receiver.stop());
    const tracer = await tracerTo(receiver.url);
    const error = new Geo2Error('IMAGE_URL_FAILED', 'a word of the caller');
    await expect(tracer.span('work', () => Promise.reject(error))).rejects.toBe(error);
    await tracer.stop();
    expect(receiver.spans).toMatchObject([{ failed: true, attributes: { 'error.type': 'IMAGE_URL_FAILED' } }]);
    expect(JSON.stringify(receiver.spans)).not.toMatch(/a word of the caller/);
  });
});

test('a receiver that refuses is told of', async () => {
  const server = createServer((_request, response) => void response.writeHead(400).end());
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('it listens nowhere');
  const failures: (Error | undefined)[] = [];
  const tracer = await tracerTo(`http://127.0.0.1:${address.port}`, failures);
  await tracer.span('work', async () => {});
  await tracer.stop();
  expect(failures).toHaveLength(1);
});
